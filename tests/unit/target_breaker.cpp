#include "querymark/deliver/target_breaker.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace querymark;
using namespace std::chrono_literals;

constexpr std::uint64_t kLongest = 99;  // of a ceiling of 100 ms: the whole of it

}  // namespace

TEST_CASE("breaker: a failure opens it, its pause's end lets one probe pass, success closes it",
          "[breaker]") {
  ManualClock clock;
  TargetBreaker breaker({.start = 100ms, .cap = 1s});
  CHECK(breaker.state(clock.now()) == BreakerState::closed);
  CHECK(breaker.pause(clock.now()) == 0ns);
  CHECK_FALSE(breaker.down_for(clock.now()));

  breaker.fail(clock.now(), kLongest);
  CHECK(breaker.state(clock.now()) == BreakerState::open);
  CHECK(breaker.pause(clock.now()) == 100ms);
  clock.advance(99ms);
  CHECK(breaker.state(clock.now()) == BreakerState::open);
  CHECK(breaker.pause(clock.now()) == 1ms);
  clock.advance(1ms);
  CHECK(breaker.state(clock.now()) == BreakerState::half_open);
  CHECK(breaker.pause(clock.now()) == 0ns);
  CHECK(breaker.down_for(clock.now()) == 100ms);

  breaker.succeed();
  CHECK(breaker.state(clock.now()) == BreakerState::closed);
  CHECK_FALSE(breaker.down_for(clock.now()));
}

TEST_CASE("breaker: each failed probe makes the pause longer, success makes it short again",
          "[breaker]") {
  ManualClock clock;
  TargetBreaker breaker({.start = 100ms, .cap = 300ms});
  const auto whole = [](std::chrono::milliseconds ceiling) {
    return static_cast<std::uint64_t>(ceiling.count() - 1);
  };
  for (const auto expected : {100ms, 200ms, 300ms, 300ms}) {
    breaker.fail(clock.now(), whole(expected));
    CHECK(breaker.pause(clock.now()) == expected);
    clock.advance(expected);
  }
  CHECK(breaker.down_for(clock.now()) == 900ms);
  breaker.succeed();
  breaker.fail(clock.now(), whole(100ms));
  CHECK(breaker.pause(clock.now()) == 100ms);
  CHECK(breaker.down_for(clock.now()) == 0ns);
}
