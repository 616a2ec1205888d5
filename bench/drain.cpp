#include "drain.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "querymark/sqlite/log.hpp"
#include "sqlite_item.hpp"

// How fast a worker works off a backlog of intents, each of its own target, for a shared tier that
// takes no time: claim, pages, advance. Rows per second; the runs of all subjects alternate.
// `grown_kib`: by how much the process has grown since its first runs.

namespace querymark::bench {

void drain_all(const WorkerLog& log) {
  NoTier tier;
  Worker worker(log, tier);
  while (!worker.run_once().idle()) {
  }
  worker.release();
  if (worker.stats().applied != kDrained) throw std::runtime_error("not all was drained");
}

namespace {

double most_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss);
}

class SqliteDrain {
 public:
  SqliteDrain() {
    NoTier tier;
    Worker first(work(), tier);  // a new consumer begins with a flush
    first.run_once();
    first.release();
  }
  void refill() {
    for (int i = 0; i < kDrained; i += kPerWrite)
      writer_.exec(
          "insert into querymark_log (namespace, kind, target, write_id) "
          "with recursive n(i) as (select 1 union all select i + 1 from n where i < " +
          std::to_string(kPerWrite) + ") select 'bench', 'entity', 'item:' || (" +
          std::to_string(i) + " + i), 7 from n");
  }
  void drain() { drain_all(work()); }

 private:
  [[nodiscard]] WorkerLog work() { return {log_, *claims_, *deliveries_}; }

  ItemFile file_{1};
  sqlite::Log log_{file_.path(), "bench"};
  std::unique_ptr<LogClaims> claims_ = log_.claims();
  std::unique_ptr<Deliveries> deliveries_ = log_.deliveries();
  SQLite::Database writer_{file_.path(), SQLite::OPEN_READWRITE, 5000};
};

}  // namespace

void bench_drain(const Options& options, Report& report) {
  DrainSubjects subjects;
#ifdef QUERYMARK_BENCH_POSTGRES
  add_postgres_drains(options, report, subjects);
#endif
  if (options.wants("querymark_sqlite")) {
    const auto sqlite = std::make_shared<SqliteDrain>();
    subjects.push_back(
        {"querymark_sqlite", [sqlite] { sqlite->refill(); }, [sqlite] { sqlite->drain(); }});
  }
  std::vector<Figure> figures;
  for (const DrainSubject& subject : subjects)
    figures.push_back({.bench = "drain", .subject = subject.name, .unit = "rows/s"});
  double before = 0;
  for (std::size_t run = 0; run <= options.runs; ++run) {
    for (std::size_t i = 0; i < subjects.size(); ++i) {
      subjects[i].refill();
      const double ns = elapsed_ns(subjects[i].drain);
      if (run > 0) figures[i].runs.push_back(kDrained / ns * 1e9);
    }
    if (run == 0) before = most_kib();
  }
  for (Figure& figure : figures) {
    figure.more["grown_kib"] = most_kib() - before;
    report.add(std::move(figure));
  }
}

}  // namespace querymark::bench
