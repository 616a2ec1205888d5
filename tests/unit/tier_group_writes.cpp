// What a group of tiers stores and removes.

#include <array>
#include <catch2/catch.hpp>
#include <future>

#include "unit/tier_group_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Contains;

}  // namespace

TEST_CASE("tier group: a value is stored when a member has stored it", "[tier_group]") {
  const auto writes = GENERATE(TierWrites::sequential, TierWrites::parallel, TierWrites::race);
  const Places places;
  const auto group = places.group({.writes = writes});
  CHECK(group->put("shop", name(1), places.value("both")) == StoreStatus::stored);
  const std::array<Digest, 1> one{name(1)};
  CHECK(group->remove("shop", one) == 2);
  places.first.server->down = true;
  CHECK(group->put("shop", name(1), places.value("one")) == StoreStatus::stored);
  CHECK(places.second.holds(name(1)) == "one");
  places.second.server->down = true;
  CHECK(group->put("shop", name(1), places.value("none")) == StoreStatus::failed);
  CHECK_THROWS_AS(group->remove("shop", one), Error);  // by then no race goes on
  const auto stats = group->stats();
  CHECK(stats[0].failures == 3);
  CHECK(stats[1].failures == 2);
  CHECK(stats[1].stored == 2);
}

TEST_CASE("tier group: what kept all members from storing is told", "[tier_group]") {
  const auto writes = GENERATE(TierWrites::sequential, TierWrites::parallel, TierWrites::race);
  const Places places;
  const auto group = places.group({.writes = writes});
  places.first.put(name(1), places.value("later", 9));
  places.second.server->down = true;
  CHECK(group->put("shop", name(1), places.value("earlier", 5)) == StoreStatus::superseded);
  CHECK(places.first.holds(name(1)) == "later");
  CHECK(group->put("shop", name(2), places.value(std::string(30'000, 'x'))) ==
        StoreStatus::oversize);
  SharedValue over = places.value("over");
  over.expires = places.clock.wall_now();
  CHECK(group->put("shop", name(3), over) == StoreStatus::expired);
}

TEST_CASE("tier group: a race is over with the first who has stored; the others go on",
          "[tier_group]") {
  const Places places;
  const auto group = places.group({.writes = TierWrites::race});
  places.first.gate->close();
  CHECK(group->put("shop", name(1), places.value("x")) == StoreStatus::stored);
  CHECK(places.second.holds(name(1)) == "x");
  places.first.gate->await(1);
  places.first.gate->open();
  const std::array<Digest, 1> one{name(1)};
  CHECK(group->remove("shop", one) == 2);  // when the late one had been stored
}

TEST_CASE("tier group: what became of many is told of each", "[tier_group]") {
  const auto writes = GENERATE(TierWrites::sequential, TierWrites::parallel, TierWrites::race);
  const Places places;
  const auto group = places.group({.writes = writes});
  places.first.put(name(1), places.value("later", 9));
  places.second.server->down = true;
  std::vector<SharedValue> values{places.value("earlier", 5), places.value("tea"),
                                  places.value(std::string(30'000, 'x')), places.value("over")};
  values[3].expires = places.clock.wall_now();
  std::vector<TierPut> puts;
  for (std::size_t i = 0; i < values.size(); ++i)
    puts.push_back({.name = name(static_cast<int>(i) + 1), .value = &values[i]});
  group->put_many("shop", puts);
  CHECK(puts[0].status == StoreStatus::superseded);
  CHECK(puts[1].status == StoreStatus::stored);
  CHECK(puts[2].status == StoreStatus::oversize);
  CHECK(puts[3].status == StoreStatus::expired);
  CHECK(places.first.holds(name(2)) == "tea");
}

TEST_CASE("tier group: a race of many goes to each member in one go, and is over with the first",
          "[tier_group]") {
  const Places places;
  const auto group = places.group({.writes = TierWrites::race});
  const std::array<SharedValue, 3> values{places.value("a"), places.value("b"), places.value("c")};
  std::vector<TierPut> puts;
  std::vector<Digest> names;
  for (int i = 0; i < 3; ++i) {
    names.push_back(name(i));
    puts.push_back({.name = name(i), .value = &values[static_cast<std::size_t>(i)]});
  }
  places.first.gate->close();
  group->put_many("shop", puts);
  for (const TierPut& put : puts) CHECK(put.status == StoreStatus::stored);
  CHECK(places.second.holds(name(2)) == "c");
  places.first.gate->await(1);  // one call for all: it stands at the first of them
  places.first.gate->open();
  CHECK(group->remove("shop", names) == 6);
}

TEST_CASE("tier group: what a race still writes does not come back after its removal",
          "[tier_group]") {
  const Places places;
  const auto group = places.group({.writes = TierWrites::race});
  const std::array<Digest, 1> one{name(1)};
  for (int round = 0; round < 50; ++round) {
    places.first.gate->close();
    CHECK(group->put("shop", name(1), places.value("x")) == StoreStatus::stored);
    places.first.gate->await(1);
    auto removed = std::async(std::launch::async, [&] { return group->remove("shop", one); });
    places.first.gate->open();
    CHECK(removed.get() == 2);
    CHECK(places.first.holds(name(1)) == "none");
  }
}

TEST_CASE("tier group: a removal is certain only when each member has confirmed it (hard case 88)",
          "[tier_group]") {
  const auto writes = GENERATE(TierWrites::sequential, TierWrites::parallel);
  const Places places;
  Place third(places.clock, "third");
  const auto inner = std::make_shared<TierGroup>("inner", TierGroupOptions{.writes = writes},
                                                 places.second.gate, third.gate);
  TierGroup outer("outer", {.writes = writes}, places.first.gate, inner);
  const std::array<Digest, 2> names{name(1), name(2)};
  for (const Digest& under : names) outer.put("shop", under, places.value("x"));
  CHECK(outer.remove("shop", names) == 6);
  for (const Digest& under : names) outer.put("shop", under, places.value("x"));
  places.first.server->down = true;
  places.second.server->down = true;
  try {
    outer.remove("shop", names);
    FAIL("a member that is down has confirmed nothing");
  } catch (const Error& failure) {
    CHECK(failure.connection_lost());
    CHECK_FALSE(failure.retryable());
    CHECK_THAT(failure.what(), Contains("outer.file: down"));
    CHECK_THAT(failure.what(), Contains("outer.inner.redis: down"));
    CHECK_THAT(failure.what(), Contains("(copies removed elsewhere: 2)"));
  }
  CHECK(third.holds(name(1)) == "none");  // it was asked all the same
  places.first.server->down = false;
  places.second.server->down = false;
  CHECK(outer.remove("shop", names) == 4);
}

TEST_CASE("tier group: it ends when what it still writes has ended", "[tier_group]") {
  const Places places;
  auto group = places.group({.writes = TierWrites::race});
  places.first.gate->close();
  CHECK(group->put("shop", name(1), places.value("x")) == StoreStatus::stored);
  places.first.gate->await(1);
  auto ended = std::async(std::launch::async, [&] { group.reset(); });
  places.first.gate->open();
  ended.get();
  CHECK(places.first.holds(name(1)) == "x");
}

TEST_CASE("tier group: its limits, its newest stamp and its label come from its members",
          "[tier_group]") {
  const Places places;
  const auto group = places.group({});
  CHECK(group->label() == "shop");
  CHECK(group->limits().max_value_bytes == 20'000);
  CHECK(group->limits().deadline == 0ms);
  CHECK(group->names_newest());
  CHECK_FALSE(group->newest(kGroupEpoch));
  places.first.put(name(1), places.value("x", 7));
  places.second.put(name(2), places.value("x", 9));
  CHECK(group->newest(kGroupEpoch) == SharedStamp{kGroupEpoch, {9}, {}});
  const TierGroup with_liar("shop", {}, group, std::make_shared<LyingTier>(std::nullopt));
  CHECK_FALSE(with_liar.names_newest());
  CHECK(with_liar.newest(kGroupEpoch) == SharedStamp{kGroupEpoch, {9}, {}});
  CHECK(with_liar.limits().max_value_bytes == TierLimits{}.max_value_bytes);
  CHECK(with_liar.limits().deadline == std::chrono::milliseconds::max());
}

TEST_CASE("tier group: what can't be meant is refused", "[tier_group]") {
  const Places places;
  const auto tier = places.first.gate;
  for (const char* label : {"", "a.b", "a b", "\xC3\xA9"})
    CHECK_THROWS_AS(TierGroup(label, {}, tier), ConfigError);
  CHECK_THROWS_AS(TierGroup("shop", {}, std::vector<std::shared_ptr<SharedTier>>{}), ConfigError);
  CHECK_THROWS_AS(TierGroup("shop", {}, std::shared_ptr<SharedTier>()), ConfigError);
  CHECK_THROWS_AS(TierGroup("shop", {}, tier, tier), ConfigError);
  CHECK_THROWS_AS(TierGroup("shop", {.hedge_delay = -1ms}, tier), ConfigError);
}
