#include <SQLiteCpp/SQLiteCpp.h>

#include <deque>

#include "many.hpp"

// A hundred items by their keys in one call, by where they are: microseconds for the call. Beside each
// what one would write by hand.

namespace querymark::bench {
namespace {

double time_sqlite(const ItemFile& file) {
  Cache cache;
  sqlite::Database database(file.path(), cache, item_options());
  return time_fetch_many(database, kManyOnSqlite, Origin::database);
}

double time_json_each(SQLite::Statement& statement) {
  std::int64_t sum = 0;
  const double ns = time_calls([&](const ManyKeys& keys) {
    std::string list = "[";
    for (const std::string_view key : keys) {
      if (list.size() > 1) list += ',';
      list.append("\"").append(key).append("\"");
    }
    list += ']';
    statement.bindNoCopy(1, list);
    std::vector<Item> items(keys.size());
    while (statement.executeStep())
      items[statement.getColumn(0).getUInt()] = {
          statement.getColumn(1).getInt64(), statement.getColumn(2).getDouble(),
          statement.getColumn(3).getInt64(), statement.getColumn(4).getInt64()};
    statement.reset();
    for (const Item& item : items) sum += item.id;
  });
  use(sum);
  return ns;
}

}  // namespace

const std::vector<ManyKeys>& many_calls() {
  static const std::vector<ManyKeys> calls = [] {
    static std::deque<Key> keys;
    std::vector<ManyKeys> made(kManyCalls + 1);
    for (ManyKeys& call : made)
      while (call.size() < kManyKeys)
        call.push_back(keys.emplace_back(key_of(static_cast<std::uint32_t>(keys.size()))).view());
    return made;
  }();
  return calls;
}

void bench_fetch_many(const Options& options, Report& report) {
  const ItemFile file(20'000);
  SQLite::Database connection(file.path(), SQLite::OPEN_READONLY, 5000);
  SQLite::Statement statement(connection, kManyOnSqlite);
  measure_in_turns(options, report, "fetch_many",
                   {{"sqlite_json_each_100", kManyCalls, [&] { return time_json_each(statement); }},
                    {"sqlite_querymark_100", kManyCalls, [&] { return time_sqlite(file); },
                     "sqlite_json_each_100"}});
#ifdef QUERYMARK_BENCH_REDIS
  fetch_many_redis(options, file, report);
#endif
#ifdef QUERYMARK_BENCH_POSTGRES
  fetch_many_postgres(options, report);
#endif
}

}  // namespace querymark::bench
