#ifdef QUERYMARK_BENCH_LIBMEMCACHED
#include <libmemcached/memcached.h>
#endif

#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "querymark/memcached/memcached_tier.hpp"
#include "readings.hpp"
#include "sqlite_item.hpp"
#include "support/memcached_server.hpp"

// What a read costs that is served from memcached, over the loopback interface; beside it, a bare get
// of the same bytes by libmemcached.

namespace querymark::bench {
namespace {

// Each run has a cache that is new and empty; the first fills the tier.
double time_memcached(const ItemFile& file, const test::MemcachedServer& server, bool filled) {
  Cache cache;
  sqlite::Database database(file.path(), cache, item_options());
  database.attach(MemcachedTier(server.url(), {.timeout = std::chrono::seconds(30)}));
  const auto query = prepare_item(database);
  std::uint32_t from_tier = 0;
  const double ns = elapsed_ns([&] {
    for (std::uint32_t i = 0; i < kReads; ++i)
      if (query(key_of(i).view()).outcome().origin == Origin::shared_tier) ++from_tier;
  });
  if (filled && from_tier < kReads) throw std::runtime_error("memcached lost entries");
  return ns;
}

#ifdef QUERYMARK_BENCH_LIBMEMCACHED
struct FreeClient {
  void operator()(memcached_st* client) const noexcept { memcached_free(client); }
};

void read_libmemcached(const test::MemcachedServer& server, Readings& readings) {
  const std::unique_ptr<memcached_st, FreeClient> client(memcached_create(nullptr));
  memcached_behavior_set(client.get(), MEMCACHED_BEHAVIOR_TCP_NODELAY, 1);
  if (!client || memcached_failed(memcached_server_add(client.get(), "127.0.0.1",
                                                       static_cast<in_port_t>(server.port()))))
    throw std::runtime_error("libmemcached takes no server");
  const std::vector<std::string> keys = server.keys();
  if (keys.size() < kReads) throw std::runtime_error("memcached has too few entries");
  readings.add("libmemcached_get", kReads, [&] {
    std::size_t bytes = 0;
    const double ns = elapsed_ns([&] {
      for (std::size_t i = 0; i < kReads; ++i) {
        std::size_t size = 0;
        std::uint32_t flags = 0;
        memcached_return_t status = MEMCACHED_SUCCESS;
        char* const value =
            memcached_get(client.get(), keys[i].data(), keys[i].size(), &size, &flags, &status);
        if (value == nullptr) throw std::runtime_error("libmemcached lost an entry");
        bytes += size;
        std::free(value);
      }
    });
    use(static_cast<std::int64_t>(bytes));
    return ns;
  });
}
#endif

}  // namespace

void read_memcached(const Options& options, const ItemFile& file, Readings& readings) {
  if (!options.wants("memcached_hit") && !options.wants("libmemcached_get")) return;
  const test::MemcachedServer server;
  time_memcached(file, server, false);
  readings.add("memcached_hit", kReads, [&] { return time_memcached(file, server, true); });
#ifdef QUERYMARK_BENCH_LIBMEMCACHED
  read_libmemcached(server, readings);
#endif
}

}  // namespace querymark::bench
