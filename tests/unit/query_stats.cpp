#include "querymark/observe/query_stats.hpp"

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/read_metrics.hpp"
#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::number;
using test::ReadFixture;

QueryStats stats_of(const Cache& cache, std::string_view name) {
  for (QueryStats& stats : cache.query_stats())
    if (stats.name == name) return std::move(stats);
  return {};
}

}  // namespace

TEST_CASE("latency: each time is in the bucket whose bounds hold it", "[latency]") {
  const auto check = [](std::chrono::nanoseconds time) {
    CAPTURE(time.count());
    const std::size_t bucket = LatencyStats::bucket_of(time);
    CHECK(bucket < LatencyStats::kBuckets);
    if (bucket > 0) CHECK(time > LatencyStats::bound(bucket - 1));
    if (bucket + 1 < LatencyStats::kBuckets) CHECK(time <= LatencyStats::bound(bucket));
  };
  for (std::size_t bucket = 0; bucket < LatencyStats::kBuckets; ++bucket)
    for (const auto off : {-1ns, 0ns, 1ns}) check(LatencyStats::bound(bucket) + off);
  check(0ns);
  check(std::chrono::nanoseconds::max());
  CHECK(LatencyStats::bucket_of(-1ns) == 0);
  CHECK(LatencyStats::bucket_of(std::chrono::nanoseconds::min()) == 0);
  CHECK(LatencyStats::bound(LatencyStats::kBuckets - 1) == 134'217'728us);
}

TEST_CASE("latency: quantiles are right to an eighth, and nothing has none", "[latency]") {
  LatencyHistogram times;
  CHECK(times.stats() == LatencyStats{});
  CHECK(times.stats().quantile(0.5) == 0ns);
  CHECK(times.stats().mean() == 0ns);
  for (int i = 1; i <= 1000; ++i) times.add(std::chrono::microseconds(i * 10));
  const LatencyStats stats = times.stats();
  CHECK(stats.count() == 1000);
  CHECK(stats.mean() == 5005us);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) {
    const double right = q * 10'000'000;
    CHECK(static_cast<double>(stats.quantile(q).count()) == Approx(right).epsilon(0.125));
  }
  CHECK(stats.quantile(-1) == stats.quantile(0));
  CHECK(stats.quantile(7) == stats.quantile(1));
  LatencyStats sum;
  (sum += stats) += stats;
  CHECK(sum.count() == 2000);
  CHECK(sum.mean() == stats.mean());
}

TEST_CASE("latency: a histogram is what Prometheus takes for one", "[latency]") {
  QueryStats stats{.name = "q"};
  LatencyHistogram times;
  times.add(1us);
  times.add(3ms);
  times.add(10min);  // beyond all bounds
  stats.loads = times.stats();
  const auto samples = test::samples_of(to_prometheus(stats));
  const auto has = [&](const std::string& sample) { return samples.count(sample) == 1; };
  CHECK(has(R"(querymark_query_load_seconds_bucket {"le": "1e-06", "query": "q"} 1.0)"));
  CHECK(has(R"(querymark_query_load_seconds_bucket {"le": "0.002048", "query": "q"} 1.0)"));
  CHECK(has(R"(querymark_query_load_seconds_bucket {"le": "0.004096", "query": "q"} 2.0)"));
  CHECK(has(R"(querymark_query_load_seconds_bucket {"le": "67.108864", "query": "q"} 2.0)"));
  CHECK(has(R"(querymark_query_load_seconds_bucket {"le": "+Inf", "query": "q"} 3.0)"));
  CHECK(has(R"(querymark_query_load_seconds_count {"query": "q"} 3.0)"));
  CHECK(has(R"(querymark_query_load_seconds_sum {"query": "q"} 600.003001)"));
  CHECK(std::none_of(samples.begin(), samples.end(), [](const std::string& sample) {
    return sample.find("wait") != std::string::npos && sample.find("lease") == std::string::npos;
  }));
  const std::string json = test::reread("json", to_json(stats));
  CHECK(json.find(R"("load": {"count": 3, )") != std::string::npos);
}

TEST_CASE("query stats: reads are counted by query, and the cache's are their sum",
          "[query_stats]") {
  ReadFixture f;
  f.loader.on_load = [&](auto) {
    f.clock.advance(10ms);
    return LoadedRows{number(1)};
  };
  const auto named = f.prepare("select n from a where id = ?").name("a by id").ttl(1min);
  const auto plain = f.prepare("select  n\n from b where id = ?").ttl(1min);
  for (const int id : {1, 2, 1, 1}) static_cast<void>(named(id));
  static_cast<void>(plain(1));
  static_cast<void>(f.query("select  n\n from b where id = ?", 2).ttl(1min).fetch());

  const QueryStats a = stats_of(f.cache, "a by id");
  CHECK(a.reads.hits == 2);
  CHECK(a.reads.misses == 2);
  CHECK(a.reads.stored == 2);
  CHECK(a.entries == 2);
  CHECK(a.entry_bytes > 0);
  CHECK(a.hit_ratio() == 0.5);
  CHECK(a.loads.count() == 2);
  CHECK(a.loads.total == 20ms);
  CHECK(a.saved_time().count() == Approx(0.02));
  CHECK(a.waits.count() == 0);
  const QueryStats b = stats_of(f.cache, "select n from b where id = ?");
  CHECK(b.reads.misses == 2);
  CHECK(b.entries == 2);
  const CacheStats all = f.cache.stats();
  CHECK(all.hits == 2);
  CHECK(all.misses == 4);
  CHECK(all.entries == 4);
  CHECK(all.entry_bytes == a.entry_bytes + b.entry_bytes);

  f.clock.advance(2min);
  f.cache.purge();
  CHECK(stats_of(f.cache, "a by id").entries == 0);
  CHECK(stats_of(f.cache, "a by id").entry_bytes == 0);
}

