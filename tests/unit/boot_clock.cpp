#include "boot_clock.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <thread>
#include <vector>

#include "querymark/support/clock.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

// A machine whose sleep the test decides on.
struct Machine {
  static inline nanoseconds awake{};   // since boot, as CLOCK_MONOTONIC counts
  static inline nanoseconds asleep{};  // in all
  static inline int measured = 0;
  static inline std::function<void()> between;  // two readings of one measurement

  static constexpr nanoseconds kTick = 4ms;
  static nanoseconds coarse_monotonic() noexcept {
    return std::max(suspended_at, awake / kTick * kTick);
  }
  static nanoseconds monotonic() noexcept { return awake; }
  static nanoseconds boottime() noexcept {
    ++measured;
    const nanoseconds now = awake + asleep;
    if (between) between();
    return now;
  }

  // Brings the coarse clock up to date, as the kernel does on the way down.
  static void suspend(nanoseconds span) {
    suspended_at = awake;
    asleep += span;
  }
  static void run(nanoseconds span) { awake += span; }
  static inline nanoseconds suspended_at{};
};

struct Fixture {
  detail::BootClock<Machine> clock;
  Fixture() {
    Machine::awake = 100s + 1ms;
    Machine::asleep = 0s;
    Machine::measured = 0;
    Machine::between = {};
    Machine::suspended_at = 0s;
  }
};

}  // namespace

TEST_CASE("boot clock: the first reading after a suspension counts it", "[clock]") {
  Fixture f;
  CHECK(f.clock.coarse() == 100s);
  Machine::run(1ms);
  Machine::suspend(1h);
  CHECK(f.clock.coarse() >= 100s + 1h);
  CHECK(f.clock.coarse() <= f.clock.precise());
  Machine::run(9ms);
  CHECK(f.clock.coarse() == 100s + 8ms + 1h);
  Machine::suspend(2h);
  Machine::run(1ns);
  CHECK(f.clock.coarse() >= 100s + 3h);
}

TEST_CASE("boot clock: while the coarse clock stands nothing is measured", "[clock]") {
  Fixture f;
  for (int i = 0; i < 100; ++i) static_cast<void>(f.clock.coarse());
  CHECK(Machine::measured == 1);
  Machine::run(4ms);
  for (int i = 0; i < 100; ++i) static_cast<void>(f.clock.coarse());
  CHECK(Machine::measured == 2);
}

TEST_CASE("boot clock: a measurement that is held up neither sets it back nor ahead", "[clock]") {
  Fixture f;
  Machine::suspend(1h);
  Machine::run(8ms);
  const nanoseconds before = f.clock.coarse();
  Machine::run(4ms);
  Machine::between = [] { Machine::awake += 3s; };  // the thread sleeps between two clocks
  const nanoseconds after = f.clock.coarse();
  CHECK(after > before);
  Machine::between = {};
  CHECK(after <= f.clock.precise());
  Machine::run(4ms);
  CHECK(f.clock.precise() - f.clock.coarse() < Machine::kTick);
}

TEST_CASE("boot clock: the system's goes on by CLOCK_BOOTTIME, and never back", "[clock]") {
  const Clock& clock = system_clock();
  const auto read = [&] {
    MonotonicTime last = clock.coarse_now();
    for (int i = 0; i < 20'000; ++i) {
      const MonotonicTime coarse = clock.coarse_now();
      const MonotonicTime precise = clock.now();
      if (coarse < last || coarse > precise) return false;
      last = coarse;
    }
    return true;
  };
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&] {
        if (!read()) ++wrong;
      });
  }
  CHECK(wrong == 0);
  timespec boot{};
  REQUIRE(clock_gettime(CLOCK_BOOTTIME, &boot) == 0);
  const MonotonicTime reference(std::chrono::seconds(boot.tv_sec) + nanoseconds(boot.tv_nsec));
  CHECK(clock.now() >= reference);
  CHECK(clock.coarse_now() > reference - 1s);
}
