// What a program can tell of its cache: to Prometheus, to OpenTelemetry, to people.

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "querymark/sqlite/sqlite.hpp"

namespace qm = querymark;
using namespace std::chrono_literals;

namespace {

// Stands for a meter of OpenTelemetry's, which has asynchronous instruments of each kind.
struct Meter {
  void observe(const std::string& name, bool /*monotonic*/, const std::string& /*unit*/,
               std::string_view /*description*/, qm::MetricReader read) {
    instruments.emplace(name, std::move(read));
  }
  std::map<std::string, qm::MetricReader> instruments;
};

bool serve(const std::string& path) {
  qm::sqlite::migrate(path);
  qm::Cache cache{{.name = "shop", .memory_bytes = 64 << 20}};
  qm::sqlite::Database db{path, cache, {.max_lag = 5s}};
  db.write([](auto& tx) {
    tx.execute("create table product (id integer primary key, price real) strict");
    tx.execute("insert into product values (7, 9.5), (8, 24.0)");
    tx.invalidate(qm::collection("product"));
  });
  auto by_id = db.prepare<double>("select price from product where id = ?")
                   .name("price by id")
                   .tag([](std::int64_t id) { return qm::entity("product", id); })
                   .ttl(5min);
  for (const std::int64_t id : {7, 8, 7}) static_cast<void>(by_id(id));

  // [page]
  qm::Metrics metrics;
  metrics.add(db.stats(), {{"database", "shop"}});
  cache.add_metrics(metrics);                     // its stats, and those of its queries
  const std::string page = metrics.prometheus();  // or .json()
  // [/page]
  fmt::print("{}", page);

  // [queries]
  for (const qm::QueryStats& query : cache.query_stats())
    fmt::print("{}: {} reads, {:.0f} % without a load, a load takes {} us, saved {:.3f} s\n",
               query.name, query.reads.reads(), 100 * query.hit_ratio(),
               query.loads.quantile(0.5).count() / 1000, query.saved_time().count());
  // [/queries]

  Meter meter;
  // [callbacks]
  qm::observe_stats([&cache] { return cache.stats(); },
                    [&](const qm::Metric& metric, qm::MetricReader read) {
                      meter.observe(qm::open_telemetry_name(metric),
                                    metric.kind == qm::MetricKind::counter,
                                    qm::open_telemetry_unit(metric), metric.help, std::move(read));
                    });
  // [/callbacks]
  const qm::MetricValue hits = meter.instruments.at("querymark.cache.hits")();

  // [explain]
  fmt::print("{}", by_id.explain(std::int64_t{7}));
  // [/explain]

  // [hot]
  for (const qm::HotSpot& spot : cache.hot().misses)
    fmt::print("{} ({}): missed about {} times\n", spot.query, spot.what, spot.count);
  // [/hot]
  return page.find("querymark_cache_hits_total{cache=\"shop\"} 1\n") != std::string::npos &&
         hits == qm::MetricValue(std::uint64_t{1});
}

}  // namespace

int main() {
  const auto folder = std::filesystem::temp_directory_path() /
                      fmt::format("querymark-observing-{}", std::random_device{}());
  try {
    std::filesystem::create_directory(folder);
    const bool right = serve((folder / "shop.db").string());
    std::filesystem::remove_all(folder);
    return right ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "observing: {}\n", failure.what());
    std::filesystem::remove_all(folder);
    return EXIT_FAILURE;
  }
}
