#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

// For: follow.

namespace querymark {

/// Whether the next poll is worth a wait for more callers. Threads that read one after the other
/// come again as soon as a poll has answered them: so all whom the last one served are expected,
/// beside those who wait already, and the last of them polls for all. Without it each of them finds
/// the turn free, and nearly every caller polls for itself.
///
/// Whoever is not come within the patience is not waited for: such a wait was in vain, and the next
/// polls begin at once, twice as many after each wait in vain that follows.
///
/// `complete` and `patience` may be called by everybody, the others by who has the turn to poll.
class Gathering {
 public:
  using Nanoseconds = std::chrono::nanoseconds;
  static constexpr Nanoseconds kLeastPatience = std::chrono::microseconds(100);
  static constexpr Nanoseconds kMostPatience = std::chrono::milliseconds(1);
  static constexpr std::uint32_t kFirstPause = 32;
  static constexpr std::uint32_t kLongestPause = 1024;

  explicit Gathering(Nanoseconds least_patience = kLeastPatience) noexcept
      : least_patience_(least_patience) {}

  /// Whether nobody else is to be waited for when `come` have.
  [[nodiscard]] bool complete(std::uint32_t come) const noexcept {
    return come >= expected_.load(std::memory_order_relaxed);
  }
  /// How long the others are waited for.
  [[nodiscard]] Nanoseconds patience() const noexcept {
    const Nanoseconds took(took_.load(std::memory_order_relaxed));
    return std::max(least_patience_, std::min(2 * took, kMostPatience));
  }

  /// A poll begins: all have come, or those who have not were waited for in vain.
  void begins(bool in_vain) noexcept {
    if (in_vain) {
      pause_ = next_pause_;
      next_pause_ = std::min(2 * next_pause_, kLongestPause);
    } else if (expected_.load(std::memory_order_relaxed) > 1) {
      next_pause_ = kFirstPause;
    }
  }
  /// One has ended well, which answers `served`, and `waiting` wait for the next one.
  void ended(std::uint32_t served, std::uint32_t waiting, Nanoseconds took) noexcept {
    took_.store(took.count(), std::memory_order_relaxed);
    expected_.store(pause_ > 0 ? 0 : served + waiting, std::memory_order_relaxed);
    pause_ -= std::min(pause_, 1U);
  }
  /// One has failed: who comes next tries at once.
  void failed() noexcept { expected_.store(0, std::memory_order_relaxed); }

 private:
  const Nanoseconds least_patience_;
  std::atomic<std::uint32_t> expected_{0};
  std::atomic<std::int64_t> took_{0};
  std::uint32_t pause_ = 0;  // how many polls begin at once
  std::uint32_t next_pause_ = kFirstPause;
};

}  // namespace querymark
