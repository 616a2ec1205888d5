#include <SQLiteCpp/SQLiteCpp.h>

#include <stdexcept>

#include "rounds.hpp"
#include "sqlite_item.hpp"

// What a read costs, by where it is served from: microseconds each, one thread.

namespace querymark::bench {
namespace {

constexpr std::uint32_t kItems = 20'000;
constexpr std::uint32_t kReads = 5000;
constexpr std::string_view kByKey = "select id, price, stock, category from item where key = ?";
constexpr std::string_view kJoin =
    "select c.category, count(*), sum(a.price + b.stock) from (select distinct category from item "
    "where category < ?) c join item a on a.category = c.category join item b on b.id = a.id + 1 "
    "group by c.category";

class Readings {
 public:
  Readings(const Options& options, Report& report) : options_(options), report_(report) {}

  /// `work(run)` does `count` reads.
  template <class Work>
  void add(std::string_view subject, std::uint32_t count, Work&& work) {
    if (!options_.wants(subject)) return;
    Figure figure{.bench = "read", .subject = std::string(subject), .unit = "us"};
    for (std::size_t run = 0; run <= options_.runs; ++run) {
      const double us = work() / 1000 / count;
      if (run > 0) figure.runs.push_back(us);
    }
    report_.add(std::move(figure));
  }

 private:
  const Options& options_;
  Report& report_;
};

// Each run has a cache that is new and empty, over a file tier that is full.
double time_file_tier(const ItemFile& file) {
  Cache cache;
  sqlite::Database database(file.path(), cache, item_options());
  database.attach(sqlite::FileTier(file.file("items.tier")));
  const auto query = prepare_item(database);
  std::uint32_t from_tier = 0;
  const double ns = elapsed_ns([&] {
    for (std::uint32_t i = 0; i < kReads; ++i)
      if (query(key_of(i).view()).outcome().source == ReadSource::shared_tier) ++from_tier;
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
  const ItemFile file(kItems);
  Readings readings(options, report);
  {
    Cache cache;
    sqlite::Database database(file.path(), cache, item_options());
    const auto query = prepare_item(database);
    const auto all = [&] {
      std::int64_t sum = 0;
      const double ns = elapsed_ns([&] {
        for (std::uint32_t i = 0; i < kItems; ++i) {
          const Rows<Item> rows = query(key_of(i * 7919 % kItems).view());
          sum += rows->id;
        }
      });
      use(sum);
      return ns;
    };
    readings.add("memory_hit", kItems, all);
  }
  readings.add("file_tier_hit", kReads, [&] { return time_file_tier(file); });
  SQLite::Database connection(file.path(), SQLite::OPEN_READONLY, 5000);
  readings.add("sqlite_pk", kReads, [&] {
    return time_statement(connection, kByKey, kReads, [](SQLite::Statement& s, std::uint32_t i) {
      s.bind(1, std::string(key_of(i).view()));
    });
  });
  readings.add("sqlite_join", 5, [&] {
    return time_statement(connection, kJoin, 5,
                          [](SQLite::Statement& s, std::uint32_t i) { s.bind(1, 50 + i); });
  });
}

}  // namespace querymark::bench
