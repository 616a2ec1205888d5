#include "querymark/support/clock.hpp"

#include <time.h>

namespace querymark {
namespace {

std::chrono::nanoseconds read_clock(clockid_t id) noexcept {
  timespec ts{};
  clock_gettime(id, &ts);  // can't fail for these ids
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

class SystemClock final : public Clock {
 public:
  [[nodiscard]] MonotonicTime now() const noexcept override {
    return MonotonicTime(read_clock(CLOCK_MONOTONIC));
  }
  [[nodiscard]] MonotonicTime coarse_now() const noexcept override {
    return MonotonicTime(read_clock(CLOCK_MONOTONIC_COARSE));
  }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }
};

}  // namespace

const Clock& system_clock() noexcept {
  static const SystemClock clock;
  return clock;
}

MonotonicTime ManualClock::now() const noexcept {
  return MonotonicTime(std::chrono::nanoseconds(elapsed_.load(std::memory_order_acquire)));
}

WallTime ManualClock::wall_now() const noexcept {
  return WallTime(std::chrono::milliseconds(wall_ms_.load(std::memory_order_acquire)));
}

void ManualClock::advance(std::chrono::nanoseconds by) noexcept {
  elapsed_.fetch_add(by.count(), std::memory_order_acq_rel);
  skew_wall(std::chrono::duration_cast<std::chrono::milliseconds>(by));
}

void ManualClock::skew_wall(std::chrono::milliseconds by) noexcept {
  wall_ms_.fetch_add(by.count(), std::memory_order_acq_rel);
}

}  // namespace querymark
