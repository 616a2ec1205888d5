// What becomes of a memcached tier's callers when a server is slow, gone, or no memcached at all.

#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <vector>

#include "querymark/memcached/memcached_tier.hpp"
#include "support/memcached_server.hpp"
#include "support/tcp_gate.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

std::optional<TierFailure> failure_of(MemcachedTier& tier, int i) {
  TierRead wanted{name(i), {}};
  auto failure = tier.read("shop", {&wanted, 1});
  CHECK_FALSE((failure && wanted.value));
  return failure;
}

std::string through(const TcpGate& gate) { return "127.0.0.1:" + std::to_string(gate.port()); }

SharedValue hour(const ManualClock& clock, std::string_view text) {
  SharedValue value = value_of(text);
  value.expires = clock.wall_now() + 1h;
  return value;
}

}  // namespace

TEST_CASE("memcached failures: a server that hangs costs one caller its deadline, and comes back",
          "[memcached]") {
  const MemcachedServer server;
  ManualClock clock;  // for pauses; the deadline is real
  MemcachedTier tier(server.url(), {.timeout = 200ms, .clock = &clock});
  const SharedValue one = hour(clock, "one");
  const SharedValue two = hour(clock, "two");
  while (tier.put("shop", name(1), one) != StoreStatus::stored) clock.advance(1min);
  while (tier.put("shop", name(2), two) != StoreStatus::stored) clock.advance(1min);
  while (failure_of(tier, 1)) clock.advance(1min);
  server.pause();
  const auto late = failure_of(tier, 1);
  REQUIRE(late);
  CHECK(late->tried);
  CHECK_THAT(late->cause, Contains("in time"));
  const auto failures = tier.stats().failures;
  for (int i = 0; i < 100; ++i) {
    const auto skipped = failure_of(tier, 1);
    REQUIRE(skipped);
    CHECK_FALSE(skipped->tried);
    CHECK(tier.put("shop", name(3), one) == StoreStatus::failed);
  }
  CHECK(tier.stats().failures == failures);
  clock.advance(1min);
  const auto connects = tier.stats().connects;
  REQUIRE(failure_of(tier, 1)->tried);
  CHECK(tier.stats().connects == connects + 1);  // nobody waits on the old one for its old answer
  server.resume();
  clock.advance(1min);
  std::optional<SharedValue> found;
  while (!(found = tier.get("shop", name(2)))) clock.advance(1min);
  CHECK(text_in(found) == "two");
}

TEST_CASE("memcached failures: several that hang cost one deadline together, and others answer",
          "[memcached]") {
  const std::array<MemcachedServer, 3> servers;
  std::vector<const MemcachedServer*> sorted{&servers[0], &servers[1], &servers[2]};
  std::ranges::sort(sorted, {}, [](const MemcachedServer* server) { return server->url(); });
  const MemcachedServer& good = *sorted.back();  // is asked last
  const MemcachedServer& hung = *sorted[0];
  const MemcachedServer& hung_too = *sorted[1];
  ManualClock clock;
  MemcachedTier tier(good.url() + ',' + hung.url() + ',' + hung_too.url(),
                     {.timeout = 2s, .clock = &clock});
  const SharedValue value = hour(clock, "tea");
  for (int i = 0; i < 60; ++i)
    while (tier.put("shop", name(i), value) != StoreStatus::stored) clock.advance(1min);
  const long held = good.stat("curr_items");
  REQUIRE(held > 0);
  REQUIRE(held < 60);
  hung.pause();
  hung_too.pause();
  std::vector<TierRead> wanted(60);
  for (int i = 0; i < 60; ++i) wanted[static_cast<std::size_t>(i)].name = name(i);
  const auto before = tier.stats();
  REQUIRE(tier.read("shop", wanted));
  const auto after = tier.stats();
  CHECK(after.failures == before.failures + 2);
  // All were asked before any was awaited, and those that hang took no time from the one that does not.
  CHECK(static_cast<long>(after.hits - before.hits) == held);
  hung.resume();
  hung_too.resume();
}

