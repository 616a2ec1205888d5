#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>

// For: follow. Its sleepers are the only ones.

namespace querymark {

/// How often something has happened, and the threads that sleep until it happens again.
///
/// Sleeps at once, by the system's futex: std::atomic's wait gives its processor away a few times
/// first, whatever that costs (BriefYields).
///
/// Thread-safe.
class EventCount {
 public:
  [[nodiscard]] std::uint32_t now() const noexcept { return happened_.load(); }
  /// Blocks until the count is no more `seen`; may return before.
  void sleep(std::uint32_t seen) noexcept;
  /// The same, no longer than that (or as long as the system takes more to notice).
  void sleep_for(std::uint32_t seen, std::chrono::nanoseconds longest) noexcept;
  /// Counts, and wakes one of those who sleep.
  void wake_one() noexcept { wake(1); }
  /// Counts, and wakes all of them.
  void wake_all() noexcept;

 private:
  void sleep(std::uint32_t seen, const timespec* longest) noexcept;
  void wake(int threads) noexcept;

  std::atomic<std::uint32_t> happened_{0};
  std::atomic<std::uint32_t> sleeping_{0};
};

}  // namespace querymark
