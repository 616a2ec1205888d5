// What leaves the process is compressed and sealed: a file tier and a Redis that show nobody
// what they hold, and in which nobody without a key can write what is then read.
//
//     (umask 077; echo "2026-11 $(openssl rand -hex 32)" > keys)
//     sealed_prices shop.db redis://localhost:6379 keys price 7      (twice: from the file, sealed)

#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/sqlite/sqlite.hpp"
#include "querymark/zstd/zstd_compression.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

void serve(const std::string& path, const std::string& redis, const std::string& keys, int id) {
  qm::Cache cache{{.name = "prices", .memory_bytes = 16 << 20}};
  qm::sqlite::Database db{path, cache, {.namespace_name = "shop", .max_lag = 5s}};
  // [codec]
  // One for all tiers, the same in all processes.
  const auto codec = std::make_shared<qm::ValueCodec>(
      qm::ValueCodecOptions{.compression = qm::zstd_compression(),
                            .compress_from = 1024,
                            .keys = qm::SealingKeys::from_file(keys)});
  db.attach(qm::FileTier{path + ".tier", {.codec = codec}});
  db.attach(qm::RedisTier{redis, {.timeout = 250ms, .codec = codec}});
  // [/codec]

  auto price_of = db.prepare<double>("select price from product where id = ?")
                      .tag([](int product) { return qm::entity("product", product); })
                      .ttl(10min);
  const qm::Rows<double> found = price_of(id);
  if (found.empty())
    fmt::print("there is no product {}\n", id);
  else
    fmt::print("{:.2f}, a {}\n", found[0], found.outcome());
  // [rotate]
  // When the file has changed, without a restart:
  codec->replace_keys(qm::SealingKeys::from_file(keys));
  // [/rotate]
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 6 || std::string(argv[4]) != "price") {
      fmt::print(stderr, "usage: sealed_prices FILE REDIS KEYS price ID\n");
      return EXIT_FAILURE;
    }
    serve(argv[1], argv[2], argv[3], std::atoi(argv[5]));
    return EXIT_SUCCESS;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "sealed_prices: {}\n", failure.what());
    return EXIT_FAILURE;
  }
}
