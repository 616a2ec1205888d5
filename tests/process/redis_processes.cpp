// Two real processes on one database over one Redis, to which everything happens that can.

#include <catch2/catch.hpp>

#include "process/differential.hpp"
#include "process/redis_nemesis.hpp"
#include "support/redis_server.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

template <class World>
Tally differential(const Rounds& rounds) {
  const World world;
  RedisServer server;
  RedisNemesis nemesis(server, rounds.seed);
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
