// A process that never reads the database's log: a worker reads it, and hands it on through Redis.
//
//     querymark worker --db postgresql://shop_worker@db/shop --namespace shop --target redis://cache:6379
//     follower postgresql://shop@db/shop redis://cache:6379
//
// It takes questions line by line, and answers each with a line: "price 7" is the price of the product 7,
// "now 7" what it is after all that was committed before, "set 7 12.5" changes it. Any number of such
// processes, on as many hosts as you like, cost the database no more looks at its log than one. With a
// third argument, a file of keys, the server is trusted with nothing.

#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>

#include "querymark/feed/sealed_feed.hpp"
#include "querymark/postgres/postgres.hpp"
#include "querymark/redis/redis_feed.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

void serve(const std::string& url, const std::string& redis, const std::string& keys) {
  qm::Cache cache{{.name = "prices", .memory_bytes = 16 << 20}};
  // [follow]
  std::shared_ptr<qm::Feed> feed = std::make_shared<qm::RedisFeed>(redis);
  // [/follow]
  // [seal]
  // The worker's are in the file that its --feed-keys names.
  if (!keys.empty())
    feed = std::make_shared<qm::SealedFeed>(feed, qm::SealingKeys::from_file(keys));
  // [/seal]
  // [open]
  // Waits for a worker's answer, and throws qm::Error while none is there.
  qm::postgres::Database db{url, cache, {.namespace_name = "shop", .max_lag = 5s, .feed = feed}};
  // [/open]
  auto price_of = db.prepare<double>("select price from product where id = $1")
                      .tag([](std::int64_t product) { return qm::entity("product", product); })
                      .ttl(10min);

  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string what;
    std::int64_t id = 0;
    words >> what >> id;
    if (what == "set") {
      double price = 0;
      words >> price;
      const auto written = db.write_one("update product set price = $1 where id = $2",
                                        qm::Parameters(price, id), qm::entity("product", id));
      fmt::print("{} row\n", written.value);
    } else {
      // [now]
      if (what == "now") db.catch_up();  // one question, which a worker answers at once
      // [/now]
      const qm::Rows<double> found = price_of(id);
      fmt::print("{}, a {}\n", found.empty() ? "none" : fmt::format("{:.2f}", found[0]),
                 found.outcome());
    }
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 3) {
      fmt::print(stderr, "usage: follower DATABASE REDIS [KEYS]\n");
      return EXIT_FAILURE;
    }
    serve(argv[1], argv[2], argc > 3 ? argv[3] : "");
    return EXIT_SUCCESS;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "follower: {}\n", failure.what());
    return EXIT_FAILURE;
  }
}
