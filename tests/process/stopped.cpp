// Processes that stand still while the others go on: stopped at a named point, past a lease, or
// together with their machine.

#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "process/differential.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// A shop agent that has product 1 in memory. It can be cut off from the log, not from the shop.
template <class World>
struct Follower;

template <>
struct Follower<SqliteWorld> {
  explicit Follower(const SqliteWorld& world) : path(world.address()), agent({SHOP_AGENT, path}) {
    static_cast<void>(agent.ask("get 1"));
  }
  ~Follower() {
    if (std::filesystem::exists(path + ".away")) reconnect();
  }
  // What is open stays so; each look at the log asks what the path leads to.
  void cut_off() const { std::filesystem::rename(path, path + ".away"); }
  void reconnect() const { std::filesystem::rename(path + ".away", path); }

  std::string path;
  Child agent;
};

#ifdef QUERYMARK_TEST_POSTGRES
template <>
struct Follower<PostgresWorld> {
  explicit Follower(const PostgresWorld& world) : agent({SHOP_AGENT, world.address()}) {
    static_cast<void>(agent.ask("hello 1"));  // it follows; its pool is empty yet
    const std::string sessions = " from pg_stat_activity where datname = '" + world.shop.name() +
                                 "' and pid <> pg_backend_pid()";
    REQUIRE(world.shop.number("select count(*)" + sessions) == 1);
    log = static_cast<pid_t>(world.shop.number("select pid" + sessions));
    static_cast<void>(agent.ask("get 1"));
  }
  ~Follower() { reconnect(); }
  // The server's end of its connection to the log hangs.
  void cut_off() const { ::kill(log, SIGSTOP); }
  void reconnect() const { ::kill(log, SIGCONT); }

  Child agent;
  pid_t log = 0;
};
#endif

// It follows what is written from now on. (A look that began before it stood still earns no trust, though it may
// be the one that finds the first write: the second is found by a later one.)
template <class Process>
void check_that_it_goes_on(Child& reader, Process& writer) {
  for (const double price : {6.5, 7.0})
    CHECK(reader.ask("wait " + writer.set_price(1, price).str()) == "satisfied");
  CHECK(reader.ask("get 1") == "7 database");
  CHECK(reader.ask("get 1") == "7 memory");
}

}  // namespace

TEMPLATE_TEST_CASE("stopped: a reader claims no freshness when it goes on", "[process]",
                   QUERYMARK_WORLDS) {
  // Trust ends by a clock that is looked at on each hit: a stopped process can't have been told.
  const bool pruned = GENERATE(false, true);  // (hard case 56)
  CAPTURE(pruned);
  const TestType world;
  Child reader({SHOP_AGENT, world.address()});
  static_cast<void>(reader.ask("get 1"));
  CHECK(reader.ask("get 1") == "2.5 memory");
  reader.signal(SIGSTOP);
  typename TestType::Process writer(world.shop);
  const Receipt receipt = writer.set_price(1, 6.0);
  if (pruned) {
    static_cast<void>(writer.set_price(2, 1.0));  // SQLite keeps the newest row
    world.prune();
    REQUIRE(world.log_rows() <= 1);
  }
  reader.signal(SIGCONT);
  CHECK(reader.ask("wait " + receipt.str()) == "satisfied");
  CHECK(reader.ask("get 1") == "6 database");
  CHECK(reader.ask("get 1") == "6 memory");
}

TEMPLATE_TEST_CASE(
    "stopped: a machine that has slept serves nothing of before, though its other clocks stood "
    "still (hard case 57)",
    "[process]", QUERYMARK_WORLDS) {
  const TestType world;
  Follower<TestType> follower(world);
  Child& reader = follower.agent;
  reader.signal(SIGSTOP);
  typename TestType::Process writer(world.shop);
  writer.set_price(1, 6.0);
  follower.cut_off();
  reader.signal(SIGCONT);
  CHECK(reader.ask("sleep 3600") == "awake");
  CHECK(reader.ask("get 1") == "6 database");
  CHECK(reader.ask("get 1") == "6 database");  // and nothing is kept unseen
  follower.reconnect();
  check_that_it_goes_on(reader, writer);
}

