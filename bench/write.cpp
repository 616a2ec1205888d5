#include <SQLiteCpp/SQLiteCpp.h>

#include "sqlite_item.hpp"
#include "write_rounds.hpp"

// A write of one row: plain SQLite against our API with 1 and with 10 intents, microseconds each. All on
// files of their own, so that each pays for its own checkpoints: on a file that all share they fall on
// whoever happens to write the page that makes one due. A round spans whole checkpoints of each.

namespace querymark::bench {
namespace {

using sqlite::Synchronous;

struct Ours {
  explicit Ours(Synchronous mode) : database(file.path(), cache, options(mode)) {}

  static sqlite::Options options(Synchronous mode) {
    sqlite::Options with = item_options();
    with.synchronous = mode;
    return with;
  }

  ItemFile file{10};
  Cache cache;
  sqlite::Database database;
};

void bench_mode(const Options& options, Report& report, Synchronous mode) {
  const bool full = mode == Synchronous::full;
  const std::string suffix = full ? "_full" : "_normal";

  const ItemFile plain_file(10);
  SQLite::Database plain(plain_file.path(), SQLite::OPEN_READWRITE, 5000);
  plain.exec(full ? "pragma synchronous = full" : "pragma synchronous = normal");
  SQLite::Statement begin(plain, "begin immediate");
  SQLite::Statement update(plain, "update counter set value = ? where id = 1");
  SQLite::Statement commit(plain, "commit");
  const auto run = [](SQLite::Statement& statement) {
    statement.exec();
    statement.reset();
  };

  Ours one(mode);
  Ours ten(mode);
  const std::vector<Writer> writers{{"plain" + suffix,
                                     [&](std::int64_t value) {
                                       run(begin);
                                       update.bind(1, value);
                                       run(update);
                                       run(commit);
                                     }},
                                    {"querymark_1" + suffix, write_through(one.database, 1)},
                                    {"querymark_10" + suffix, write_through(ten.database, 10)}};
  measure_writers(options, report, writers, full ? 2000 : 4000);
}

}  // namespace

void measure_writers(const Options& options, Report& report, const std::vector<Writer>& writers,
                     int count) {
  std::vector<ManyWriters> many;
  for (const Writer& writer : writers)
    many.push_back({writer.name, [&writer](int times) {
                      for (int i = 0; i < times; ++i) writer.write(i);
                    }});
  measure_writers(options, report, many, count);
}

void measure_writers(const Options& options, Report& report,
                     const std::vector<ManyWriters>& writers, int count) {
  std::vector<Figure> figures;
  for (const ManyWriters& writer : writers)
    figures.push_back({.bench = "write", .subject = writer.name, .unit = "us"});
  for (std::size_t round = 0; round <= options.runs; ++round)
    for (std::size_t w = 0; w < figures.size(); ++w) {
      if (!options.wants(figures[w].subject)) continue;
      const double ns = elapsed_ns([&] { writers[w].write(count); });
      if (round > 0) figures[w].runs.push_back(ns / 1000 / count);
    }
  const double plain = figures[0].runs.empty() ? 0 : figures[0].median();
  for (std::size_t w = 1; w < figures.size(); ++w)
    if (plain > 0 && !figures[w].runs.empty())
      figures[w].more["x_plain"] = plain / figures[w].median();
  for (Figure& figure : figures)
    if (!figure.runs.empty()) report.add(std::move(figure));
}

void bench_write(const Options& options, Report& report) {
  bench_mode(options, report, Synchronous::normal);
  bench_mode(options, report, Synchronous::full);
#ifdef QUERYMARK_BENCH_POSTGRES
  write_postgres(options, report);
#endif
}

}  // namespace querymark::bench
