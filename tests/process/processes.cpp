// Two real processes on one database, and what happens when one is killed.

#include <signal.h>

#include <catch2/catch.hpp>

#include "process/differential.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

template <class World>
Tally differential(const Rounds& rounds, const std::string& tier) {
  const World world;
  const std::string tier_path = tier.empty() ? "" : world.dir.file(tier);
  Child first({SHOP_AGENT, world.address(), tier_path});
  Child second({SHOP_AGENT, world.address(), tier_path});
  return differential(first, second, rounds, [] {}, [] {});
}

}  // namespace

TEMPLATE_TEST_CASE("processes: what one commits, the other serves after a satisfied wait",
                   "[process]", QUERYMARK_WORLDS) {
  const unsigned seed = GENERATE(1U, 2U, 3U);
  const std::string tier = GENERATE("", "tier");
  CAPTURE(seed, tier);
  const Tally tally = differential<TestType>({.seed = seed, .count = 60}, tier);
  CHECK(tally.checked == 180);
  CHECK(tally.hits >= 60);
  CHECK(tally.stale == 0);
}

TEMPLATE_TEST_CASE("processes: the same check goes red when an invalidation is dropped (canary)",
                   "[process]", QUERYMARK_WORLDS) {
  CHECK(differential<TestType>({.seed = 1, .count = 60, .forget_every = 5}, "").stale > 0);
}

TEMPLATE_TEST_CASE(
    "processes: a writer killed anywhere leaves data and intents together, or neither", "[process]",
    QUERYMARK_WORLDS) {
  const TestType world;
  for (int round = 0; round < 5; ++round) {
    world.shop.execute("update product set price = 0 where id = 1");
    const std::int64_t before = world.log_rows();
    Child writer({SHOP_AGENT, world.address()});
    writer.say("storm 1");
    for (int i = 0; i < 3 + round * 7; ++i) static_cast<void>(writer.hear());
    writer.signal(SIGKILL);
    CHECK(writer.join() == -SIGKILL);
    world.await_quiet();
    const std::int64_t commits =
        world.shop.number("select cast(price as integer) from product where id = 1");
    CHECK(commits >= 3);
    CHECK(world.log_rows() - before == commits);
  }
}