TEMPLATE_TEST_CASE(
    "stopped: who stands still for its lease is waited for no longer, and serves nothing of before",
    "[process]", QUERYMARK_WORLDS) {
  const TestType world;
  Follower<TestType> follower(world);
  Child& still = follower.agent;
  Child waiter({SHOP_AGENT, world.address()});
  static_cast<void>(waiter.ask("get 1"));
  const bool killed = GENERATE(false, true);
  CAPTURE(killed);
  still.signal(killed ? SIGKILL : SIGSTOP);
  typename TestType::Process writer(world.shop);
  const std::string receipt = writer.set_price(1, 6.0).str();
  CHECK(waiter.ask("look " + receipt) == "timed out");
  CHECK(waiter.ask("sleep 11") == "awake");  // its lease is ten seconds
  CHECK(waiter.ask("cluster " + receipt) == "satisfied");
  CHECK(waiter.ask("get 1") == "6 database");
  if (killed) return;
  follower.cut_off();
  still.say("sleep 11");
  still.signal(SIGCONT);
  CHECK(still.hear() == "awake");
  CHECK(price_of(still.ask("get 1")) == "6");
  follower.reconnect();
  check_that_it_goes_on(still, writer);
}

TEMPLATE_TEST_CASE("stopped: a worker that goes on after its lease changes nothing of its heir's",
                   "[process]", QUERYMARK_WORLDS) {
  const std::string point = GENERATE("read", "applied");
  CAPTURE(point);
  const TestType world;
  const std::vector<std::string> command{LOG_AGENT, world.address(), world.dir.file("tier")};
  typename TestType::Process writer(world.shop);
  Child late(command);
  REQUIRE(late.ask("drain none") == "applied 0");
  writer.set_price(1, 4.0);
  late.say("drain " + point + " STOP");
  late.await_stopped();
  Child heir(command);
  CHECK(heir.ask("drain none") == "standby");
  world.end_leases();
  CHECK(heir.ask("drain none") == "applied 1");
  writer.set_price(2, 5.0);
  CHECK(heir.ask("drain none") == "applied 1");
  const std::string cursor = world.cursor();
  late.signal(SIGCONT);
  CHECK(late.hear() == "fenced");
  CHECK(world.cursor() == cursor);
  writer.set_price(3, 6.0);
  CHECK(late.ask("drain none") == "applied 1");
  CHECK(heir.ask("drain none") == "applied 0");
}

TEMPLATE_TEST_CASE(
    "stopped: a pruner that goes on long after it has decided removes what it decided on, and "
    "nobody starts anew",
    "[process]", QUERYMARK_WORLDS) {
  const std::string point = GENERATE("planned", "allowed");
  CAPTURE(point);
  const TestType world;
  const std::vector<std::string> command{LOG_AGENT, world.address(), world.dir.file("tier")};
  {
    typename TestType::Process writer(world.shop);
    for (int i = 0; i < 4; ++i) writer.set_price(2, i);
  }
  Child late(command);
  late.say("prune " + point + " STOP");
  late.await_stopped();
  typename TestType::Process reader(world.shop);
  typename TestType::Process writer(world.shop);
  CHECK(only(reader.price(1)) == 2.5);
  const std::uint64_t restarts = reader.db.stats().restarts;
  const Receipt receipt = writer.set_price(1, 4.0);
  late.signal(SIGCONT);
  CHECK(late.hear() == "removed 4");
  CHECK(world.log_rows() == 1);
  REQUIRE(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(reader.price(1)) == 4.0);
  CHECK(reader.db.stats().restarts == restarts);
}
