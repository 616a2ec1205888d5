// A file of this host before two Redis servers of which the faster one answers.
//
//     composed shop.db shop.tier redis://one:6379 redis://two:6379
//
// No server need be there: what can't be reached costs misses, and is counted.

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/sqlite/sqlite.hpp"
#include "querymark/tier/tier_group.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

void serve(const std::string& path, const std::string& file, const std::string& one,
           const std::string& two) {
  qm::Cache cache{{.name = "prices", .memory_bytes = 16 << 20}};
  qm::sqlite::Database db{path, cache, {.namespace_name = "shop", .max_lag = 5s}};
  // [compose]
  // Whichever server has not answered after 5 ms is no longer waited for alone.
  auto redis = std::make_shared<qm::TierGroup>(
      "redis", qm::TierGroupOptions{.reads = qm::TierReads::hedged, .hedge_delay = 5ms},
      qm::RedisTier{one}, qm::RedisTier{two});
  // What the servers have and the file lacks is copied into it, for a minute at most.
  auto tiers = std::make_shared<qm::TierGroup>("shop", qm::TierGroupOptions{.refill_ttl = 1min},
                                               qm::FileTier{file}, redis);
  db.attach(tiers);
  // [/compose]

  auto price_of = db.prepare<double>("select price from product where id = ?")
                      .tag([](int product) { return qm::entity("product", product); })
                      .ttl(10min);
  const qm::Rows<double> found = price_of(1);
  if (found.empty())
    fmt::print("there is no product 1\n");
  else
    fmt::print("{:.2f}, a {}\n", found[0], found.outcome());
  // [stats]
  for (const qm::TierGroupStats& member : tiers->stats())
    fmt::print("{}: {} of {} found, {} failures {}\n", member.path, member.hits, member.reads,
               member.failures, member.last_failure);
  // [/stats]
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 5) {
      fmt::print(stderr, "usage: composed DATABASE TIER REDIS REDIS\n");
      return EXIT_FAILURE;
    }
    serve(argv[1], argv[2], argv[3], argv[4]);
    return EXIT_SUCCESS;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "composed: {}\n", failure.what());
    return EXIT_FAILURE;
  }
}
