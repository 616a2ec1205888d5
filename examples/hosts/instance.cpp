// One process of a service that runs on several hosts, several times on each. What a process lacks in
// memory it looks for in a file of its host, then in a Redis server that all hosts share, and then
// asks the database.
//
//     instance postgresql://shop@db/shop redis://cache:6379 /var/cache/shop.tier 1000
//
// It reads prices so many times, raises one now and then, and says who has answered. Start it on each
// host, as often as you like: what one has loaded the others find, and nobody reads an older price
// than it must, whatever the server and the files hold.

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <random>
#include <string>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/postgres/postgres.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/tier/tier_group.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

constexpr int kProducts = 3;

// [tiers]
std::shared_ptr<qm::TierGroup> tiers_of_host(const std::string& file, const std::string& redis) {
  // The file is filled with what the server has, and answers alone while that is down.
  return std::make_shared<qm::TierGroup>("shop", qm::TierGroupOptions{.refill_ttl = 1min},
                                         qm::FileTier{file}, qm::RedisTier{redis});
}
// [/tiers]

double raise_price(qm::Database& db, int product) {
  return db
      .write([&](qm::Transaction& tx) {
        const qm::ResultSet raised =
            tx.query("update product set price = price + 1 where id = $1 returning price", product);
        tx.invalidate(qm::entity("product", product));
        return raised.row(0)[0].as<double>();
      })
      .value;
}

void serve(const std::string& url, const std::string& redis, const std::string& file, int times) {
  qm::Cache cache{{.name = "prices", .memory_bytes = 16 << 20}};
  qm::postgres::Options options;
  options.namespace_name = "shop";
  qm::postgres::Database db{url, cache, options};
  const auto tiers = tiers_of_host(file, redis);
  db.attach(tiers);
  auto price_of = db.prepare<double>("select price from product where id = $1")
                      .tag([](int product) { return qm::entity("product", product); })
                      .ttl(10min);

  std::mt19937 random(std::random_device{}());
  int from_memory = 0;
  int from_tiers = 0;
  int from_database = 0;
  int older = 0;
  for (int i = 1; i <= times; ++i) {
    const int product = 1 + static_cast<int>(random() % kProducts);
    const double own = i % 20 == 0 ? raise_price(db, product) : 0;
    const qm::Rows<double> price = price_of(product);
    if (price[0] < own) ++older;  // others may have raised it further
    switch (price.outcome().origin) {
      case qm::Origin::memory:
        ++from_memory;
        break;
      case qm::Origin::shared_tier:
        ++from_tiers;
        break;
      case qm::Origin::database:
        ++from_database;
        break;
    }
  }
  fmt::print(
      "{} from memory, {} from the tiers, {} from the database; {} older than they must be\n",
      from_memory, from_tiers, from_database, older);
  for (const qm::TierGroupStats& member : tiers->stats())
    fmt::print("{}: {} of {} found, {} failures {}\n", member.path, member.hits, member.reads,
               member.failures, member.last_failure);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 5) {
      fmt::print(stderr, "usage: instance DATABASE REDIS FILE TIMES\n");
      return EXIT_FAILURE;
    }
    serve(argv[1], argv[2], argv[3], std::atoi(argv[4]));
    return EXIT_SUCCESS;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "instance: {}\n", failure.what());
    return EXIT_FAILURE;
  }
}
