#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "connection.hpp"

namespace querymark::file_tier {

/// A read transaction that spans several reads of one connection. To begin and to end one takes
/// longer than a lookup: two locks of the file. It is as good as one for each read while nobody has
/// committed since it began; that is told without a lock by the header of the log's index, which
/// all processes map and each commit changes (it is what SQLite compares, too).
///
/// What it costs others: checkpoints get no further than it, and the log can't be begun anew. So
/// whoever holds one sees to it that it ends soon, also when nobody reads any more; and while the log
/// is long (32 MiB, by pages of 4 KiB) none is held.
///
/// For one thread at a time, as its connection, which it must not outlive.
class HeldSnapshot {
 public:
  explicit HeldSnapshot(sqlite::Connection& connection) noexcept : connection_(connection) {}

  [[nodiscard]] bool is_held() const noexcept { return held_; }
  /// Whether a transaction begun now would see the same.
  [[nodiscard]] bool is_current() const noexcept { return header() == at_begin_; }
  /// Begins one unless the file has no log, or a long one. Throws Error.
  void begin();
  /// Ends it, if there is one. Throws Error.
  void end();

 private:
  static constexpr std::size_t kWords = 12;  // of one copy of the header
  using Header = std::array<std::uint32_t, kWords>;

  [[nodiscard]] Header header() const noexcept;
  void find_index();

  sqlite::Connection& connection_;
  std::uint32_t* index_ = nullptr;  // SQLite's own mapping, there until the connection closes
  Header at_begin_{};
  bool held_ = false;
};

}  // namespace querymark::file_tier
