#include <array>
#include <stdexcept>

#include "hiredis_client.hpp"
#include "many.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "support/redis_server.hpp"

// A hundred items in one call from Redis, over the unix socket; beside it by hiredis, of the same bytes:
// one GET, and what Redis itself takes for a hundred, as as many GETs in one go and as one MGET.

namespace querymark::bench {
namespace {

// Each run has a cache that is new and empty; the first fills the tier.
double time_redis_many(const ItemFile& file, const test::RedisServer& server, Origin origin) {
  Cache cache;
  sqlite::Database database(file.path(), cache, item_options());
  database.attach(RedisTier(server.socket_url(), {.timeout = std::chrono::seconds(30)}));
  return time_fetch_many(database, kManyOnSqlite, origin);
}

#ifdef QUERYMARK_BENCH_HIREDIS
// What a call does for the keys of many_calls(), by the names that they have in Redis.
class BareGets {
 public:
  explicit BareGets(const test::RedisServer& server)
      : client_(server.socket()), keys_(client_.ask({"KEYS", "qm:*"})) {
    if (keys_->elements < std::size_t{kManyKeys} * kManyCalls)
      throw std::runtime_error("Redis has too few entries");
  }

  [[nodiscard]] double single() const {
    return each_call([&](std::size_t first) { return client_.ask({"GET", key(first)})->len; });
  }
  [[nodiscard]] double in_one_go() const {
    return each_call([&](std::size_t first) {
      for (std::size_t i = first; i < first + kManyKeys; ++i)
        client_.send(std::array{std::string_view("GET"), key(i)});
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < kManyKeys; ++i) bytes += client_.receive()->len;
      return bytes;
    });
  }
  [[nodiscard]] double mget() const {
    return each_call([&](std::size_t first) {
      std::vector<std::string_view> words{"MGET"};
      for (std::size_t i = first; i < first + kManyKeys; ++i) words.push_back(key(i));
      const Hiredis::Reply reply = client_.ask(words);
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < reply->elements; ++i) bytes += reply->element[i]->len;
      return bytes;
    });
  }

 private:
  [[nodiscard]] std::string_view key(std::size_t i) const {
    return Hiredis::text(*keys_->element[i]);
  }
  template <class Call>
  [[nodiscard]] static double each_call(Call&& call) {
    std::size_t bytes = 0;
    const double ns = elapsed_ns([&] {
      for (std::size_t i = 0; i < kManyCalls; ++i) bytes += call(i * kManyKeys);
    });
    use(static_cast<std::int64_t>(bytes));
    return ns;
  }

  Hiredis client_;
  Hiredis::Reply keys_;
};
#endif

}  // namespace

void fetch_many_redis(const Options& options, const ItemFile& file, Report& report) {
  if (!options.subject.empty() && !options.subject.starts_with("redis_")) return;
  const test::RedisServer server;
  static_cast<void>(time_redis_many(file, server, Origin::database));
  std::vector<Turn> turns;
#ifdef QUERYMARK_BENCH_HIREDIS
  const BareGets bare(server);
  turns.push_back({"redis_hiredis_get_1", kManyCalls, [&] { return bare.single(); }});
  turns.push_back({"redis_hiredis_gets_100", kManyCalls, [&] { return bare.in_one_go(); },
                   "redis_hiredis_get_1"});
  turns.push_back(
      {"redis_hiredis_mget_100", kManyCalls, [&] { return bare.mget(); }, "redis_hiredis_get_1"});
#else
  if (options.wants("redis_hiredis_get_1"))
    report.absent("fetch_many", "redis_hiredis_get_1", "libhiredis-dev");
#endif
  turns.push_back({"redis_querymark_100", kManyCalls,
                   [&] { return time_redis_many(file, server, Origin::shared_tier); },
                   "redis_hiredis_get_1"});
  measure_in_turns(options, report, "fetch_many", turns);
}

}  // namespace querymark::bench
