// Two real processes on one database, and what happens when one is killed.

#include <signal.h>

#include <catch2/catch.hpp>
#include <random>

#include "support/child.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

std::string price_of(const std::string& answer) { return answer.substr(0, answer.find(' ')); }

struct Tally {
  int checked = 0;
  int hits = 0;
  int stale = 0;
};

// Writes in one process, waits in the other, and compares what the other's cache serves with the
// database. `forget_every`: one write in so many drops its invalidation.
template <class World>
Tally differential(unsigned seed, int rounds, int forget_every, const std::string& tier) {
  const World world;
  const std::string tier_path = tier.empty() ? "" : world.dir.file(tier);
  Child first({SHOP_AGENT, world.address(), tier_path});
  Child second({SHOP_AGENT, world.address(), tier_path});
  std::mt19937 random(seed);
  Tally tally;
  const auto check = [&](Child& child, const std::string& id) {
    const std::string cached = child.ask("get " + id);
    const std::string direct = child.ask("direct " + id);
    ++tally.checked;
    if (cached.find("database") == std::string::npos) ++tally.hits;
    if (price_of(cached) != direct) ++tally.stale;
  };
  for (int round = 1; round <= rounds; ++round) {
    Child& writer = random() % 2 == 0 ? first : second;
    Child& reader = &writer == &first ? second : first;
    const std::string id = std::to_string(1 + random() % 3);
    static_cast<void>(reader.ask("get " + id));  // something to be stale
    const bool forget = forget_every > 0 && round % forget_every == 0;
    const std::string receipt =
        writer.ask((forget ? "forget " : "set ") + id + ' ' + std::to_string(round));
    REQUIRE(reader.ask("wait " + receipt) == "satisfied");
    check(reader, id);
    check(reader, id);
    check(writer, id);
  }
  return tally;
}

}  // namespace

TEMPLATE_TEST_CASE("processes: what one commits, the other serves after a satisfied wait",
                   "[process]", QUERYMARK_WORLDS) {
  const unsigned seed = GENERATE(1U, 2U, 3U);
  const std::string tier = GENERATE("", "tier");
  CAPTURE(seed, tier);
  const Tally tally = differential<TestType>(seed, 60, 0, tier);
  CHECK(tally.checked == 180);
  CHECK(tally.hits >= 60);
  CHECK(tally.stale == 0);
}

TEMPLATE_TEST_CASE("processes: the same check goes red when an invalidation is dropped (canary)",
                   "[process]", QUERYMARK_WORLDS) {
  CHECK(differential<TestType>(1, 60, 5, "").stale > 0);
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
