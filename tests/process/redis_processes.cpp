// Two real processes on one database over one Redis, to which everything happens that can.

#include <signal.h>

#include <catch2/catch.hpp>
#include <random>

#include "process/differential.hpp"
#include "support/redis_server.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

// Does something to a server, or nothing.
class Nemesis {
 public:
  Nemesis(RedisServer& server, unsigned seed) : server_(server), random_(seed) {}

  void strike() {
    switch (random_() % 12) {
      case 0:
        server_.ask({"SAVE"});
        break;
      case 1:  // back with what the last SAVE knew, if there was one
        server_.stop(SIGKILL);
        server_.start();
        break;
      case 2:
        server_.ask({"FLUSHALL"});
        break;
      case 3:
        server_.ask({"CLIENT", "KILL", "TYPE", "normal"});
        break;
      case 4: {  // one process's value under another query's name
        const std::string from = server_.ask({"RANDOMKEY"});
        const std::string to = server_.ask({"RANDOMKEY"});
        if (from != "(nil)") server_.ask({"COPY", from, to, "REPLACE"});
        break;
      }
      case 5: {
        const std::string key = server_.ask({"RANDOMKEY"});
        if (key != "(nil)") server_.ask({"SETRANGE", key, std::to_string(random_() % 200), "?"});
        break;
      }
      case 6:
        ::kill(server_.pid(), SIGSTOP);
        stopped_ = true;
        break;
      default:
        break;
    }
  }
  void calm() {
    if (std::exchange(stopped_, false)) ::kill(server_.pid(), SIGCONT);
  }

 private:
  RedisServer& server_;
  std::mt19937 random_;
  bool stopped_ = false;
};

template <class World>
Tally differential(const Rounds& rounds) {
  const World world;
  RedisServer server;
  Nemesis nemesis(server, rounds.seed);
  Child first({SHOP_AGENT, world.address(), server.socket_url()});
  Child second({SHOP_AGENT, world.address(), server.socket_url()});
  return differential(first, second, rounds, [&] { nemesis.strike(); }, [&] { nemesis.calm(); });
}

}  // namespace

TEMPLATE_TEST_CASE(
    "processes over Redis: killed, put back, emptied, stopped or lied to, it serves nothing stale "
    "after a satisfied wait",
    "[process]", QUERYMARK_WORLDS) {
  const unsigned seed = GENERATE(1U, 2U, 3U);
  CAPTURE(seed);
  const Tally tally = differential<TestType>({.seed = seed, .count = 80});
  CHECK(tally.checked == 240);
  CHECK(tally.shared >= 5);
  CHECK(tally.stale == 0);
}

TEMPLATE_TEST_CASE(
    "processes over Redis: the same check goes red when an invalidation is dropped (canary)",
    "[process]", QUERYMARK_WORLDS) {
  CHECK(differential<TestType>({.seed = 1, .count = 60, .forget_every = 5}).stale > 0);
}
