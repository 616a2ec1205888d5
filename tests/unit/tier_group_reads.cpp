// What a group of tiers finds, and whom it asks.

#include <array>
#include <catch2/catch.hpp>
#include <future>
#include <vector>

#include "unit/tier_group_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

}  // namespace

TEST_CASE("tier group: members are asked one after the other, and no further than needed",
          "[tier_group]") {
  const Places places;
  const auto group = places.group({});
  places.first.put(name(1), places.value("first"));
  places.second.put(name(1), places.value("second", 9));
  places.second.put(name(2), places.value("below"));
  const int asked = places.second.gate->reads;
  CHECK(text_in(group->get("shop", name(1))) == "first");
  CHECK(places.second.gate->reads == asked);
  CHECK(text_in(group->get("shop", name(2))) == "below");
  CHECK(text_in(group->get("shop", name(3))) == "none");
  CHECK(text_in(group->get("other", name(1))) == "none");
  const auto stats = group->stats();
  REQUIRE(stats.size() == 2);
  CHECK(stats[0].path == "shop.file");
  CHECK(stats[0].reads == 4);
  CHECK(stats[0].hits == 1);
  CHECK(stats[1].path == "shop.redis");
  CHECK(stats[1].reads == 3);
  CHECK(stats[1].served == 1);
}

TEST_CASE("tier group: a value that the reader would not take ends no search", "[tier_group]") {
  const auto reads = GENERATE(TierReads::sequential, TierReads::hedged, TierReads::parallel);
  const Places places;
  const auto group = places.group({.reads = reads, .hedge_delay = 1h});
  places.first.put(name(1), places.value("stale", 9));
  places.second.put(name(1), places.value("fresh"));
  Picky judge = only_text("fresh");
  TierRead wanted = asked_for(name(1), &judge);
  CHECK_FALSE(group->read("shop", {&wanted, 1}));
  CHECK(text_in(wanted.value) == "fresh");
  CHECK(group->stats()[0].refused == 1);
  // The first one lacks what was found.
  REQUIRE(wanted.refills.size() == 1);
  CHECK(wanted.refills[0].tier == places.first.gate.get());
  Picky nobodys = only_text("nothing");
  TierRead refused = asked_for(name(1), &nobodys);
  CHECK_FALSE(group->read("shop", {&refused, 1}));
  CHECK_FALSE(refused.value);
  CHECK(refused.refills.empty());
}

TEST_CASE("tier group: each of many names is looked for until it is found", "[tier_group]") {
  const auto reads = GENERATE(TierReads::sequential, TierReads::hedged, TierReads::parallel);
  const Places places;
  const auto group = places.group({.reads = reads});
  places.first.put(name(1), places.value("one"));
  places.second.put(name(2), places.value("two"));
  std::array<TierRead, 4> wanted{asked_for(name(1)), asked_for(name(2)), asked_for(name(3)),
                                 asked_for(name(2))};
  CHECK_FALSE(group->read("shop", wanted));
  CHECK(text_in(wanted[0].value) == "one");
  CHECK(wanted[0].refills.empty());
  CHECK(text_in(wanted[1].value) == "two");
  CHECK_FALSE(wanted[2].value);
  CHECK(wanted[2].refills.empty());
  CHECK(text_in(wanted[3].value) == "two");
  CHECK(wanted[3].refills.size() == 1);
  CHECK_FALSE(group->read("shop", {}));
}

TEST_CASE("tier group: who does not answer in time is no longer waited for alone (hard case 87)",
          "[tier_group]") {
  const auto delay = GENERATE(0ms, 1ms);
  const Places places;
  places.first.put(name(1), places.value("slow", 4));
  places.second.put(name(1), places.value("quick", 5));
  const auto group = places.group({.reads = TierReads::hedged, .hedge_delay = delay});
  places.first.gate->close();
  TierRead wanted = asked_for(name(1));
  CHECK_FALSE(group->read("shop", {&wanted, 1}));
  CHECK(text_in(wanted.value) == "quick");
  CHECK(wanted.refills.empty());  // what the first one has is not known
  places.first.gate->await(1);
  places.first.gate->open();
  // The loser's answer is dropped: it has filled nothing.
  CHECK(places.first.holds(name(1)) == "slow");
  CHECK(places.second.holds(name(1)) == "quick");
  while (group->stats()[0].late == 0) std::this_thread::yield();
  CHECK(group->stats()[0].served == 0);
  CHECK(group->stats()[1].served == 1);
}

