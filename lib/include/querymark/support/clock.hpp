#pragma once  // For users.

#include <atomic>
#include <chrono>
#include <cstdint>

namespace querymark {

/// Nanoseconds of a monotonic clock that runs on while the machine sleeps; its zero point lies more
/// than a year back. Never compared between processes, nor with `std::chrono::steady_clock::now()`,
/// which stands still meanwhile: condition variables wait by that one.
using MonotonicTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;
/// Wall-clock time. Serves TTLs in shared tiers, and reports; no freshness rule depends on it.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::milliseconds>;

/// Source of time for freshness, TTLs, leases and lags, so tests can steer it; only deadlines of
/// callers who wait are `steady_clock`'s, as condition variables need. Thread-safe; never blocks.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Monotonic, precise (about 25 ns a call), counting suspensions of the machine.
  [[nodiscard]] virtual MonotonicTime now() const noexcept = 0;
  /// The same, a few milliseconds coarse and never ahead of `now()` (about 6 ns a call): TTLs,
  /// max_lag. The first reading after a suspension counts it already.
  [[nodiscard]] virtual MonotonicTime coarse_now() const noexcept = 0;
  [[nodiscard]] virtual WallTime wall_now() const noexcept = 0;
};

/// The operating system's clocks. Never destroyed.
[[nodiscard]] const Clock& system_clock() noexcept;

/// A clock that moves only when told to; for tests. Thread-safe.
class ManualClock final : public Clock {
 public:
  [[nodiscard]] MonotonicTime now() const noexcept override;
  [[nodiscard]] MonotonicTime coarse_now() const noexcept override { return now(); }
  [[nodiscard]] WallTime wall_now() const noexcept override;
  /// Moves both clocks forward.
  void advance(std::chrono::nanoseconds by) noexcept;
  /// Moves the wall clock alone (skew); negative values move it back.
  void skew_wall(std::chrono::milliseconds by) noexcept;

 private:
  std::atomic<std::int64_t> elapsed_{
      std::chrono::nanoseconds(std::chrono::hours(24 * 366)).count()};
  std::atomic<std::int64_t> wall_ms_{1'700'000'000'000};
};

namespace detail {

/// `now + span`, or the end of time where that would overflow: "for ever" is a span like any other.
[[nodiscard]] constexpr MonotonicTime after(MonotonicTime now,
                                            std::chrono::nanoseconds span) noexcept {
  return span >= MonotonicTime::max() - now ? MonotonicTime::max() : now + span;
}

}  // namespace detail
}  // namespace querymark
