#include <SQLiteCpp/SQLiteCpp.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include "querymark/file_tier/file_tier.hpp"
#include "readings.hpp"
#include "sqlite_item.hpp"

// What a read costs, by where it is served from: microseconds each.

namespace querymark::bench {
namespace {

// Each run has a cache that is new and empty, over a file tier that is full. Each thread reads its
// own share.
double time_file_tier(const ItemFile& file, std::uint32_t threads) {
  Cache cache;
  sqlite::Database database(file.path(), cache, item_options());
  database.attach(FileTier(file.file("items.tier")));
  const auto query = prepare_item(database);
  std::atomic<std::uint32_t> from_tier{0};
  const auto read_share = [&](std::uint32_t share) {
    std::uint32_t found = 0;
    for (std::uint32_t i = share * kReads / threads; i < (share + 1) * kReads / threads; ++i)
      if (query(key_of(i).view()).outcome().origin == Origin::shared_tier) ++found;
    from_tier += found;
  };
  const double ns = elapsed_ns([&] {
    std::vector<std::jthread> others;
    for (std::uint32_t i = 1; i < threads; ++i) others.emplace_back(read_share, i);
    read_share(0);
  });
  static bool filled = false;  // the first pass fills the tier
  if (filled && from_tier < kReads) throw std::runtime_error("the file tier lost entries");
  filled = true;
  return ns;
}

// The bytes that the tier has, by the same names, as a primary key.
std::vector<std::string> copy_tier(const ItemFile& file) {
  SQLite::Database copy(file.file("bytes.db"), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
  copy.exec("pragma journal_mode = wal");
  copy.exec("create table bytes (name blob primary key, value blob not null)");
  copy.exec("attach '" + file.file("items.tier") + "' as tier");
  copy.exec("insert into bytes select name, value from tier.querymark_tier_entry");
  std::vector<std::string> names;
  SQLite::Statement all(copy, "select name from bytes order by rowid");
  while (all.executeStep()) names.push_back(all.getColumn(0).getString());
  return names;
}

double time_same_bytes(SQLite::Database& connection, const std::vector<std::string>& names) {
  SQLite::Statement statement(connection, "select value from bytes where name = ?");
  std::size_t bytes = 0;
  const double ns = elapsed_ns([&] {
    for (const std::string& name : names) {
      statement.bindNoCopy(1, name.data(), static_cast<int>(name.size()));
      if (statement.executeStep()) bytes += statement.getColumn(0).getString().size();
      statement.reset();
    }
  });
  use(static_cast<std::int64_t>(bytes));
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
  if (options.wants("file_tier_hit") || options.wants("sqlite_same_bytes")) {
    time_file_tier(file, 1);
    readings.add("file_tier_hit", kReads, [&] { return time_file_tier(file, 1); });
    readings.add("file_tier_hit", kReads / 2, [&] { return time_file_tier(file, 2); }, 2);
    const std::vector<std::string> names = copy_tier(file);
    SQLite::Database copy(file.file("bytes.db"), SQLite::OPEN_READWRITE | SQLite::OPEN_NOMUTEX,
                          5000);
    readings.add("sqlite_same_bytes", kReads, [&] { return time_same_bytes(copy, names); });
  }
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
