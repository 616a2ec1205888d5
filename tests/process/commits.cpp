// A writer that dies at each step of a commit, and a server that does under load: data and intents
// together or neither, and no stale read after a wait that was satisfied.

#include <signal.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <sstream>

#include "support/child.hpp"
#include "support/worlds.hpp"
#ifdef QUERYMARK_TEST_POSTGRES
#include "support/tcp_gate.hpp"
#endif

using namespace querymark;
using namespace querymark::test;

namespace {

bool is_receipt(const std::string& answer) { return Receipt::parse(answer).has_value(); }

// True if it has answered; false if it has died.
bool survives(Child& agent, const std::string& command) {
  std::string answer;
  try {
    answer = agent.ask(command);
  } catch (const std::runtime_error&) {
    CHECK(agent.join() == -SIGKILL);
    return false;
  }
  CAPTURE(answer);
  CHECK(is_receipt(answer));
  return true;
}

template <class World>
void check_that_all_of_it_is_there_or_nothing(const World& world, int price, std::int64_t rows) {
  const bool written =
      world.shop.number("select cast(price as integer) from product where id = 1") == price;
  CHECK(world.log_rows() == rows + (written ? 1 : 0));
}

// A reader that has seen it all serves what the next write leaves.
template <class World>
void check_that_it_goes_on(const World& world, Child& reader) {
  Child writer({SHOP_AGENT, world.address()});
  CHECK(reader.ask("wait " + writer.ask("set 1 9000")) == "satisfied");
  CHECK(reader.ask("get 1") == "9000 database");
  CHECK(reader.ask("get 1") == "9000 memory");
}

}  // namespace

TEST_CASE("commits: a writer that dies at any step in the file system has done all or nothing",
          "[process]") {
  const SqliteWorld world;
  Child reader({SHOP_AGENT, world.address()});
  static_cast<void>(reader.ask("get 1"));
  int step = 1;
  for (bool survived = false; !survived; ++step) {
    CAPTURE(step);
    REQUIRE(step < 200);
    const std::int64_t rows = world.log_rows();
    Child writer({SHOP_AGENT, world.address()});
    REQUIRE(writer.ask("die " + std::to_string(step)) == "ready");
    survived = survives(writer, "set 1 " + std::to_string(100 + step));
    check_that_all_of_it_is_there_or_nothing(world, 100 + step, rows);
  }
  CHECK(step > 5);
  check_that_it_goes_on(world, reader);
}

#ifdef QUERYMARK_TEST_POSTGRES
TEST_CASE("commits: a writer that dies at any message of its write has done all or nothing",
          "[process]") {
  const bool arrives = GENERATE(false, true);  // that message
  CAPTURE(arrives);
  const PostgresWorld world;
  TcpGate gate(world.shop.server().port());
  Child reader({SHOP_AGENT, world.address()});
  static_cast<void>(reader.ask("get 1"));
  const std::string sessions = "select count(*) from pg_stat_activity where datname = '" +
                               world.shop.name() + "' and pid <> pg_backend_pid()";
  const std::string quiet =
      "select (" + sessions + ") <= " + std::to_string(world.shop.number(sessions));
  int step = 1;
  for (bool survived = false; !survived; ++step) {
    CAPTURE(step);
    REQUIRE(step < 20);
    const std::int64_t rows = world.log_rows();
    Child writer({SHOP_AGENT, gate.url(world.shop.name())});
    static_cast<void>(writer.ask("set 2 1"));  // its session is open
    const std::int64_t before = world.log_rows();
    CHECK(before == rows + 1);
    std::atomic<int> left{step};
    gate.set_rule([&](bool, const std::string&) {
      if (--left != 0) return TcpGate::Verdict::pass;
      writer.signal(SIGKILL);
      return arrives ? TcpGate::Verdict::pass : TcpGate::Verdict::cut;
    });
    survived = survives(writer, "set 1 " + std::to_string(100 + step));
    gate.set_rule({});
    if (!survived) world.shop.await(quiet);
    check_that_all_of_it_is_there_or_nothing(world, 100 + step, before);
  }
  CHECK(step > 3);
  check_that_it_goes_on(world, reader);
}

namespace {

// A writer that goes on whatever happens, and what it has said last.
struct Storm {
  explicit Storm(const PostgresWorld& world) : agent({SHOP_AGENT, world.address()}) {
    agent.say("storm 1");
  }
  // The next commit that it has been told of; counts the writes that failed before.
  std::pair<double, std::string> commit() {
    for (std::string line = agent.hear();; line = agent.hear()) {
      if (line == "failed") {
        ++failed;
        continue;
      }
      std::istringstream in(line);
      std::pair<double, std::string> told;
      in >> told.first >> told.second;
      return told;
    }
  }
  Child agent;
  int failed = 0;
};

// A price that is served after a satisfied wait is no older than the write that was waited for.
bool follows(Child& reader, const std::pair<double, std::string>& commit) {
  const std::string waited = reader.ask("wait " + commit.second);
  if (waited != "satisfied") return false;
  const std::string served = reader.ask("get 1");
  CAPTURE(served, commit.first);
  CHECK(std::stod(served) >= commit.first);
  return true;
}

}  // namespace

TEST_CASE("commits: a server that crashes under load loses nobody a commit, and all go on",
          "[process]") {
  PostgresServer server;
  const PostgresWorld world{.shop = PgShop(server), .dir = TempDir()};
  Child reader({SHOP_AGENT, world.address()});
  Storm storm(world);
  for (int i = 0; i < 20; ++i) CHECK(follows(reader, storm.commit()));
  server.stop(SIGQUIT);
  server.start();
  // What was committed before is of another history by now: refused, or seen in time.
  int followed = 0;
  for (int looks = 0; followed < 20; ++looks) {
    REQUIRE(looks < 20'000);
    followed += follows(reader, storm.commit()) && storm.failed > 0 ? 1 : 0;
  }
  storm.agent.signal(SIGKILL);
  CHECK(storm.agent.join() == -SIGKILL);
  check_that_it_goes_on(world, reader);
}
#endif
