// What a worker, a pruner or a subscriber leaves behind when it dies at a named point: nothing that
// those who come after do not make good.

#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>

#include <catch2/catch.hpp>

#include "support/child.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// A product's old price in a file tier, whose worker has begun.
template <class World>
struct Filled {
  World world;
  std::string tier = world.dir.file("tier");
  typename World::Process process{world.shop};

  Filled() {
    REQUIRE(worker().ask("drain none") == "applied 0");  // the flush with which it begins
    process.db.attach(world.tier());
    static_cast<void>(process.price(1));
    REQUIRE(entries() == 1);
  }
  [[nodiscard]] Child worker() const { return Child({LOG_AGENT, world.address(), tier}); }
  [[nodiscard]] std::int64_t entries() const {
    SQLite::Database file(tier, SQLite::OPEN_READONLY, 5000);
    return file.execAndGet("select count(*) from querymark_tier_entry").getInt64();
  }
  [[nodiscard]] WaitStatus look(const Receipt& receipt) {
    return process.db.wait(receipt, Wait::shared({"file-tier:" + FileTier(tier).id()}, 0s)).status;
  }
};

// What a process that starts now finds, with the tier's values at hand.
template <class World>
double newcomers_price(const World& world) {
  typename World::Process newcomer(world.shop);
  newcomer.db.attach(world.tier());
  return only(newcomer.price(1));
}

}  // namespace

TEMPLATE_TEST_CASE("killed: what a worker has begun its heir ends, and until then no wait lies",
                   "[process]", QUERYMARK_WORLDS) {
  const std::string point = GENERATE("read", "applied", "recorded");
  CAPTURE(point);
  Filled<TestType> filled;
  const Receipt receipt = filled.process.set_price(1, 4.0);
  Child worker = filled.worker();
  worker.say("drain " + point + " KILL");
  CHECK(worker.join() == -SIGKILL);
  const bool recorded = point == "recorded";
  CHECK(filled.entries() == (point == "read" ? 1 : 0));
  CHECK(filled.look(receipt) == (recorded ? WaitStatus::satisfied : WaitStatus::timed_out));
  Child heir = filled.worker();
  if (!recorded) CHECK(heir.ask("drain none") == "standby");
  filled.world.end_leases();
  CHECK(heir.ask("drain none") == (recorded ? "applied 0" : "applied 1"));
  CHECK(filled.look(receipt) == WaitStatus::satisfied);
  CHECK(filled.entries() == 0);
  CHECK(newcomers_price(filled.world) == 4.0);
}

TEMPLATE_TEST_CASE("killed: wherever a pruner dies, no newcomer takes an old value for current",
                   "[process]", QUERYMARK_WORLDS) {
  const std::string point = GENERATE("planned", "allowed", "removed");
  CAPTURE(point);
  const TestType world;
  {
    typename TestType::Process process(world.shop);
    process.db.attach(world.tier());
    static_cast<void>(process.price(1));
    for (int i = 1; i <= 8; ++i) process.set_price(1, i);
  }
  const std::vector<std::string> command{LOG_AGENT, world.address(), world.dir.file("other")};
  Child pruner(command);
  pruner.say("prune " + point + " KILL");
  CHECK(pruner.join() == -SIGKILL);
  CHECK(world.log_rows() == (point == "removed" ? 5 : 8));
  CHECK(newcomers_price(world) == 8.0);
  world.await_quiet();
  Child heir(command);
  const std::string removed = heir.ask("prune none");
  CAPTURE(removed);
  CHECK(world.log_rows() <= 1);
  CHECK(newcomers_price(world) == 8.0);
}
