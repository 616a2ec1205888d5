// A reader over a group of tiers: what it is served, and what it fills.

#include <array>
#include <catch2/catch.hpp>

#include "unit/read_fixture.hpp"
#include "unit/tier_group_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

// A process whose one query is asked through whatever is attached to it.
struct Reader : ReadFixture {
  [[nodiscard]] std::int64_t fetch() {
    const Result result = query("select n").tag(tag("a")).ttl(1h).fetch();
    outcome = result.outcome();
    return result[0][0].as<std::int64_t>();
  }
  Outcome outcome;
};

// What another process has left in a place: the number 42, loaded at position 10.
void fill(const Place& place) {
  Reader other;
  other.loader.value = 42;
  other.source.attach(place.gate);
  REQUIRE(other.fetch() == 42);
}

const Digest& only_name(const Place& place) { return place.server->values.begin()->first.second; }

SharedValue lie(const Reader& reader) {
  return {.stamp = {kEpoch, {11}, {}},
          .stored = reader.clock.wall_now(),
          .expires = reader.clock.wall_now() + 1h,
          .targets = {tag("a")},
          .rows = number(-1)};
}

}  // namespace

TEST_CASE("tier group: a reader is served by the member that has what it can take",
          "[tier_group]") {
  const auto reads = GENERATE(TierReads::sequential, TierReads::hedged, TierReads::parallel);
  Reader reader;
  const Place good(reader.clock, "redis");
  fill(good);
  reader.invalidate(tag("b"));  // position 11
  SharedValue lied = lie(reader);
  SECTION("while another has what is stale") {
    reader.invalidate(tag("a"));  // position 12: nobody has what is fresh
    const auto liar = std::make_shared<LyingTier>(lied);
    reader.source.attach(
        std::make_shared<TierGroup>("shop", TierGroupOptions{.reads = reads}, liar, good.gate));
    CHECK(reader.fetch() == 1);
    CHECK(reader.outcome.origin == Origin::database);
    CHECK(reader.cache.stats().shared_stale == 2);
    return;
  }
  SECTION("while another has what belongs to another history") { lied.stamp.epoch = {9, 9}; }
  SECTION("while another has what comes from a future that nobody can prove") {
    lied.stamp.horizon = {99};
  }
  SECTION("while another has what is from below the floor") { lied.stamp.horizon = {5}; }
  SECTION("while another has what has expired") { lied.expires = reader.clock.wall_now(); }
  SECTION("while another has what is too old") { lied.stored -= 1h; }
  const auto liar = std::make_shared<LyingTier>(lied);
  reader.source.attach(
      std::make_shared<TierGroup>("shop", TierGroupOptions{.reads = reads}, liar, good.gate));
  CHECK(reader.fetch() == 42);
  CHECK(reader.outcome.origin == Origin::shared_tier);
  CHECK(reader.loader.loads == 0);
}

TEST_CASE(
    "tier group: what a reader has taken fills the members above, and lives there as long as they "
    "say",
    "[tier_group]") {
  Reader reader;
  const Place file(reader.clock, "file");
  const Place redis(reader.clock, "redis");
  fill(redis);
  const auto group = std::make_shared<TierGroup>("shop", TierGroupOptions{.refill_ttl = 10s},
                                                 file.gate, redis.gate);
  reader.source.attach(group);
  SECTION("taken") {
    CHECK(reader.fetch() == 42);
    const auto original = redis.gate->get("shop", only_name(redis));
    const auto copy = file.gate->get("shop", only_name(redis));
    REQUIRE(copy);
    CHECK(copy->stamp == original->stamp);
    CHECK(copy->stored == original->stored);
    CHECK(copy->targets == original->targets);
    CHECK(copy->expires == reader.clock.wall_now() + 10s);
    CHECK(original->expires > copy->expires);
    CHECK(group->stats()[0].stored == 0);  // it is offered the copy without the group
  }
  SECTION("refused: nothing, and what is loaded instead fills all of them") {
    reader.invalidate(tag("a"));
    CHECK(reader.fetch() == 1);
    CHECK(group->stats()[0].stored == 1);
    CHECK(file.gate->get("shop", only_name(redis))->expires == reader.clock.wall_now() + 1h);
  }
}

TEST_CASE("tier group: a member that is slow or down costs a reader nothing that another one has",
          "[tier_group]") {
  Reader reader;
  const Place file(reader.clock, "file");
  const Place redis(reader.clock, "redis");
  fill(redis);
  const auto group = std::make_shared<TierGroup>(
      "shop", TierGroupOptions{.reads = TierReads::hedged, .hedge_delay = 0ms}, file.gate,
      redis.gate);
  reader.source.attach(group);
  SECTION("slow") {
    file.gate->close();
    CHECK(reader.fetch() == 42);
    file.gate->open();
  }
  SECTION("down") {
    file.server->down = true;
    CHECK(reader.fetch() == 42);
  }
  CHECK(reader.outcome.origin == Origin::shared_tier);
}
