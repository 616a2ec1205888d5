#include <SQLiteCpp/SQLiteCpp.h>

#include <stdexcept>

#include "querymark/file_tier/file_tier.hpp"
#include "readings.hpp"
#include "sqlite_item.hpp"

// What a read costs, by where it is served from: microseconds each, one thread.

namespace querymark::bench {
namespace {

// Each run has a cache that is new and empty, over a file tier that is full.
double time_file_tier(const ItemFile& file) {
  Cache cache;
  sqlite::Database database(file.path(), cache, item_options());
  database.attach(FileTier(file.file("items.tier")));
  const auto query = prepare_item(database);
  std::uint32_t from_tier = 0;
  const double ns = elapsed_ns([&] {
    for (std::uint32_t i = 0; i < kReads; ++i)
      if (query(key_of(i).view()).outcome().origin == Origin::shared_tier) ++from_tier;
  });
  static bool filled = false;  // the first pass fills the tier
  if (filled && from_tier < kReads) throw std::runtime_error("the file tier lost entries");
  filled = true;
  return ns;
}

double time_statement(SQLite::Database& connection, std::string_view sql, std::uint32_t reads,
                      const std::function<void(SQLite::Statement&, std::uint32_t)>& bind) {
  SQLite::Statement statement(connection, std::string(sql));
  std::int64_t sum = 0;
  const double ns = elapsed_ns([&] {
    for (std::uint32_t i = 0; i < reads; ++i) {
      bind(statement, i);
      while (statement.executeStep()) sum += statement.getColumn(0).getInt64();
      statement.reset();
    }
  });
  use(sum);
  return ns;
}

}  // namespace

void bench_read(const Options& options, Report& report) {
  const ItemFile file(kReadItems);
  Readings readings(options, report);
  {
    Cache cache;
    sqlite::Database database(file.path(), cache, item_options());
    const auto query = prepare_item(database);
    const auto all = [&] {
      std::int64_t sum = 0;
      const double ns = elapsed_ns([&] {
        for (std::uint32_t i = 0; i < kReadItems; ++i) {
          const Rows<Item> rows = query(key_of(i * 7919 % kReadItems).view());
          sum += rows->id;
        }
      });
      use(sum);
      return ns;
    };
    readings.add("memory_hit", kReadItems, all);
  }
  readings.add("file_tier_hit", kReads, [&] { return time_file_tier(file); });
  SQLite::Database connection(file.path(), SQLite::OPEN_READONLY, 5000);
  readings.add("sqlite_pk", kReads, [&] {
    return time_statement(
        connection, kReadByKey, kReads,
        [](SQLite::Statement& s, std::uint32_t i) { s.bind(1, std::string(key_of(i).view())); });
  });
  readings.add("sqlite_join", kJoins, [&] {
    return time_statement(connection, kReadJoin, kJoins,
                          [](SQLite::Statement& s, std::uint32_t i) { s.bind(1, 50 + i); });
  });
#ifdef QUERYMARK_BENCH_REDIS
  read_redis(options, file, readings);
#endif
#ifdef QUERYMARK_BENCH_MEMCACHED
  read_memcached(options, file, readings);
#endif
#ifdef QUERYMARK_BENCH_POSTGRES
  read_postgres(options, report, readings);
#endif
}

}  // namespace querymark::bench
