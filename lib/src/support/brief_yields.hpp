#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "support/event_count.hpp"

// For: follow.

namespace querymark {

/// What a thread does for a moment before it sleeps: gives its processor to whoever wants it
/// (sched_yield), as long as that is cheaper than to be put to sleep and woken. Among threads that
/// wait for each other a yield takes a microsecond, a sleep and its wake-up five. But where others
/// compute, a yield takes as long as their time slices, a thousand times that: then nobody yields
/// for a pause. One thread's trial ends it, or makes it twice as long.
///
/// Thread-safe.
class BriefYields {
 public:
  using Nanoseconds = std::chrono::nanoseconds;
  static constexpr Nanoseconds kLongest = std::chrono::microseconds(100);  ///< All of one call's.
  static constexpr Nanoseconds kTooLong = std::chrono::microseconds(250);  ///< A single one.
  static constexpr Nanoseconds kFirstPause = std::chrono::milliseconds(10);
  static constexpr Nanoseconds kLongestPause = std::chrono::seconds(5);

  /// By tests: what to yield by.
  explicit BriefYields(void (*by)() noexcept = system_yield) noexcept : yield_(by) {}

  /// True as soon as the count is no more `seen`. False: it may still be, and the caller shall sleep.
  [[nodiscard]] bool until_moved(const EventCount& count, std::uint32_t seen) noexcept;

 private:
  /// How it went for as long as it was worth it.
  enum class Yielding : std::uint8_t { moved, enough, too_long };
  [[nodiscard]] Yielding yield(const EventCount& count, std::uint32_t seen,
                               std::int64_t began) const noexcept;
  static void system_yield() noexcept;

  void (*const yield_)() noexcept;

  std::atomic<std::int64_t> paused_until_{0};  // steady clock; 0: no pause
  std::atomic<std::int64_t> next_pause_{kFirstPause.count()};
};

}  // namespace querymark