TEST_CASE("tier group: in parallel all are asked before any has answered", "[tier_group]") {
  const Places places;
  places.first.put(name(1), places.value("earlier", 4));
  places.second.put(name(1), places.value("later", 5));
  const auto group = places.group({.reads = TierReads::parallel});
  places.first.gate->close();
  places.second.gate->close();
  auto reading =
      std::async(std::launch::async, [&] { return text_in(group->get("shop", name(1))); });
  places.first.gate->await(1);
  places.second.gate->await(1);
  places.first.gate->open();
  places.second.gate->open();
  CHECK(reading.get() == "later");
}

TEST_CASE("tier group: the next is asked at once when the one before has nothing, or fails",
          "[tier_group]") {
  const Places places;
  const auto group = places.group({.reads = TierReads::hedged, .hedge_delay = 24h});
  places.second.put(name(1), places.value("second"));
  SECTION("nothing") {}
  SECTION("fails") { places.first.server->down = true; }
  TierRead wanted = asked_for(name(1));
  CHECK_FALSE(group->read("shop", {&wanted, 1}));
  CHECK(text_in(wanted.value) == "second");
  // Who has just failed is not waited for once more.
  CHECK(wanted.refills.size() == (places.first.server->down ? 0 : 1));
  CHECK(group->stats()[0].failures == (places.first.server->down ? 1 : 0));
}

TEST_CASE("tier group: a judge is asked by nobody once the read has returned", "[tier_group]") {
  const Places places;
  // The inner group must choose, on a thread that answers too late.
  places.first.put(name(1), places.value("slow"));
  places.second.put(name(1), places.value("quick"));
  const auto inner = std::make_shared<TierGroup>("inner", TierGroupOptions{}, places.first.gate);
  TierGroup group("outer", {.reads = TierReads::hedged, .hedge_delay = 0ms}, inner,
                  places.second.gate);
  places.first.gate->close();
  auto judge = std::make_unique<Picky>([](const SharedValue&) { return true; });
  TierRead wanted = asked_for(name(1), judge.get());
  CHECK_FALSE(group.read("shop", {&wanted, 1}));
  CHECK(text_in(wanted.value) == "quick");
  CHECK(judge->asked == 1);
  judge.reset();
  places.first.gate->open();
  while (group.stats()[0].served == 0) std::this_thread::yield();
}

TEST_CASE("tier group: of several good values the latest stamp counts, then the longest life",
          "[tier_group]") {
  const Places places;
  const auto group = places.group({.reads = TierReads::parallel, .refill_ttl = 10s});
  const bool swapped = GENERATE(false, true);
  const Place& here = swapped ? places.second : places.first;
  const Place& there = swapped ? places.first : places.second;
  SharedValue earlier = places.value("earlier", 5);
  earlier.expires += 1h;
  here.put(name(1), earlier);
  there.put(name(1), places.value("later", 6));
  SharedValue longer = places.value("longer", 5);
  longer.expires += 1s;
  here.put(name(2), places.value("shorter", 5));
  there.put(name(2), longer);
  std::array<TierRead, 2> wanted{asked_for(name(1)), asked_for(name(2))};
  CHECK_FALSE(group->read("shop", wanted));
  CHECK(text_in(wanted[0].value) == "later");
  CHECK(text_in(wanted[1].value) == "longer");
  // A copy of that very stamp is as good as the one that would take its place.
  CHECK(wanted[0].refills.size() == (swapped ? 0 : 1));
  CHECK(wanted[1].refills.empty());
}

