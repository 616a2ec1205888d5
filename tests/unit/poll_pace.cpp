#include "querymark/log/poll_pace.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Polled = PollPace::Polled;
using std::chrono::nanoseconds;

constexpr std::uint64_t kNoJitter = 0;
constexpr std::uint64_t kMostJitter = 16;

nanoseconds after(PollPace& pace, Polled outcome, bool listens) {
  pace.after(outcome, listens);
  return pace.pause(kNoJitter);
}

}  // namespace

TEST_CASE("poll pace: quiet polls double the pause while the doorbell listens, up to max_lag / 3",
          "[poll_pace]") {
  PollPace pace(100ms, 3s);
  CHECK(pace.pause(kNoJitter) == 100ms);
  CHECK(after(pace, Polled::nothing, true) == 200ms);
  CHECK(after(pace, Polled::nothing, true) == 400ms);
  CHECK(after(pace, Polled::nothing, true) == 800ms);
  CHECK(after(pace, Polled::nothing, true) == 1s);
  CHECK(after(pace, Polled::nothing, true) == 1s);
  CHECK(after(pace, Polled::rows, true) == 100ms);
}

TEST_CASE("poll pace: without a doorbell every pause is the short one", "[poll_pace]") {
  PollPace pace(100ms, 3s);
  for (int i = 0; i < 5; ++i) CHECK(after(pace, Polled::nothing, true) > 100ms);
  for (int i = 0; i < 5; ++i) CHECK(after(pace, Polled::nothing, false) == 100ms);
  CHECK(after(pace, Polled::rows, false) == 100ms);
}

TEST_CASE("poll pace: failures double the pause from the short one, up to a second",
          "[poll_pace]") {
  PollPace pace(100ms, 30s);
  for (int i = 0; i < 9; ++i) pace.after(Polled::nothing, true);
  CHECK(pace.pause(kNoJitter) == 10s);
  CHECK(after(pace, Polled::failed, true) == 100ms);
  CHECK(after(pace, Polled::failed, false) == 200ms);
  CHECK(after(pace, Polled::failed, true) == 400ms);
  CHECK(after(pace, Polled::failed, true) == 800ms);
  CHECK(after(pace, Polled::failed, true) == 1s);
  CHECK(after(pace, Polled::failed, true) == 1s);
  CHECK(after(pace, Polled::nothing, true) == 100ms);
  CHECK(after(pace, Polled::nothing, true) == 200ms);
}

TEST_CASE(
    "poll pace: no pause is longer than a third of max_lag, so that trust outlives lost polls",
    "[poll_pace]") {
  for (const nanoseconds max_lag : {nanoseconds(30ms), nanoseconds(1s), nanoseconds(10min)})
    for (const nanoseconds interval : {nanoseconds(1ms), nanoseconds(100ms), nanoseconds(1h)})
      for (const bool listens : {true, false})
        for (const Polled outcome : {Polled::rows, Polled::nothing, Polled::failed}) {
          PollPace pace(interval, max_lag);
          for (int i = 0; i < 40; ++i) CHECK(after(pace, outcome, listens) <= max_lag / 3);
          CHECK(pace.pause(kNoJitter) > 0ns);
        }
}

TEST_CASE("poll pace: however large max_lag is, a look comes every 30 s, or as often as asked",
          "[poll_pace]") {
  constexpr nanoseconds kForEver = nanoseconds::max();
  PollPace often(100ms, kForEver);
  PollPace rarely(1h, kForEver);
  PollPace never(kForEver, kForEver);
  for (int i = 0; i < 100; ++i)
    for (PollPace* pace : {&often, &rarely, &never}) pace->after(Polled::nothing, true);
  CHECK(often.pause(kNoJitter) == 30s);
  CHECK(rarely.pause(kNoJitter) == 1h);
  CHECK(never.pause(kMostJitter) > std::chrono::hours(24 * 365));
}

TEST_CASE("poll pace: a max_lag of nothing does not make it spin", "[poll_pace]") {
  PollPace pace(0ns, 0ns);
  CHECK(pace.pause(kNoJitter) == 1ms);
  CHECK(after(pace, Polled::nothing, true) == 1ms);
}

TEST_CASE("poll pace: jitter shortens a pause by up to a quarter", "[poll_pace]") {
  const PollPace pace(64ms, 3s);
  CHECK(pace.pause(kNoJitter) == 64ms);
  CHECK(pace.pause(1) == 63ms);
  CHECK(pace.pause(kMostJitter) == 48ms);
  CHECK(pace.pause(17) == 64ms);
  for (std::uint64_t random = 0; random < 1000; ++random) {
    CHECK(pace.pause(random) <= 64ms);
    CHECK(pace.pause(random) >= 48ms);
  }
}
