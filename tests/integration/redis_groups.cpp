// Groups of tiers with a Redis server among them, below databases.

#include <signal.h>

#include <catch2/catch.hpp>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/tier/tier_group.hpp"
#include "support/child.hpp"
#include "support/redis_server.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

std::shared_ptr<TierGroup> file_and_redis(const std::string& file, const RedisServer& server) {
  return std::make_shared<TierGroup>("shop", TierGroupOptions{}, FileTier(file),
                                     RedisTier(server.socket_url(), {.timeout = 30s}));
}

}  // namespace

TEST_CASE("redis: a file before a server is filled with what has been proved, and serves alone",
          "[redis]") {
  RedisServer server;
  const Shop shop;
  {
    Process other_host(shop);
    other_host.db.attach(RedisTier(server.socket_url(), {.timeout = 30s}));
    // Values of a database that has been written carry a witness, which each reader has checked.
    other_host.set_price(2, 4.0);
    CHECK(only(other_host.price(1)) == 2.5);
  }
  {
    Process first(shop);
    const auto tiers = file_and_redis(shop.file("tier"), server);
    first.db.attach(tiers);
    CHECK(first.price(1).outcome().origin == Origin::shared_tier);
    CHECK(tiers->stats()[0].hits == 0);
    CHECK(tiers->stats()[1].served == 1);
  }
  server.stop(SIGKILL);
  Process second(shop);
  const auto tiers = file_and_redis(shop.file("tier"), server);
  second.db.attach(tiers);
  const auto found = second.price(1);
  CHECK(found.outcome().origin == Origin::shared_tier);
  CHECK(found[0] == 2.5);
  CHECK(tiers->stats()[0].served == 1);
  // What neither has, the database has; and the file keeps it.
  CHECK(second.price(3).outcome().origin == Origin::database);
  CHECK(tiers->stats()[1].failures > 0);
  Process third(shop);
  third.db.attach(file_and_redis(shop.file("tier"), server));
  CHECK(third.price(3).outcome().origin == Origin::shared_tier);
}

TEST_CASE(
    "redis: a group's values that outlived an unwatched restore are refused, whoever has them",
    "[redis]") {
  const RedisServer server;
  const Shop shop;
  {
    Process filler(shop);
    filler.db.attach(file_and_redis(shop.file("tier"), server));
    filler.set_price(1, 8.0);
    CHECK(only(filler.price(1)) == 8.0);
    filler.set_price(2, 8.5);
    CHECK(only(filler.price(2)) == 8.5);
  }
  shop.rewind();
  Process newcomer(shop);
  newcomer.db.attach(file_and_redis(shop.file("tier"), server));
  CHECK(only(newcomer.price(1)) == 2.5);
  Process next(shop);
  next.db.attach(file_and_redis(shop.file("tier"), server));
  const auto shared = next.price(1);
  CHECK(shared.outcome().origin == Origin::shared_tier);
  CHECK(shared[0] == 2.5);
}

TEST_CASE("redis: the example of a composition serves and counts, with servers and without",
          "[redis]") {
  RedisServer one;
  const RedisServer two;
  const Shop shop;
  const auto composed = [&](const char* file) {
    const Finished done =
        run({COMPOSED_EXAMPLE, shop.path(), shop.file(file), one.socket_url(), two.socket_url()});
    CHECK(done.code == 0);
    return done.output;
  };
  CHECK_THAT(composed("host"), Contains("2.50, a miss"));
  const std::string other_host = composed("other");
  CHECK_THAT(other_host, Contains("2.50, a hit"));
  CHECK_THAT(other_host, Contains("shop.file: 0 of 1 found"));
  CHECK_THAT(other_host, Contains("shop.redis.redis: "));
  CHECK_THAT(other_host, Contains("shop.redis.redis2: "));
  one.stop(SIGKILL);
  CHECK_THAT(composed("third"), Contains("2.50, a hit"));
}
