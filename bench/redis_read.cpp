#include <stdexcept>

#include "hiredis_client.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "readings.hpp"
#include "sqlite_item.hpp"
#include "support/redis_server.hpp"

// What a read costs that is served from Redis, over the unix socket; beside it, a bare GET of the
// same bytes by hiredis.

namespace querymark::bench {
namespace {

// Each run has a cache that is new and empty; the first fills the tier.
double time_redis(const ItemFile& file, const test::RedisServer& server, bool filled) {
  Cache cache;
  sqlite::Database database(file.path(), cache, item_options());
  database.attach(RedisTier(server.socket_url(), {.timeout = std::chrono::seconds(30)}));
  const auto query = prepare_item(database);
  std::uint32_t from_tier = 0;
  const double ns = elapsed_ns([&] {
    for (std::uint32_t i = 0; i < kReads; ++i)
      if (query(key_of(i).view()).outcome().origin == Origin::shared_tier) ++from_tier;
  });
  if (filled && from_tier < kReads) throw std::runtime_error("Redis lost entries");
  return ns;
}

#ifdef QUERYMARK_BENCH_HIREDIS
void read_hiredis(const test::RedisServer& server, Readings& readings) {
  const Hiredis client(server.socket());
  const Hiredis::Reply keys = client.ask({"KEYS", "qm:*"});
  if (keys->elements < kReads) throw std::runtime_error("Redis has too few entries");
  readings.add("hiredis_get", kReads, [&] {
    std::size_t bytes = 0;
    const double ns = elapsed_ns([&] {
      for (std::size_t i = 0; i < kReads; ++i)
        bytes += client.ask({"GET", Hiredis::text(*keys->element[i])})->len;
    });
    use(static_cast<std::int64_t>(bytes));
    return ns;
  });
}
#endif

}  // namespace

void read_redis(const Options& options, const ItemFile& file, Readings& readings) {
  if (!options.wants("redis_hit") && !options.wants("hiredis_get")) return;
  const test::RedisServer server;
  time_redis(file, server, false);
  readings.add("redis_hit", kReads, [&] { return time_redis(file, server, true); });
#ifdef QUERYMARK_BENCH_HIREDIS
  read_hiredis(server, readings);
#endif
}

}  // namespace querymark::bench
