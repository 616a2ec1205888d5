#include "poll_pace.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Polled = PollPace::Polled;
using std::chrono::nanoseconds;

constexpr std::uint64_t kNoJitter = 0;
constexpr std::uint64_t kMostJitter = 16;

nanoseconds after(PollPace& pace, Polled outcome) {
  pace.after(outcome);
  return pace.pause(kNoJitter);
}

}  // namespace

TEST_CASE("poll pace: unannounced rows make polls eight times as frequent, until they stop coming",
          "[poll_pace]") {
  PollPace pace(80ms, 3s);
  CHECK(pace.pause(kNoJitter) == 80ms);
  CHECK(after(pace, Polled::nothing) == 80ms);
  CHECK(after(pace, Polled::unannounced_rows) == 10ms);
  CHECK(after(pace, Polled::unannounced_rows) == 10ms);
  CHECK(after(pace, Polled::nothing) == 20ms);
  CHECK(after(pace, Polled::nothing) == 40ms);
  CHECK(after(pace, Polled::nothing) == 80ms);
  CHECK(after(pace, Polled::nothing) == 80ms);
}

TEST_CASE("poll pace: a ring changes nothing", "[poll_pace]") {
  PollPace pace(80ms, 3s);
  CHECK(after(pace, Polled::rung) == 80ms);
  CHECK(after(pace, Polled::unannounced_rows) == 10ms);
  CHECK(after(pace, Polled::rung) == 10ms);
}

TEST_CASE("poll pace: rings that bring nothing new are answered later and later", "[poll_pace]") {
  PollPace pace(80ms, 3s);
  CHECK(pace.held_back() == 0ns);
  pace.after(Polled::rung);
  CHECK(pace.held_back() == 0ns);
  for (const nanoseconds held : {250us, 500us, 1000us, 1000us}) {
    CHECK(after(pace, Polled::rung_in_vain) == 80ms);
    CHECK(pace.held_back() == held);
  }
  SECTION("until one brings something") { pace.after(Polled::rung); }
  SECTION("until rows come unannounced") { pace.after(Polled::unannounced_rows); }
  SECTION("until nobody rings") { pace.after(Polled::nothing); }
  CHECK(pace.held_back() == 0ns);
}

TEST_CASE("poll pace: failures double the pause, up to a second; success ends that",
          "[poll_pace]") {
  PollPace pace(100ms, 30s);
  CHECK(after(pace, Polled::unannounced_rows) == 12500us);
  CHECK(after(pace, Polled::failed) == 100ms);
  CHECK(after(pace, Polled::failed) == 200ms);
  CHECK(after(pace, Polled::failed) == 400ms);
  CHECK(after(pace, Polled::failed) == 800ms);
  CHECK(after(pace, Polled::failed) == 1s);
  CHECK(after(pace, Polled::failed) == 1s);
  SECTION("that found nothing") { CHECK(after(pace, Polled::nothing) == 100ms); }
  SECTION("that was rung for") { CHECK(after(pace, Polled::rung) == 100ms); }
  SECTION("that found rows") { CHECK(after(pace, Polled::unannounced_rows) == 12500us); }
}

TEST_CASE("poll pace: a poll that was over too late is followed by another soon", "[poll_pace]") {
  PollPace pace(1s, 4s);
  CHECK(after(pace, Polled::too_late) == 12500us);
  CHECK(after(pace, Polled::nothing) == 25ms);
  CHECK(after(pace, Polled::failed) == 1s);
  CHECK(after(pace, Polled::too_late) == 12500us);
}

TEST_CASE("poll pace: no pause is longer than was asked for, nor than a third of max_lag",
          "[poll_pace]") {
  for (const nanoseconds max_lag : {nanoseconds(30ms), nanoseconds(1s), nanoseconds(10min)})
    for (const nanoseconds interval : {nanoseconds(1ms), nanoseconds(100ms), nanoseconds(1h)})
      for (const Polled outcome : {Polled::rung, Polled::rung_in_vain, Polled::unannounced_rows,
                                   Polled::nothing, Polled::too_late, Polled::failed}) {
        PollPace pace(interval, max_lag);
        for (int i = 0; i < 40; ++i) {
          CHECK(after(pace, outcome) <= max_lag / 3);
          if (outcome != Polled::failed) CHECK(pace.pause(kNoJitter) <= interval);
          CHECK(pace.pause(kNoJitter) >= 1ms);
        }
      }
}

TEST_CASE("poll pace: an interval of for ever is as good as any other", "[poll_pace]") {
  constexpr nanoseconds kForEver = nanoseconds::max();
  PollPace never(kForEver, kForEver);
  for (int i = 0; i < 100; ++i) never.after(Polled::nothing);
  CHECK(never.pause(kMostJitter) > std::chrono::hours(24 * 365));
}

TEST_CASE("poll pace: a max_lag of nothing does not make it spin", "[poll_pace]") {
  PollPace pace(0ns, 0ns);
  CHECK(pace.pause(kNoJitter) == 1ms);
  CHECK(after(pace, Polled::nothing) == 1ms);
  CHECK(after(pace, Polled::unannounced_rows) == 1ms);
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

TEST_CASE("poll pace: no lag at all does not mean polls without a pause", "[poll_pace]") {
  const PollPace never_trusted(80ms, 0s);
  CHECK(never_trusted.pause(kNoJitter) == 80ms);
  const PollPace impatient(0s, 3s);
  CHECK(impatient.pause(kNoJitter) >= 1ms);
  const PollPace patient(nanoseconds::max(), nanoseconds::max());
  CHECK(patient.pause(kNoJitter) == nanoseconds::max() / 3);
  CHECK(patient.pause(kMostJitter) > 0ns);
}
