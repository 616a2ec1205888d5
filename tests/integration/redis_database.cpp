// Databases over a Redis tier: what it does to it must cost misses, and never a stale value.

#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "querymark/redis/redis_tier.hpp"
#include "support/child.hpp"
#include "support/prices_example.hpp"
#include "support/redis_server.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

RedisTier tier_on(const RedisServer& server) {
  return RedisTier(server.socket_url(), {.timeout = 30s});
}

}  // namespace

TEST_CASE("redis: what one process stores, another reads, until it is written", "[redis]") {
  const RedisServer server;
  const Shop shop;
  Process first(shop);
  Process second(shop);
  first.db.attach(tier_on(server));
  second.db.attach(tier_on(server));
  CHECK(first.price(1).outcome().origin == Origin::database);
  const auto shared = second.price(1);
  CHECK(shared.outcome().origin == Origin::shared_tier);
  CHECK(shared[0] == 2.5);
  // No worker runs: the server keeps the old value, and the reader's own marks refuse it.
  const Receipt receipt = first.set_price(1, 3.25);
  REQUIRE(second.db.wait(receipt, Wait::local(20s)).satisfied());
  const auto fresh = second.price(1);
  CHECK(fresh.outcome().origin == Origin::database);
  CHECK(fresh[0] == 3.25);
  CHECK(second.cache.stats().shared_stale == 1);
  Process third(shop);
  third.db.attach(tier_on(server));
  CHECK(only(third.price(1)) == 3.25);
  CHECK(third.cache.stats().shared_hits == 1);
}

TEST_CASE("redis: a server that comes back with an older dump brings no older value back",
          "[redis]") {
  RedisServer server;
  const Shop shop;
  Process writer(shop);
  writer.db.attach(tier_on(server));
  static_cast<void>(writer.price(1));
  static_cast<void>(writer.price(2));
  REQUIRE(server.ask({"SAVE"}) == "OK");
  writer.set_price(1, 3.25);
  CHECK(only(writer.price(1)) == 3.25);
  server.stop(SIGKILL);
  server.start();
  REQUIRE(server.ask({"DBSIZE"}) == "2");
  Process running(shop);
  running.db.attach(tier_on(server));
  CHECK(only(running.price(1)) == 3.25);
  CHECK(running.cache.stats().shared_stale == 1);
  CHECK(running.price(2).outcome().origin == Origin::shared_tier);
  CHECK(only(writer.price(1)) == 3.25);
}

TEST_CASE(
    "redis: values that outlived an unwatched restore of the database are found by their witness "
    "(hard case 91)",
    "[redis]") {
  const RedisServer server;
  const Shop shop;
  {
    Process filler(shop);
    filler.db.attach(tier_on(server));
    filler.set_price(1, 8.0);
    CHECK(only(filler.price(1)) == 8.0);
    filler.set_price(2, 8.5);
    CHECK(only(filler.price(2)) == 8.5);
  }
  // Nobody runs while the file's content is put back and its ids are handed out again.
  shop.rewind();
  Process newcomer(shop);
  newcomer.db.attach(tier_on(server));
  const Epoch before = newcomer.db.source().marks().cursor().epoch;
  CHECK(only(newcomer.price(1)) == 2.5);
  CHECK(newcomer.cache.stats().shared_stale == 1);
  CHECK(newcomer.db.source().marks().cursor().epoch != before);
  // And from the next load on the server serves again.
  CHECK(newcomer.price(1).outcome().origin == Origin::database);
  Process next(shop);
  next.db.attach(tier_on(server));
  const auto shared = next.price(1);
  CHECK(shared.outcome().origin == Origin::shared_tier);
  CHECK(shared[0] == 2.5);
}

TEST_CASE("redis: while the server is gone, or full of garbage, the database answers", "[redis]") {
  RedisServer server;
  const Shop shop;
  Process process(shop);
  process.db.attach(tier_on(server));
  static_cast<void>(process.price(1));
  SECTION("gone") {
    server.stop(SIGKILL);
    CHECK(only(process.price(2)) > 0);
    process.set_price(1, 7.0);
    CHECK(only(process.price(1)) == 7.0);
    server.start();
  }
  SECTION("garbage") {
    const std::string key = server.ask({"RANDOMKEY"});
    REQUIRE(key.starts_with("qm:3:shop:"));
    std::string value = server.ask({"GET", key});
    REQUIRE(value.size() > 100);
    const std::size_t at = GENERATE(0, 10, 23, 24, 40, 60, 100);
    value[at] = static_cast<char>(value[at] ^ 0x40);
    server.ask({"SET", key, value});
  }
  Process other(shop);
  other.db.attach(tier_on(server));
  CHECK(only(other.price(1)) == only(process.price(1)));
}

TEST_CASE("redis: the example's processes share what one of them has loaded", "[redis]") {
  const RedisServer server;
  const Shop shop;
  check_prices_example(shop, server.socket_url());
}

#ifdef SEALED_EXAMPLE
TEST_CASE("redis: the sealed example's processes share values, with one key or during a rotation",
          "[redis]") {
  const RedisServer server;
  const Shop shop;
  const auto price = [&](const std::string& keys) {
    const std::string path = shop.file("keys");
    std::filesystem::remove(path);
    std::ofstream(path) << keys;
    std::filesystem::permissions(path, std::filesystem::perms::owner_read);
    const Finished done =
        run({SEALED_EXAMPLE, shop.path(), server.socket_url(), path, "price", "1"});
    CHECK(done.code == 0);
    return done.output;
  };
  const std::string first = "a " + std::string(64, '1') + '\n';
  const std::string second = "b " + std::string(64, '2') + '\n';
  CHECK_THAT(price(first), Contains("2.50, a miss"));
  CHECK_THAT(price(first), Contains("2.50, a hit"));
  CHECK_THAT(price(second + first), Contains("2.50, a hit"));
  CHECK_THAT(price(second), Contains("2.50, a miss"));
  CHECK_THAT(price(second + first), Contains("2.50, a hit"));
  std::ofstream(shop.file("public")) << first;
  std::filesystem::permissions(shop.file("public"), std::filesystem::perms(0644));
  const Finished refused =
      run({SEALED_EXAMPLE, shop.path(), server.socket_url(), shop.file("public"), "price", "1"});
  CHECK(refused.code == 1);
}
#endif