TEST_CASE("tier group: who lacks the value, and how long a copy may live, is told with it",
          "[tier_group]") {
  const Places places;
  Place third(places.clock, "far");
  third.put(name(1), places.value("x"));
  const auto inner = std::make_shared<TierGroup>("inner", TierGroupOptions{.refill_ttl = 5s},
                                                 places.second.gate, third.gate);
  SECTION("the members before it, of each group around it") {
    TierGroup outer("outer", {.refill_ttl = 1min}, places.first.gate, inner);
    TierRead wanted = asked_for(name(1));
    CHECK_FALSE(outer.read("shop", {&wanted, 1}));
    REQUIRE(wanted.refills.size() == 2);
    CHECK(wanted.refills[0].tier == places.first.gate.get());
    CHECK(wanted.refills[0].longest == 1min);
    CHECK(wanted.refills[1].tier == places.second.gate.get());
    CHECK(wanted.refills[1].longest == 5s);
  }
  SECTION("none, where copies are not wanted") {
    TierGroup outer("outer", {.refill = false}, places.first.gate, inner);
    TierRead wanted = asked_for(name(1));
    CHECK_FALSE(outer.read("shop", {&wanted, 1}));
    REQUIRE(wanted.refills.size() == 1);
    CHECK(wanted.refills[0].tier == places.second.gate.get());
  }
  SECTION("a group as a whole") {
    places.first.put(name(2), places.value("y"));
    TierGroup outer("outer", {}, inner, places.first.gate);
    TierRead wanted = asked_for(name(2));
    CHECK_FALSE(outer.read("shop", {&wanted, 1}));
    REQUIRE(wanted.refills.size() == 1);
    CHECK(wanted.refills[0].tier == inner.get());
    CHECK(wanted.refills[0].longest == std::chrono::milliseconds::max());
  }
  CHECK(places.first.holds(name(1)) == "none");  // offering it is the reader's
}

TEST_CASE("tier group: a read fails when each member has, and tells of each", "[tier_group]") {
  const auto reads = GENERATE(TierReads::sequential, TierReads::hedged, TierReads::parallel);
  const Places places;
  Place third(places.clock, "redis");
  const auto inner = std::make_shared<TierGroup>("inner", TierGroupOptions{.reads = reads},
                                                 places.second.gate, third.gate);
  TierGroup outer("outer", {.reads = reads}, places.first.gate, inner);
  for (const Place* place : {&places.first, &places.second, static_cast<const Place*>(&third)})
    place->server->down = true;
  TierRead wanted = asked_for(name(1));
  const auto failure = outer.read("shop", {&wanted, 1});
  REQUIRE(failure);
  CHECK(failure->tried);
  CHECK_THAT(failure->cause, Catch::Contains("outer.file: down"));
  CHECK_THAT(failure->cause, Catch::Contains("outer.inner.redis: down"));
  CHECK_THAT(failure->cause, Catch::Contains("outer.inner.redis2: down"));
  third.server->down = false;
  CHECK_FALSE(outer.read("shop", {&wanted, 1}));
  const auto stats = outer.stats();
  REQUIRE(stats.size() == 3);
  CHECK(stats[0].path == "outer.file");
  CHECK(stats[0].failures == 2);
  CHECK(stats[0].last_failure == "down");
  CHECK(stats[1].path == "outer.inner.redis");
  CHECK(stats[2].path == "outer.inner.redis2");
  CHECK(stats[2].failures == 1);
}

TEST_CASE("tier group: without threads everything is done by the caller's", "[tier_group]") {
  const auto reads = GENERATE(TierReads::sequential, TierReads::hedged, TierReads::parallel);
  const auto writes = GENERATE(TierWrites::sequential, TierWrites::parallel, TierWrites::race);
  const Places places;
  const auto group =
      places.group({.reads = reads, .writes = writes, .hedge_delay = 0ms, .threads = 0});
  CHECK(group->put("shop", name(1), places.value("x")) == StoreStatus::stored);
  CHECK(places.first.holds(name(1)) == "x");
  CHECK(places.second.holds(name(1)) == "x");
  const std::array<Digest, 1> one{name(1)};
  CHECK(places.first.gate->remove("shop", one) == 1);
  CHECK(text_in(group->get("shop", name(1))) == "x");
  CHECK(group->remove("shop", one) == 1);
}

TEST_CASE("tier group: many read and write at once through few threads", "[tier_group]") {
  const auto reads = GENERATE(TierReads::hedged, TierReads::parallel);
  const Places places;
  const auto group =
      places.group({.reads = reads, .writes = TierWrites::race, .hedge_delay = 0ms, .threads = 3});
  std::vector<std::future<int>> callers;
  for (int caller = 0; caller < 4; ++caller)
    callers.push_back(std::async(std::launch::async, [&, caller] {
      int found = 0;
      for (int i = 0; i < 200; ++i) {
        const Digest under = name(caller * 1'000 + i);
        group->put("shop", under, places.value("x"));
        if (text_in(group->get("shop", under)) == "x") ++found;
      }
      return found;
    }));
  for (auto& caller : callers) CHECK(caller.get() == 200);
}
