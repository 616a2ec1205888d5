#include "querymark/read/cache.hpp"

#include <catch2/catch.hpp>

#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::ReadFixture;

}  // namespace

TEST_CASE("cache: a budget that can't work is refused", "[cache]") {
  CHECK_THROWS_AS(Cache({.memory_bytes = (1U << 20U) - 1}), ConfigError);
  Cache cache({.memory_bytes = 1U << 20U});
  CHECK_THROWS_AS(Source(cache, {.mark_cells = 1U << 16U}), ConfigError);  // all of the budget
  CHECK(cache.stats().mark_bytes == 0);
  const Source fits(cache, {});
  CHECK(cache.stats().mark_bytes == fits.marks().bytes());
}

TEST_CASE("cache: the mark tables of its sources are part of its budget", "[cache]") {
  Cache cache({.memory_bytes = 4U << 20U});
  {
    const Source first(cache, {.mark_cells = 50'000});
    const Source second(cache, {.mark_cells = 50'000});
    CHECK(cache.stats().mark_bytes == first.marks().bytes() + second.marks().bytes());
    CHECK(cache.stats().mark_bytes >= 2 * 50'000 * MarkTable::kCellBytes);
    CHECK_THROWS_AS(Source(cache, {.mark_cells = 50'000}), ConfigError);
  }
  CHECK(cache.stats().mark_bytes == 0);
}

TEST_CASE("cache: databases that come late get what is left for marks, and none is refused",
          "[cache]") {
  const std::size_t memory = GENERATE(16U, 64U, 256U) * (1U << 20U);
  Cache cache({.memory_bytes = memory});
  std::vector<std::unique_ptr<Source>> sources;
  for (int i = 0; i < 40; ++i) {
    sources.push_back(std::make_unique<Source>(cache, SourceOptions{}));
    const std::size_t cells = sources.back()->marks().table().cells();
    CHECK(cells >= 1024);
    CHECK(cells <= (i == 0 ? MarkTable::kDefaultSize
                           : sources[sources.size() - 2]->marks().table().cells()));
  }
  CHECK(sources.front()->marks().table().cells() ==
        std::min<std::size_t>(MarkTable::kDefaultSize, memory / 4 / MarkTable::kCellBytes));
  CHECK(sources[9]->marks().table().cells() > 4'000);
  CHECK(cache.stats().mark_bytes < memory / 8 * 5);
  // Its own values find room as well, and so does whoever asks for very little.
  CHECK(cache.get_or_load<int>("n", {}, [] { return 1; }).outcome().stored == Stored::yes);
  CHECK_NOTHROW(Source(cache, {.mark_cells = 1024}));
  CHECK_THROWS_AS(Source(cache, {.mark_cells = memory / MarkTable::kCellBytes}), ConfigError);
  // Room that is given back is used again.
  const std::size_t least = sources.back()->marks().table().cells();
  sources.erase(sources.begin(), sources.end() - 2);
  CHECK(Source(cache, {}).marks().table().cells() > least);
}

TEST_CASE("cache: too many databases for a small budget are refused, with a word why", "[cache]") {
  Cache cache({.memory_bytes = 1U << 20U});
  std::vector<std::unique_ptr<Source>> sources;
  const auto fill = [&] {
    for (int i = 0; i < 1000; ++i)
      sources.push_back(std::make_unique<Source>(cache, SourceOptions{}));
  };
  CHECK_THROWS_WITH(fill(), Catch::Matchers::Contains("too little for one database more"));
  CHECK(sources.size() >= 15);
  CHECK(cache.stats().mark_bytes <= (1U << 20U) / 4 * 3);
}

TEST_CASE("cache: purge drops what is expired or invalidated, and nothing else", "[cache]") {
  ReadFixture f;
  (void)f.query("select 1").ttl(1s).fetch();
  (void)f.query("select 2").tag(tag("a")).fetch();
  (void)f.query("select 3").tag(tag("b")).fetch();
  CHECK(f.cache.purge() == 0);
  f.clock.advance(1s);
  f.invalidate(tag("a"));
  CHECK(f.cache.purge() == 2);
  CHECK(f.cache.stats().entries == 1);
  CHECK(f.query("select 3").tag(tag("b")).fetch().outcome().is_hit());
}

TEST_CASE("cache: a key name belongs to the namespace, a query to its database", "[cache]") {
  ReadFixture f;
  Scope scope = f.source.options().scope;
  scope.database = "another";
  scope.session = "role";
  const Source other(f.cache, {.scope = scope, .mark_cells = 1024});
  const auto prefix = [](const Source& source, KeyPrefix::Form form) {
    return source.prefix("int", form, "prices");
  };
  CHECK(prefix(f.source, KeyPrefix::Form::named) == prefix(other, KeyPrefix::Form::named));
  CHECK(prefix(f.source, KeyPrefix::Form::sql) != prefix(other, KeyPrefix::Form::sql));
}

TEST_CASE("cache: two sources share memory but no entries and no marks", "[cache]") {
  ReadFixture f;
  Source other(f.cache, {.scope = f.source.options().scope, .mark_cells = 1024});
  other.marks().restart(ReadFixture::upto(10));
  other.marks().trust_until(MonotonicTime::max());
  const auto from_other = [&] {
    return Query(other, f.loader, "select n", Parameters()).tag(tag("a")).fetch();
  };
  (void)f.query("select n").tag(tag("a")).fetch();
  // The same key of another history: not served, and not to be taken for one's own.
  CHECK_FALSE(from_other().outcome().is_hit());
  CHECK(from_other().outcome().is_hit());
  f.invalidate(tag("a"));
  CHECK(from_other().outcome().is_hit());
}

TEST_CASE("cache: a source that goes takes its entries along", "[cache]") {
  ReadFixture f;
  const Result kept = [&] {
    Source other(f.cache, {.mark_cells = 1024});
    other.marks().trust_until(MonotonicTime::max());
    return Query(other, f.loader, "select n", Parameters()).fetch();
  }();
  CHECK(f.cache.stats().entries == 0);
  CHECK(kept[0][0].as<int>() == 1);
}

TEST_CASE("cache: prefixes are counted while something uses them", "[cache]") {
  ReadFixture f;
  const std::string sql = "select n from numbers -- " + std::string(2000, 'x');
  (void)f.query(sql).tag(tag("a")).fetch();
  CHECK(f.cache.stats().prefix_bytes > 2000);
  f.invalidate(tag("a"));
  f.cache.purge();
  CHECK(f.cache.stats().prefix_bytes == 0);
}

TEST_CASE("cache: its statistics tell how often marks lie", "[cache]") {
  ReadFixture f;
  CHECK(f.cache.stats().false_invalidation_estimate == 0);
  for (int i = 0; i < 2000; ++i) f.invalidate(entity("p", i));
  const double expected = MarkTable::expected_false_rate(f.source.marks().table().cells(), 2000);
  CHECK(f.cache.stats().false_invalidation_estimate == Approx(expected).epsilon(0.6));
}

TEST_CASE("cache: its memory stays within the budget", "[cache]") {
  ManualClock clock;
  Cache cache({.memory_bytes = 2U << 20U, .clock = &clock});
  for (int i = 0; i < 300; ++i)
    (void)cache.get_or_load<std::string>("n" + std::to_string(i), {},
                                         [] { return std::string(20'000, 'x'); });
  const CacheStats stats = cache.stats();
  CHECK(stats.entry_bytes + stats.mark_bytes <= stats.capacity_bytes);
  CHECK(stats.evictions > 100);
  CHECK(stats.entries > 10);
}