TEST_CASE("query stats: a load that fails is timed, and its query is shown", "[query_stats]") {
  ReadFixture f;
  f.loader.on_load = [&](auto) -> LoadedRows {
    f.clock.advance(3ms);
    throw Error("down");
  };
  const auto query = f.prepare("select n").name("broken");
  CHECK_THROWS_AS(query(), Error);
  const QueryStats stats = stats_of(f.cache, "broken");
  CHECK(stats.reads.load_failures == 1);
  CHECK(stats.reads.reads() == 0);
  CHECK(stats.hit_ratio() == 0);
  CHECK(stats.loads.total == 3ms);
}

TEST_CASE("query stats: the reason why a load was not kept is counted", "[query_stats]") {
  ReadFixture f;
  const auto query = f.prepare("select n").name("q");
  f.source.marks().trust_until(MonotonicTime::min());
  static_cast<void>(query());
  f.source.marks().trust_until(MonotonicTime::max());
  f.loader.on_load = [](auto) { return LoadedRows{number(1), std::nullopt, Stored::uncacheable}; };
  static_cast<void>(query());
  f.cache.set_enabled(false);
  static_cast<void>(query());
  const ReadStats reads = stats_of(f.cache, "q").reads;
  CHECK(reads.lagging == 1);
  CHECK(reads.uncacheable == 1);
  CHECK(reads.disabled == 1);
  CHECK(reads.stored == 0);
  CHECK(reads.bypassed == 2);
  CHECK(reads.misses == 1);
}

TEST_CASE("query stats: how many names there are is bounded, and none is lost", "[query_stats]") {
  ReadFixture f;
  constexpr std::uint64_t kMany = 3000;
  for (std::uint64_t i = 0; i < kMany; ++i)
    static_cast<void>(f.query("select " + std::to_string(i)).uncached().fetch());
  const auto ours = f.prepare("select n").name("ours");  // what has a name has room of its own
  static_cast<void>(ours());
  for (std::uint64_t i = 0; i < kMany; ++i)
    static_cast<void>(f.prepare("select n")
                          .name("\"\n\xFF" + std::to_string(i))
                          .tag(tag("t", std::to_string(i)))());
  const std::vector<QueryStats> all = f.cache.query_stats();
  CHECK(all.size() == QueryTable::kMostNamed + QueryTable::kMostTexts + 1);
  CHECK(stats_of(f.cache, "ours").reads.reads() == 1);
  CHECK(stats_of(f.cache, "(other)").reads.reads() ==
        2 * kMany + 1 - QueryTable::kMostNamed - QueryTable::kMostTexts);
  std::uint64_t sum = 0;
  for (const QueryStats& stats : all) sum += stats.reads.reads();
  CHECK(sum == 2 * kMany + 1);
  Metrics metrics;
  f.cache.add_metrics(metrics);
  CHECK(test::samples_of(metrics.prometheus()).size() > 10'000);
}

TEST_CASE("query stats: values of one's own are counted together, unless they have a name",
          "[query_stats]") {
  ReadFixture f;
  for (int i = 0; i < 1000; ++i)
    static_cast<void>(f.cache.get_or_load<int>("user:" + std::to_string(i), {}, [] { return 1; }));
  static_cast<void>(f.cache.get_or_load<int>("rates", {.name = "rates"}, [] { return 1; }));
  CHECK(f.cache.query_stats().size() == 2);
  CHECK(stats_of(f.cache, "(values)").reads.misses == 1000);
  CHECK(stats_of(f.cache, "rates").reads.misses == 1);
}

TEST_CASE("query stats: long texts differ by a mark of their whole", "[query_stats]") {
  const std::string columns(500, 'c');
  const std::string one = name_of_sql("select " + columns + " from a");
  const std::string two = name_of_sql("select " + columns + " from b");
  CHECK(one != two);
  CHECK(one.size() <= 120);
  CHECK(one == name_of_sql("select " + columns + " from a"));
  CHECK(name_of_sql("  select\t1\n\n ") == "select 1");
  CHECK(name_of_sql("").empty());
  const std::string just(120, 'x');
  CHECK(name_of_sql(just + " \n") == just);
  CHECK(name_of_sql(just + " y") != just);  // another query
  std::string letters;                      // none of them is cut in two
  for (int i = 0; i < 100; ++i) letters += "ü";
  CHECK(is_plain_utf8(name_of_sql(letters)));
}

TEST_CASE("query stats: are read while queries come and go", "[query_stats]") {
  ReadFixture f;
  std::atomic<bool> over{false};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; !over.load(); ++i)
        static_cast<void>(f.cache.get_or_load<int>(
            std::to_string(i % 50), {.name = std::to_string(t * 200 + i % 200)}, [] { return 1; }));
    });
  std::uint64_t last = 0;
  for (int i = 0; i < 50; ++i) {
    const CacheStats stats = f.cache.stats();
    CHECK(stats.reads() >= last);
    last = stats.reads();
    CHECK(f.cache.query_stats().size() <= QueryTable::kMostNamed + 1);
  }
  over = true;
}
