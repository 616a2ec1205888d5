#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

// Time that runs on while the machine sleeps, at the price of a clock that does not.
//
// CLOCK_BOOTTIME counts a suspension, and has no coarse variant: reading it costs five times what
// CLOCK_MONOTONIC_COARSE does. The two differ by an offset that only a suspension changes, by which
// it grows. So a coarse reading is the coarse monotonic clock plus the offset as it was measured
// when that clock last moved; while it stands (4 ms at 250 Hz) nothing is measured again. A
// suspension moves it: the kernel brings its clocks up to date on the way down, when no user's code
// runs any more, so the first reading afterwards differs from all before, and measures.
//
//   offset_   the greatest difference that was measured. Each is at most the true one, since the
//             clock that is subtracted is read later, however long a thread is held up in between.
//             It never falls, so the sum never goes back and is never ahead of CLOCK_BOOTTIME.
//   tick_     the coarse reading for which offset_ was measured: stored with release after it,
//             loaded with acquire before it, so whoever finds his own tick finds its offset.
//
// What it can't see, CLOCK_BOOTTIME does not either: a virtual machine that is paused or moved
// without being told, and a thread that is held up between its reading and its use.

namespace querymark::detail {

/// `Reader` has three static functions that return nanoseconds: coarse_monotonic(), monotonic() and
/// boottime(). Thread-safe, lock-free.
template <class Reader>
class BootClock {
 public:
  [[nodiscard]] std::chrono::nanoseconds precise() const noexcept { return Reader::boottime(); }

  [[nodiscard]] std::chrono::nanoseconds coarse() const noexcept {
    const std::chrono::nanoseconds tick = Reader::coarse_monotonic();
    if (tick_.load(std::memory_order_acquire) != tick.count()) [[unlikely]]
      measure(tick);
    return tick + std::chrono::nanoseconds(offset_.load(std::memory_order_relaxed));
  }

 private:
  [[gnu::noinline]] void measure(std::chrono::nanoseconds tick) const noexcept {
    const std::chrono::nanoseconds boot = Reader::boottime();
    const std::int64_t offset = (boot - Reader::monotonic()).count();
    std::int64_t known = offset_.load(std::memory_order_relaxed);
    while (known < offset &&
           !offset_.compare_exchange_weak(known, offset, std::memory_order_relaxed)) {
    }
    tick_.store(tick.count(), std::memory_order_release);
  }

  // On a line that is written once a tick.
  alignas(64) mutable std::atomic<std::int64_t> tick_{-1};
  mutable std::atomic<std::int64_t> offset_{0};
};

}  // namespace querymark::detail
