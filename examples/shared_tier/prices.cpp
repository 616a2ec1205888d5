// Processes of one application, on as many hosts as you like, share what one of them has loaded: a
// Redis server, or memcached servers, below the memory of each.
//
//     prices shop.db redis://localhost:6379 price 7      (twice: the second process asks no database)
//     prices shop.db redis://localhost:6379 set 7 12.5
//     prices shop.db redis://localhost:6379 price 7      (never the old price, whatever Redis holds)
//
// memcached://a:11211,b:11211 does the same as redis://localhost:6379. With PostgreSQL,
// qm::postgres::Database takes the place of the first lines.

#include <fmt/format.h>

#include <cstdlib>
#include <string>

#include "querymark/memcached/memcached_tier.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/sqlite/sqlite.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

void attach_redis(qm::Database& db, const std::string& redis) {
  // [attach]
  // Does not wait for the server, and goes on without it. A program that would rather not start
  // without it says tier.check() first.
  db.attach(qm::RedisTier{redis, {.timeout = 250ms}});
  // [/attach]
}

void attach_memcached(qm::Database& db, const std::string& servers) {
  // [memcached]
  db.attach(qm::MemcachedTier{servers, {.timeout = 250ms}});  // memcached://a:11211,b:11211
  // [/memcached]
}

void serve(const std::string& path, const std::string& url, const std::string& command, int id,
           const char* price) {
  qm::Cache cache{{.name = "prices", .memory_bytes = 16 << 20}};
  qm::sqlite::Database db{path, cache, {.namespace_name = "shop", .max_lag = 5s}};
  if (url.starts_with("memcached:"))
    attach_memcached(db, url);
  else
    attach_redis(db, url);

  auto price_of = db.prepare<double>("select price from product where id = ?")
                      .tag([](int product) { return qm::entity("product", product); })
                      .ttl(10min);
  if (command == "set") {
    const auto written =
        db.write_one("update product set price = ? where id = ?",
                     qm::Parameters(std::atof(price), id), qm::entity("product", id));
    fmt::print("{} row\n", written.value);
    return;
  }
  const qm::Rows<double> found = price_of(id);
  if (found.empty())
    fmt::print("there is no product {}\n", id);
  else
    fmt::print("{:.2f}, a {}\n", found[0], found.outcome());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 5 || (std::string(argv[3]) == "set" && argc < 6)) {
      fmt::print(stderr, "usage: prices FILE URL price ID | set ID PRICE\n");
      return EXIT_FAILURE;
    }
    serve(argv[1], argv[2], argv[3], std::atoi(argv[4]), argc > 5 ? argv[5] : "");
    return EXIT_SUCCESS;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "prices: {}\n", failure.what());
    return EXIT_FAILURE;
  }
}
