#include <SQLiteCpp/SQLiteCpp.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "querymark/sqlite/track.hpp"
#include "sqlite_item.hpp"
#include "tracked_subject.hpp"

// What automatic tags cost: a write by its triggers, a text by its analysis, and a hit.

namespace querymark::bench {
namespace {

constexpr std::uint32_t kItems = 10'000;
constexpr std::size_t kBatch = 200'000;
constexpr int kTexts = 200;
constexpr int kMostRoutes = 2;

class SqliteTracked final : public TrackedSubject {
 public:
  SqliteTracked() : plain_(file_.path(), SQLite::OPEN_READWRITE, 5000) {
    plain_.exec("pragma synchronous = normal");
    plain_.exec(kMakeSold);
    plain_.exec(fmt::format(
        "insert into sold with recursive n(n) as (select 1 union all select n + 1 from n where n < "
        "{}) select n, n % 100, n, n, n % 7 from n",
        kSoldRows));
    database_ = std::make_unique<sqlite::Database>(file_.path(), cache_, options());
  }

  void route(int routes) override {
    static_cast<void>(sqlite::untrack(file_.path(), {.tables = {"sold"}}));
    if (routes > 0) static_cast<void>(sqlite::track(file_.path(), track_by(routes)));
  }
  [[nodiscard]] Update update(std::uint32_t rows) override {
    Update took;
    plain_.exec("begin immediate");
    SQLite::Statement update(plain_, "update sold set stock = stock + 1 where id <= ?");
    update.bind(1, rows);
    const std::int64_t before = rows_of_log();
    took.us = elapsed_ns([&] { update.exec(); }) / 1000;
    took.log_rows = rows_of_log() - before;
    update.reset();
    plain_.exec("rollback");
    return took;
  }
  void analyse(const std::string& sql) override { use(database_->analyse(sql).verdict); }

  [[nodiscard]] const std::string& path() const { return file_.path(); }
  [[nodiscard]] std::size_t targets_of_hit() {
    const std::vector<ParameterView> one{ParameterView::int64(1)};
    return targets_of(database_->analyse(kSoldById), one).size();
  }
  [[nodiscard]] static sqlite::Options options() {
    sqlite::Options options = item_options();
    options.tags = Tags::automatic;
    return options;
  }

 private:
  std::int64_t rows_of_log() {
    return plain_.execAndGet("select count(*) from querymark_log").getInt64();
  }

  ItemFile file_{10};
  SQLite::Database plain_;
  Cache cache_;
  std::unique_ptr<sqlite::Database> database_;
};

// As many targets as the analysis finds for the same query.
struct SoldTags {
  static constexpr std::size_t kCount = 3;
  std::array<Target, kCount> operator()(std::int64_t id) const {
    return {entity("sold", id), collection("sold"), tag("schema")};
  }
};

[[nodiscard]] auto prepare_by_id(sqlite::Database& database) {
  return database.prepare<Item>(kSoldById).ttl(std::chrono::hours(1));
}

// One row by its number.
class ById final : public Subject {
 public:
  ById(const std::string& path, const sqlite::Options& options, bool declared)
      : database_(path, cache_, options),
        query_(declared
                   ? PreparedQuery<Item, std::int64_t>(prepare_by_id(database_).tag(SoldTags{}))
                   : prepare_by_id(database_)) {}

  void fill(const Request& request) override { use(query_(number_of(request)).front().id); }
  std::uint64_t serve(std::span<const Request> requests, bool /*load*/) override {
    std::uint64_t missed = 0;
    std::int64_t sum = 0;
    for (const Request& request : requests) {
      const Rows<Item> rows = query_(number_of(request));
      sum += rows->id;
      if (!rows.outcome().is_hit()) ++missed;
    }
    use(sum);
    return missed;
  }

 private:
  static std::int64_t number_of(const Request& request) { return request.number + 1; }
  Cache cache_{{.memory_bytes = 64U << 20U}};
  sqlite::Database database_;
  PreparedQuery<Item, std::int64_t> query_;
};

void measure_updates(const Options& options, Report& report, const std::string& name,
                     TrackedSubject& subject) {
  for (const std::uint32_t rows : {1U, 100U, kSoldRows}) {
    std::vector<Figure> figures;
    for (int routes = 0; routes <= kMostRoutes; ++routes) {
      figures.push_back({.bench = "track_cost",
                         .subject = fmt::format("{}_{}_rows_{}_routes", name, rows, routes),
                         .unit = "us"});
      subject.route(routes);
      const std::size_t each = rows > 1000 ? 1 : 50;
      for (std::size_t run = 0; run <= options.runs; ++run) {
        TrackedSubject::Update least = subject.update(rows);
        for (std::size_t i = 1; i < each; ++i)
          least.us = std::min(least.us, subject.update(rows).us);
        if (run > 0) figures.back().runs.push_back(least.us);
        figures.back().more["log_rows"] = static_cast<double>(least.log_rows);
      }
      figures.back().more["x_untracked"] = figures.back().median() / figures.front().median();
    }
    for (Figure& figure : figures) report.add(std::move(figure));
  }
}

void measure_analyses(const Options& options, Report& report, const std::string& name,
                      TrackedSubject& subject) {
  subject.route(1);
  Figure figure{.bench = "analyse", .subject = name, .unit = "us"};
  int text = 0;
  for (std::size_t run = 0; run <= options.runs; ++run) {
    const double ns = elapsed_ns([&] {
      for (int i = 0; i < kTexts; ++i)
        subject.analyse(fmt::format("{} /* {} */", kSoldById, text++));
    });
    if (run > 0) figure.runs.push_back(ns / 1000 / kTexts);
  }
  report.add(std::move(figure));
}

void measure(const Options& options, Report& report,
             void (*what)(const Options&, Report&, const std::string&, TrackedSubject&)) {
  if (options.wants("sqlite")) {
    SqliteTracked subject;
    what(options, report, "sqlite", subject);
  }
#ifdef QUERYMARK_BENCH_POSTGRES
  if (const auto subject = postgres_tracked(options, report))
    what(options, report, "postgres", *subject);
#endif
}

}  // namespace

void bench_track_cost(const Options& options, Report& report) {
  measure(options, report, measure_updates);
}

void bench_analyse(const Options& options, Report& report) {
  measure(options, report, measure_analyses);
}

void bench_automatic_hit(const Options& options, Report& report) {
  SqliteTracked tracked;
  tracked.route(1);
  if (tracked.targets_of_hit() != SoldTags::kCount)
    throw std::runtime_error(fmt::format("automatic_hit: the query has {} targets, SoldTags {}",
                                         tracked.targets_of_hit(), SoldTags::kCount));
  ById declared(tracked.path(), item_options(), true);
  ById automatic(tracked.path(), SqliteTracked::options(), false);
  measure_hits_in_turns(options, report, "automatic_hit",
                        {{"querymark_declared", &declared}, {"querymark_automatic", &automatic}},
                        kItems, kBatch);
}

}  // namespace querymark::bench
