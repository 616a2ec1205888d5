#include <SQLiteCpp/SQLiteCpp.h>

#include "rounds.hpp"
#include "sqlite_item.hpp"

// A write of one row: plain SQLite against our API with 1 and with 10 intents, microseconds each.

namespace querymark::bench {
namespace {

using sqlite::Synchronous;

struct Writer {
  std::string name;
  std::function<void(std::int64_t)> write;
};

void bench_mode(const Options& options, Report& report, const ItemFile& file, Synchronous mode) {
  const bool full = mode == Synchronous::full;
  const std::string suffix = full ? "_full" : "_normal";
  const int count = full ? 200 : 1000;

  SQLite::Database plain(file.path(), SQLite::OPEN_READWRITE, 5000);
  plain.exec(full ? "pragma synchronous = full" : "pragma synchronous = normal");
  SQLite::Statement begin(plain, "begin immediate");
  SQLite::Statement update(plain, "update counter set value = ? where id = 1");
  SQLite::Statement commit(plain, "commit");
  const auto run = [](SQLite::Statement& statement) {
    statement.exec();
    statement.reset();
  };

  Cache cache;
  sqlite::Options with = item_options();
  with.synchronous = mode;
  sqlite::Database database(file.path(), cache, with);
  const auto through = [&](int intents) {
    return [&database, intents](std::int64_t value) {
      database.write([&](sqlite::Transaction& tx) {
        tx.execute("update counter set value = ? where id = 1", value);
        for (int i = 0; i < intents; ++i) tx.invalidate(entity("counter", value, i));
      });
    };
  };
  const Writer writers[] = {{"plain" + suffix,
                             [&](std::int64_t value) {
                               run(begin);
                               update.bind(1, value);
                               run(update);
                               run(commit);
                             }},
                            {"querymark_1" + suffix, through(1)},
                            {"querymark_10" + suffix, through(10)}};
  std::vector<Figure> figures;
  for (const Writer& writer : writers)
    figures.push_back({.bench = "write", .subject = writer.name, .unit = "us"});
  for (std::size_t round = 0; round <= options.runs; ++round)
    for (std::size_t w = 0; w < figures.size(); ++w) {
      if (!options.wants(figures[w].subject)) continue;
      const double ns = elapsed_ns([&] {
        for (int i = 0; i < count; ++i) writers[w].write(i);
      });
      if (round > 0) figures[w].runs.push_back(ns / 1000 / count);
    }
  for (Figure& figure : figures)
    if (!figure.runs.empty()) report.add(std::move(figure));
}

}  // namespace

void bench_write(const Options& options, Report& report) {
  const ItemFile file(10);
  bench_mode(options, report, file, Synchronous::normal);
  bench_mode(options, report, file, Synchronous::full);
}

}  // namespace querymark::bench
