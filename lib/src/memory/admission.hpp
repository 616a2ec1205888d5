#pragma once

#include <cstddef>
#include <cstdint>

namespace querymark {

/// Which entries of a shard may pass by the small queue, beside those that ghosts remember. Two rules
/// for what ghosts can't know:
///
/// Until the shard has been full once, nothing that comes is worth less than what is there: new
/// entries fill the main queue first.
///
/// Of a loop longer than the cache every entry leaves the small queue before its second visit. So one
/// in 32 goes on to the main queue unvisited, and stays there; unless ghosts work, which do it better.
///
/// Not thread-safe.
class Admission {
 public:
  /// Main's share of the shard while it fills for the first time, as afterwards.
  static constexpr std::size_t kMainPercent = 93;

  [[nodiscard]] bool filling() const noexcept { return !full_once_; }
  void filled() noexcept { full_once_ = true; }

  /// Notes an entry that was not there, into a shard of `entries`.
  void inserted(bool was_ghost, std::size_t entries) noexcept {
    ++insertions_;
    if (was_ghost) ++ghost_hits_;
    if (insertions_ < 2 * entries) return;
    insertions_ /= 2;
    ghost_hits_ /= 2;
  }
  /// Whether an entry that leaves the small queue unvisited goes on to the main queue.
  [[nodiscard]] bool lets_pass() noexcept {
    constexpr std::uint64_t kGhostsWork = 20;  // one in as many insertions
    if (kGhostsWork * ghost_hits_ >= insertions_) return false;
    lot_ ^= lot_ << 13U;  // Marsaglia's xorshift (2003)
    lot_ ^= lot_ >> 17U;
    lot_ ^= lot_ << 5U;
    return lot_ % 32 == 0;
  }

 private:
  bool full_once_ = false;
  std::uint32_t lot_ = 2'463'534'242U;
  // Of the last two fillings' worth of insertions, the older ones by half.
  std::uint64_t insertions_ = 0;
  std::uint64_t ghost_hits_ = 0;
};

}  // namespace querymark
