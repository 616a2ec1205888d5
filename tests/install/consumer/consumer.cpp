// Uses each adapter that it was built with, as far as that goes without a server, with the options
// that an application would set by name.
#include <fmt/format.h>

#include <cstdio>
#include <string>
#ifdef WITH_sqlite
#include "querymark/sqlite/sqlite.hpp"
#endif
#ifdef WITH_file_tier
#include "querymark/file_tier/file_tier.hpp"
#include "querymark/querymark.hpp"
#endif
#ifdef WITH_redis
#include "querymark/querymark.hpp"
#include "querymark/redis/redis_feed.hpp"
#include "querymark/redis/redis_tier.hpp"
#endif
#ifdef WITH_memcached
#include "querymark/memcached/memcached_tier.hpp"
#include "querymark/querymark.hpp"
#endif
#ifdef WITH_zstd
#include "querymark/querymark.hpp"
#include "querymark/tier/value_codec.hpp"
#include "querymark/zstd/zstd_compression.hpp"
#endif
#ifdef WITH_postgres
#include "querymark/postgres/postgres.hpp"
#endif
#ifdef WITH_asio
#include <boost/asio/use_future.hpp>

#include "querymark/asio/asio.hpp"
#include "querymark/querymark.hpp"
#endif
#ifdef WITH_testing
#include "querymark/querymark.hpp"
#include "querymark/testing/memory_database.hpp"
#endif

namespace qm = querymark;
using namespace std::chrono_literals;

struct Item {
  int id;
  std::string name;
};

int main([[maybe_unused]] int argc, [[maybe_unused]] char** argv) {
  qm::Cache cache(qm::CacheOptions{.memory_bytes = 1U << 20U});
#ifdef WITH_sqlite
  qm::sqlite::migrate(argv[1]);
  qm::sqlite::Database database(argv[1], cache, {.namespace_name = "shop", .max_lag = 3s});
  const auto rows = database.query("select ? as id, 'seven' as name", 7).fetch_as<Item>();
  fmt::print("sqlite {}\n", rows[0].id);
  const auto item = database.prepare<Item>("select 8 as id, 'eight' as name");
  const auto items = item();
  fmt::print("sqlite {}\n", items[0].name);
#ifdef WITH_asio
  fmt::print("asio {}\n", item.async(boost::asio::use_future).get()[0].name);
#endif
  const auto nine = database.get_or_load<int>("nine", {.ttl = 1min}, [] { return 9; });
  fmt::print("sqlite {}\n", *nine);
#endif
#ifdef WITH_file_tier
  const qm::FileTier tier(std::string(argv[1]) + ".tier", {.max_bytes = 1U << 20U});
  fmt::print("{} tier\n", tier.label());
#endif
#ifdef WITH_redis
  qm::RedisTier nowhere("rediss://127.0.0.1:1", {.prefix = "shop", .timeout = 1s});
  fmt::print("{} {}\n", nowhere.url(), nowhere.get("shop", qm::sha256({"nothing"})).has_value());
  fmt::print("{}\n", qm::RedisFeed("redis+cluster://one,two", {.entries = 100}).url());
#endif
#ifdef WITH_memcached
  qm::MemcachedTier absent("127.0.0.1:1", {.prefix = "shop", .timeout = 1s});
  fmt::print("{} {}\n", absent.label(), absent.get("shop", qm::sha256({"nothing"})).has_value());
#endif
#ifdef WITH_zstd
  const qm::ValueCodec codec({.compression = qm::zstd_compression()});
  const qm::SharedName under{.namespace_name = "shop", .name = qm::sha256({"nothing"})};
  fmt::print("zstd {}\n", codec.decode(under, codec.encode(under, {}).value()).has_value());
#endif
#ifdef WITH_postgres
  try {
    const qm::postgres::Database unreachable(
        "postgresql://127.0.0.1:1/nowhere", cache,
        {.namespace_name = "shop", .session = {.time_zone = "UTC"}, .connections = 2});
  } catch (const qm::Error& failure) {
    fmt::print("postgres {}\n", failure.connection_lost());
  }
#endif
#ifdef WITH_testing
  qm::testing::MemoryDatabase memory(cache, {.namespace_name = "shop"});
  memory.on_query("select 10", [](const qm::testing::Call&) {
    return qm::testing::Table({"id"}).row(10).rows();
  });
  fmt::print("testing {}\n", memory.query("select 10").fetch_value<int>());
#endif
  return 0;
}
