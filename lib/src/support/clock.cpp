#include "querymark/support/clock.hpp"

#include <time.h>

#include "boot_clock.hpp"

namespace querymark {
namespace {

std::chrono::nanoseconds read_clock(clockid_t id) noexcept {
  timespec ts{};
  clock_gettime(id, &ts);  // can't fail for these ids
  return std::chrono::seconds(ts.tv_sec) + std::chrono::nanoseconds(ts.tv_nsec);
}

struct SystemReader {
  static std::chrono::nanoseconds coarse_monotonic() noexcept {
    return read_clock(CLOCK_MONOTONIC_COARSE);
  }
  static std::chrono::nanoseconds monotonic() noexcept { return read_clock(CLOCK_MONOTONIC); }
  static std::chrono::nanoseconds boottime() noexcept { return read_clock(CLOCK_BOOTTIME); }
};

// When the machine was started. Values from shared tiers are older than that, some of them, and the
// time of their load must not lie before the clock's zero.
constexpr MonotonicTime kBoot{std::chrono::hours(24 * 366)};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] MonotonicTime now() const noexcept override { return kBoot + boot_.precise(); }
  [[nodiscard]] MonotonicTime coarse_now() const noexcept override {
    return kBoot + boot_.coarse();
  }
  [[nodiscard]] WallTime wall_now() const noexcept override {
    return std::chrono::time_point_cast<std::chrono::milliseconds>(
        std::chrono::system_clock::now());
  }

 private:
  detail::BootClock<SystemReader> boot_;
};

}  // namespace

const Clock& system_clock() noexcept {
  static const auto* const clock = new SystemClock;  // threads may read it at the process's end
  return *clock;
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
