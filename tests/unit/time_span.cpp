#include "querymark/support/time_span.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

}  // namespace

TEST_CASE("time span: what no nanoseconds can hold becomes the longest there is", "[time_span]") {
  CHECK(TimeSpan(std::chrono::hours::max()) == nanoseconds::max());
  CHECK(TimeSpan(std::chrono::years::max()) == nanoseconds::max());
  CHECK(TimeSpan(std::chrono::seconds::max()) == nanoseconds::max());
  CHECK(TimeSpan(nanoseconds::max()) == nanoseconds::max());
  CHECK(TimeSpan(std::chrono::hours::min()) == nanoseconds::min());
  CHECK(TimeSpan(std::chrono::duration<std::uint64_t, std::nano>(~0ULL)) == nanoseconds::max());
  CHECK(TimeSpan(std::chrono::hours(2'562'047)) < nanoseconds::max());  // the last that fits
  CHECK(TimeSpan(std::chrono::hours(2'562'048)) == nanoseconds::max());
}

TEST_CASE("time span: what fits is what it was", "[time_span]") {
  CHECK(TimeSpan(5min) == 5min);
  CHECK(TimeSpan(-3ns).count() == -3);
  CHECK(TimeSpan(0h) == nanoseconds(0));
  CHECK(TimeSpan() == nanoseconds(0));
  static_assert(!std::is_convertible_v<std::chrono::duration<double>, TimeSpan>);
  static_assert(!std::is_convertible_v<std::chrono::duration<int, std::pico>, TimeSpan>);
  const TimeSpan limit = 9s;
  CHECK(limit / 3 == 3s);
}

TEST_CASE("time span: a negative one is refused by name, where it makes no sense", "[time_span]") {
  CHECK(detail::not_negative(0s, "a ttl") == 0s);
  CHECK_THROWS_WITH(detail::not_negative(-1ns, "a ttl"), "a ttl can't be negative");
  CHECK_THROWS_AS(detail::not_negative(std::chrono::hours::min(), "a ttl"), ConfigError);
}

TEST_CASE("time span: a timeout is at most what every timer holds, and never below zero",
          "[time_span]") {
  constexpr std::chrono::milliseconds kLongest{0x7FFF'FFFF};
  CHECK(PatienceSpan(std::chrono::hours::max()) == kLongest);
  CHECK(PatienceSpan(std::chrono::milliseconds::max()) == kLongest);
  CHECK(PatienceSpan(std::chrono::days(25)) == kLongest);
  CHECK(PatienceSpan(std::chrono::days(24)) == std::chrono::days(24));
  CHECK(PatienceSpan(7ms) == 7ms);
  CHECK(PatienceSpan() == 0ms);
  CHECK_THROWS_AS(PatienceSpan(-1ms), ConfigError);
  CHECK_THROWS_AS(PatienceSpan(std::chrono::hours::min()), ConfigError);
  static_assert(!std::is_convertible_v<std::chrono::microseconds, PatienceSpan>);
}

TEST_CASE("time span: a wait without end has no deadline", "[time_span]") {
  CHECK_FALSE(detail::deadline_of({}));
  CHECK_FALSE(detail::deadline_of(std::chrono::hours::max()));
  const auto before = std::chrono::steady_clock::now();
  const auto deadline = detail::deadline_of(1h);
  REQUIRE(deadline);
  CHECK(*deadline >= before + 1h);
}