TEST_CASE("memcached failures: who stops in the middle of an answer takes no other's time",
          "[memcached]") {
  const MemcachedServer one;
  const MemcachedServer other;
  TcpGate stops(one.port());
  TcpGate waits(other.port());
  ManualClock clock;
  MemcachedTier tier(through(stops) + ',' + through(waits), {.timeout = 1s, .clock = &clock});
  std::vector<TierRead> wanted;
  long held = 0;  // by the other
  for (int i = 0; i < 20; ++i) {
    REQUIRE(tier.put("shop", name(i), hour(clock, "small")) == StoreStatus::stored);
    wanted.push_back({.name = name(i)});
    if (other.stat("curr_items") > held) {
      ++held;
      continue;
    }
    const SharedValue large = hour(clock, std::string(400'000, 'x'));
    REQUIRE(tier.put("shop", name(i), large) == StoreStatus::stored);
  }
  REQUIRE(held > 0);
  REQUIRE(held < 20);
  // The other one's answer comes when the first has begun to speak, and then says no more.
  std::atomic<int> spoken{0};
  waits.set_rule([](bool to_server, const std::string&) {
    return to_server ? TcpGate::Verdict::pass : TcpGate::Verdict::hold;
  });
  stops.set_rule([&](bool to_server, const std::string&) {
    if (to_server || spoken.fetch_add(1) == 0) return TcpGate::Verdict::pass;
    waits.set_rule({});
    waits.release();
    return TcpGate::Verdict::hold;
  });
  const auto before = tier.stats();
  REQUIRE(tier.read("shop", wanted));
  const auto after = tier.stats();
  CHECK(after.failures == before.failures + 1);
  CHECK(static_cast<long>(after.hits - before.hits) == held);
  stops.set_rule({});
  stops.release();
}

TEST_CASE("memcached failures: an answer that is cut, halved or held back is none", "[memcached]") {
  const MemcachedServer server;
  TcpGate gate(server.port());
  ManualClock clock;
  MemcachedTier tier(through(gate), {.timeout = 5s, .clock = &clock});
  REQUIRE(tier.put("shop", name(1), hour(clock, std::string(3'000, 'x'))) == StoreStatus::stored);
  const auto verdict = GENERATE(TcpGate::Verdict::cut, TcpGate::Verdict::truncate);
  gate.set_rule([&](bool to_server, const std::string&) {
    return to_server ? TcpGate::Verdict::pass : verdict;
  });
  const auto failure = failure_of(tier, 1);
  REQUIRE(failure);
  CHECK(failure->tried);
  CHECK(tier.stats().hits == 0);
  gate.set_rule({});
  clock.advance(1min);
  CHECK(tier.get("shop", name(1)));
}

TEST_CASE("memcached failures: of many values those count as stored whose answer has come whole",
          "[memcached]") {
  const MemcachedServer server;
  TcpGate gate(server.port());
  ManualClock clock;
  MemcachedTier tier(through(gate), {.timeout = 5s, .clock = &clock});
  REQUIRE(tier.put("shop", name(100), hour(clock, "x")) == StoreStatus::stored);
  std::atomic<std::size_t> whole{0};
  gate.set_rule([&](bool to_server, const std::string& chunk) {
    if (to_server || !chunk.starts_with("STORED")) return TcpGate::Verdict::pass;
    whole = chunk.size() / 2 / std::string_view("STORED\r\n").size();
    return TcpGate::Verdict::truncate;
  });
  const SharedValue value = hour(clock, "tea");
  std::vector<TierPut> puts(21);
  for (std::size_t i = 0; i < puts.size(); ++i)
    puts[i] = {.name = name(static_cast<int>(i)), .value = &value};
  tier.put_many("shop", puts);
  CHECK(static_cast<std::size_t>(std::ranges::count(puts, StoreStatus::stored, &TierPut::status)) ==
        whole);
  CHECK(whole < puts.size());
  for (std::size_t i = 0; i < puts.size(); ++i)
    CHECK(puts[i].status == (i < whole ? StoreStatus::stored : StoreStatus::failed));
  CHECK(tier.stats().failures == 1);
  gate.set_rule({});
  clock.advance(1min);
  tier.put_many("shop", puts);  // what is there already is replaced by what is as late
  CHECK(std::ranges::count(puts, StoreStatus::stored, &TierPut::status) == 21);
}

TEST_CASE("memcached failures: nobody, and nobody of that name", "[memcached]") {
  MemcachedTier refused("127.0.0.1:1", {.timeout = 5s});
  CHECK(failure_of(refused, 1)->tried);
  CHECK(refused.put("shop", name(1), value_of("tea")) == StoreStatus::failed);
  CHECK_THROWS_AS(refused.check(), Error);
  MemcachedTier nameless("nobody.invalid", {.timeout = 5s});
  CHECK(failure_of(nameless, 1)->tried);
  CHECK_THAT(nameless.stats().last_failure, Contains("nobody.invalid"));
}

TEST_CASE("memcached failures: a server that restarts empty costs misses, and no failure",
          "[memcached]") {
  MemcachedServer server;
  ManualClock clock;
  MemcachedTier tier(server.url(), {.timeout = 30s, .clock = &clock});
  REQUIRE(tier.put("shop", name(1), hour(clock, "tea")) == StoreStatus::stored);
  server.stop(SIGKILL);
  server.start();
  CHECK_FALSE(failure_of(tier, 1));
  CHECK(tier.put("shop", name(1), hour(clock, "tea")) == StoreStatus::stored);
  CHECK(tier.stats().failures == 0);
}
