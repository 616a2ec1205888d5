// Databases over memcached: what becomes of it must cost misses, and never a stale value.

#include <signal.h>

#include <catch2/catch.hpp>

#include "querymark/memcached/memcached_tier.hpp"
#include "support/memcached_server.hpp"
#ifdef PRICES_EXAMPLE
#include "support/prices_example.hpp"
#endif
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

MemcachedTier tier_on(const std::string& servers) {
  return MemcachedTier(servers, {.timeout = 30s});
}

}  // namespace

TEST_CASE("memcached: what one process stores, another reads, until it is written", "[memcached]") {
  const MemcachedServer server;
  const Shop shop;
  Process first(shop);
  Process second(shop);
  first.db.attach(tier_on(server.url()));
  second.db.attach(tier_on(server.url()));
  CHECK(first.price(1).outcome().origin == Origin::database);
  CHECK(second.price(1).outcome().origin == Origin::shared_tier);
  // Nobody removes the old value, and the reader's own marks refuse it.
  const Receipt receipt = first.set_price(1, 3.25);
  REQUIRE(second.db.wait(receipt, Wait::local(20s)).satisfied());
  CHECK(only(second.price(1)) == 3.25);
  CHECK(second.cache.stats().shared_stale == 1);
  Process third(shop);
  third.db.attach(tier_on(server.url()));
  CHECK(only(third.price(1)) == 3.25);
  CHECK(third.cache.stats().shared_hits == 1);
}

TEST_CASE("memcached: a server that comes back into the list brings no older value back",
          "[memcached]") {
  const MemcachedServer one;
  const MemcachedServer other;
  const std::string both = one.url() + ',' + other.url();
  const Shop shop;
  Process writer(shop);
  writer.db.attach(tier_on(both));
  static_cast<void>(writer.price(1));
  // Whichever has the value is taken from the list, and keeps it.
  const bool first_has_it = one.stat("curr_items") == 1;
  REQUIRE(one.stat("curr_items") + other.stat("curr_items") == 1);
  const MemcachedServer& left = first_has_it ? other : one;
  const MemcachedServer& leaves = first_has_it ? one : other;
  Process without(shop);
  without.db.attach(tier_on(left.url()));
  without.set_price(1, 3.25);
  CHECK(only(without.price(1)) == 3.25);
  REQUIRE(left.stat("curr_items") == 1);
  Process again(shop);
  again.db.attach(tier_on(both));
  const long read_there = leaves.stat("get_hits");
  CHECK(only(again.price(1)) == 3.25);
  CHECK(leaves.stat("get_hits") > read_there);
  CHECK(again.cache.stats().shared_stale == 1);
  CHECK(again.cache.stats().shared_hits == 0);
  // And it has been replaced there.
  Process last(shop);
  last.db.attach(tier_on(both));
  CHECK(only(last.price(1)) == 3.25);
  CHECK(last.cache.stats().shared_hits == 1);
}

TEST_CASE("memcached: it outlives a restore that nobody watched (hard case 91)", "[memcached]") {
  const MemcachedServer server;
  const Shop shop;
  {
    Process writer(shop);
    writer.db.attach(tier_on(server.url()));
    writer.set_price(1, 9.75);
    CHECK(only(writer.price(1)) == 9.75);
  }
  shop.rewind();
  Process reader(shop);
  reader.db.attach(tier_on(server.url()));
  CHECK(only(reader.price(1)) == 2.5);
  CHECK(reader.cache.stats().shared_hits == 0);
}

TEST_CASE("memcached: while it is gone, and when it is back, the database answers", "[memcached]") {
  MemcachedServer server;
  const Shop shop;
  Process process(shop);
  process.db.attach(tier_on(server.url()));
  static_cast<void>(process.price(1));
  server.stop(SIGKILL);
  process.set_price(1, 7.0);
  CHECK(only(process.price(1)) == 7.0);
  CHECK(only(process.price(2)) > 0);
  server.start();
  Process other(shop);
  other.db.attach(tier_on(server.url()));
  CHECK(only(other.price(1)) == 7.0);
}

#ifdef PRICES_EXAMPLE
TEST_CASE("memcached: the example's processes share what one of them has loaded", "[memcached]") {
  const MemcachedServer one;
  const MemcachedServer other;
  const Shop shop;
  const std::string servers = "memcached://" + one.url() + ',' + other.url();
  check_prices_example(shop, servers);
}
#endif
