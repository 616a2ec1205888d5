#include "querymark/observe/metrics.hpp"

#include <boost/pfr/tuple_size.hpp>
#include <catch2/catch.hpp>
#include <limits>
#include <set>
#include <string>

#include "querymark/querymark.hpp"
#include "support/read_metrics.hpp"
#if __has_include("querymark/redis/redis_tier.hpp")
#include "querymark/redis/redis_tier.hpp"
#endif
#if __has_include("querymark/memcached/memcached_tier.hpp")
#include "querymark/memcached/memcached_tier.hpp"
#endif
#if __has_include("querymark/file_tier/file_tier.hpp")
#include "querymark/file_tier/file_tier.hpp"
#endif
#if __has_include("querymark/postgres/database.hpp")
#include "querymark/postgres/database.hpp"
#endif

namespace {

using namespace querymark;

// Every field is listed, once, under a name that all formats take.
template <class Stats>
std::size_t check_list() {
  const Stats stats{};
  std::set<std::string> names;
  std::size_t listed = 0;
  visit_metrics(stats, [&](const Metric& metric, const MetricValue& value) {
    ++listed;
    CAPTURE(metric.name);
    CHECK(names.insert(prometheus_name(metric)).second);
    CHECK(metric.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_") == std::string_view::npos);
    const bool is_text = metric.kind == MetricKind::text || metric.kind == MetricKind::label;
    CHECK(std::holds_alternative<std::string>(value) == is_text);
    CHECK((metric.help.ends_with(".") || metric.kind == MetricKind::label));
    CHECK(std::holds_alternative<LatencyStats>(value) == (metric.kind == MetricKind::histogram));
    const bool is_real = metric.unit == MetricUnit::seconds || metric.unit == MetricUnit::ratio;
    CHECK((std::holds_alternative<double>(value) ==
           (is_real && metric.kind != MetricKind::histogram)));
    CHECK((metric.unit == MetricUnit::bytes) == metric.name.ends_with("bytes"));
  });
  return listed;
}
template <class Stats>
void check_metrics() {
  CHECK(check_list<Stats>() == boost::pfr::tuple_size_v<Stats>);
}

struct Texts {
  std::string where{};
  std::string last_error{};
};
struct Hostile {
  std::uint64_t most = 0;
  double odd = 0;
};

}  // namespace

template <>
struct querymark::MetricsOf<Texts> {
  static constexpr std::string_view kGroup = "texts";
  template <class Visit>
  static void visit(const Texts& stats, Visit&& visit) {
    visit({"where", "", MetricKind::label}, stats.where);
    visit({"last_error", "A \\ and a\nnew line.", MetricKind::text}, stats.last_error);
  }
};
template <>
struct querymark::MetricsOf<Hostile> {
  static constexpr std::string_view kGroup = "hostile";
  template <class Visit>
  static void visit(const Hostile& stats, Visit&& visit) {
    visit({"most", "Most."}, stats.most);
    visit({"odd", "Odd.", MetricKind::gauge, MetricUnit::ratio}, stats.odd);
  }
};

TEST_CASE("metrics: every counter of every struct is listed once") {
  check_metrics<DatabaseStats>();
  check_metrics<OffloadStats>();
  check_metrics<TierGroupStats>();
  check_metrics<WorkerCounts>();
  check_metrics<RelayStats>();
  check_metrics<HotSpot>();
  // Of these the list holds what their parts do.
  constexpr std::size_t kReads = boost::pfr::tuple_size_v<ReadStats> + 3;  // and what audits prove
  CHECK(check_list<ReadStats>() == kReads);
  CHECK(check_list<CacheStats>() ==
        kReads + (sizeof(CacheStats) - sizeof(ReadStats)) / sizeof(std::uint64_t));
  CHECK(check_list<WorkerStats>() ==
        (sizeof(WorkerStats) + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t));
  CHECK(check_list<QueryStats>() == boost::pfr::tuple_size_v<QueryStats> - 1 + kReads + 2);
#if __has_include("querymark/redis/redis_tier.hpp")
  check_metrics<RedisTierStats>();
#endif
#if __has_include("querymark/memcached/memcached_tier.hpp")
  check_metrics<MemcachedTierStats>();
#endif
#if __has_include("querymark/file_tier/file_tier.hpp")
  check_metrics<FileTierStats>();
#endif
#if __has_include("querymark/postgres/database.hpp")
  check_metrics<postgres::ReplicaStats>();
#endif
}

TEST_CASE("metrics: one struct is a JSON object, and what Prometheus reads") {
  DatabaseStats stats;
  stats.writes = 3;
  stats.horizon_age = std::chrono::milliseconds(1500);
  stats.last_error = "can't reach \"db\"";
  const std::string json = test::reread("json", to_json(stats));
  CHECK(json.find(R"("writes": 3)") != std::string::npos);
  CHECK(json.find(R"("horizon_age_seconds": 1.5)") != std::string::npos);
  CHECK(json.find(R"("last_error": "can't reach \"db\"")") != std::string::npos);
  const auto samples = test::samples_of(to_prometheus(stats, {{"database", "shop"}}));
  CHECK(samples.count(R"(querymark_database_writes_total {"database": "shop"} 3.0)") == 1);
  CHECK(samples.count(R"(querymark_database_horizon_age_seconds {"database": "shop"} 1.5)") == 1);
  CHECK(samples.count(R"(querymark_database_last_error {"database": "shop"} 1.0)") == 1);
  CHECK(samples.count(R"(querymark_database_doorbell_error {"database": "shop"} 0.0)") == 1);
  CHECK(samples.size() == boost::pfr::tuple_size_v<DatabaseStats>);
}

TEST_CASE("metrics: structs of one kind share their families, and labels tell them apart") {
  CacheStats one;
  one.hits = 1;
  CacheStats two;
  two.hits = 2;
  Metrics metrics;
  metrics.add(one, {{"cache", "one"}}).add(DatabaseStats()).add(two, {{"cache", "two"}});
  const auto samples = test::samples_of(metrics.prometheus());  // refuses a family in two places
  CHECK(samples.count(R"(querymark_cache_hits_total {"cache": "one"} 1.0)") == 1);
  CHECK(samples.count(R"(querymark_cache_hits_total {"cache": "two"} 2.0)") == 1);
  const std::string json = test::reread("json", metrics.json());
  CHECK(json.rfind(R"({"cache": [{)", 0) == 0);
  CHECK(json.find(R"("labels": {"cache": "two"})") != std::string::npos);
}

TEST_CASE("metrics: labels hold any bytes, in any number") {
  const std::string hostile[] = {
      "a \"quote\"", "new\nline", "back\\slash", "carriage\rreturn", std::string("a\0b", 3),
      "}{,=# HELP",  "",          "Grüße 🙂"};
  for (const std::string& name : hostile) {
    Metrics metrics;
    metrics.add(Texts{.where = name, .last_error = name});
    const auto samples = test::samples_of(metrics.prometheus());
    CAPTURE(name, samples);
    CHECK(samples.size() == 1);
    // Read by the other side as it was.
    const std::string json = test::reread("json", metrics.json());
    const std::string label = samples.begin()->substr(samples.begin()->find('{'));
    const std::string labels = label.substr(0, label.rfind(' '));
    CHECK(json.find("\"labels\": " + labels) != std::string::npos);
  }
  // No UTF-8: overlong, a surrogate, beyond the last character, cut off, a byte that never is one.
  for (const std::string name :
       {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xFF", "x\xF0\x8F\xBF\xBF"}) {
    CAPTURE(name);
    const auto samples = test::samples_of(to_prometheus(Texts{.where = name}));
    REQUIRE(samples.size() == 1);
    CHECK(samples.begin()->find(R"("where": )") != std::string::npos);
    CHECK(samples.begin()->find(R"(\\x)") != std::string::npos);
    CHECK(test::reread("json", to_json(Texts{.where = name})).find(R"(\\x)") != std::string::npos);
  }
}

TEST_CASE("metrics: what is added twice under the same labels counts as one") {
  CacheStats one;
  one.hits = 1;
  one.false_invalidation_estimate = 0.5;
  Metrics metrics;
  metrics.add(one, {{"cache", "\xFF"}}).add(one, {{"cache", "\\xff"}});
  const auto samples = test::samples_of(metrics.prometheus());
  CHECK(samples.count(R"(querymark_cache_hits_total {"cache": "\\xff"} 2.0)") == 1);
  CHECK(samples.count(R"(querymark_cache_false_invalidation_estimate {"cache": "\\xff"} 0.5)") ==
        1);
}

TEST_CASE("metrics: numbers at their ends") {
  const double inf = std::numeric_limits<double>::infinity();
  const auto most = std::numeric_limits<std::uint64_t>::max();
  CHECK(to_json(Hostile{.most = most, .odd = inf}) ==
        R"({"most":18446744073709551615,"odd":null})");
  CHECK(test::samples_of(to_prometheus(Hostile{.odd = inf})).count("querymark_hostile_odd {} inf"));
  CHECK(test::samples_of(to_prometheus(Hostile{.odd = inf - inf}))
            .count("querymark_hostile_odd {} nan"));
  CHECK(test::samples_of(to_prometheus(Hostile{.odd = 1e-9}))
            .count("querymark_hostile_odd {} 1e-09"));
}

TEST_CASE("metrics: a label that no system would take is refused") {
  const CacheStats stats;
  for (const std::string name : {"", "7up", "a-b", "__name__", "le", "quantile", "ü", "a\n"})
    CHECK_THROWS_AS(Metrics().add(stats, {{name, "x"}}), ConfigError);
  CHECK_THROWS_AS(Metrics().add(stats, {{"a", "x"}, {"a", "y"}}), ConfigError);
  CHECK_THROWS_AS(Metrics().add(Texts(), {{"where", "x"}}), ConfigError);
  CHECK_NOTHROW(Metrics().add(stats, {{"a_7", "x"}, {"B", "y"}}));
}

TEST_CASE("metrics: names and units as OpenTelemetry has them") {
  const Metric bytes{.name = "entry_bytes",
                     .help = {},
                     .kind = MetricKind::gauge,
                     .unit = MetricUnit::bytes,
                     .group = "cache"};
  CHECK(open_telemetry_name(bytes) == "querymark.cache.entry_bytes");
  CHECK(open_telemetry_unit(bytes) == "By");
  CHECK(prometheus_name(bytes) == "querymark_cache_entry_bytes");
  const Metric hits{.name = "hits", .help = {}, .group = "cache"};
  CHECK(open_telemetry_unit(hits) == "{hits}");
  CHECK(prometheus_name(hits) == "querymark_cache_hits_total");
}

TEST_CASE("metrics: callbacks of one collection share one reading") {
  int readings = 0;
  CacheStats stats;
  std::vector<std::pair<Metric, MetricReader>> instruments;
  observe_stats([&] { return ++readings, stats; },
                [&](const Metric& metric, MetricReader read) {
                  instruments.emplace_back(metric, std::move(read));
                });
  CHECK(instruments.size() == check_list<CacheStats>());
  readings = 0;
  for (std::uint64_t round = 1; round <= 3; ++round) {
    stats.hits = round;
    for (const auto& [metric, read] : instruments)
      CHECK((metric.name != "hits" || std::get<std::uint64_t>(read()) == round));
  }
  CHECK(readings == 3);
  stats.hits = 7;  // asked alone, it is never an old one twice
  static_cast<void>(instruments[0].second());
  stats.hits = 8;
  CHECK(std::get<std::uint64_t>(instruments[0].second()) == 8);
}

TEST_CASE("metrics: a reading that throws breaks no later one, and texts are no instruments") {
  bool fails = false;
  std::vector<MetricReader> readers;
  observe_stats(
      [&] {
        if (fails) throw Error("the database is gone");
        return DatabaseStats{.writes = 5};
      },
      [&](const Metric& metric, MetricReader read) {
        CHECK(metric.kind != MetricKind::text);
        readers.push_back(std::move(read));
      });
  CHECK(std::get<std::uint64_t>(readers[0]()) == 5);
  fails = true;
  CHECK_THROWS_AS(readers[0](), Error);
  CHECK_NOTHROW(readers[1]());  // of the reading before
  fails = false;
  CHECK(std::get<std::uint64_t>(readers[0]()) == 5);
  CHECK(std::get<std::uint64_t>(readers[1]()) == 0);
}
