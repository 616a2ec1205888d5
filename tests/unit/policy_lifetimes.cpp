#include <catch2/catch.hpp>
#include <limits>

#include "unit/read_fixture.hpp"

// For how long results are served: by their rows, by their absence, and by lot.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using test::number;
using test::ReadFixture;

ResultSet nothing() {
  ResultSetBuilder builder;
  builder.add_column("n", "INTEGER");
  return std::move(builder).build();
}

// As many seconds as the number says.
TimeSpan by_number(const ResultSet& rows) {
  return std::chrono::seconds(rows[0]["n"].as<std::int64_t>());
}

}  // namespace

TEST_CASE("policy: a result's rows say for how long it is served", "[policy]") {
  ReadFixture f;
  const auto query = f.prepare("select n").tag(tag("a")).ttl(1h).policy({.ttl_of = by_number});
  f.loader.value = 10;
  CHECK_FALSE(query().outcome().is_hit());
  f.clock.advance(9s);
  CHECK(query().outcome().is_hit());
  f.clock.advance(2s);
  f.loader.value = 100'000;  // the query's own is the longest
  CHECK_FALSE(query().outcome().is_hit());
  f.clock.advance(59min);
  CHECK(query().outcome().is_hit());
  f.clock.advance(2min);
  f.loader.value = 0;
  for (int i = 0; i < 2; ++i) {
    CHECK(query().outcome().stored == Stored::declined);
    CHECK(f.cache.stats().declined == static_cast<std::uint64_t>(i) + 1);
  }
  f.loader.value = -1;
  CHECK_THROWS_AS(query(), ConfigError);
}

TEST_CASE("policy: ad-hoc queries take policies, too", "[policy]") {
  ReadFixture f;
  const auto read = [&] {
    return f.query("select n").tag(tag("a")).ttl(1h).policy({.ttl_of = by_number}).fetch();
  };
  f.loader.value = 10;
  CHECK_FALSE(read().outcome().is_hit());
  f.clock.advance(9s);
  CHECK(read().outcome().is_hit());
  f.clock.advance(2s);
  CHECK_FALSE(read().outcome().is_hit());
}

TEST_CASE("policy: that there is no row has a ttl of its own, and ends with the insert",
          "[policy]") {
  ReadFixture f;
  const auto query = f.prepare("select n").tag(tag("a")).ttl(1h).policy({.empty_ttl = 10s});
  f.loader.on_load = [](auto) { return LoadedRows{nothing()}; };
  CHECK(query().empty());
  f.clock.advance(9s);
  CHECK(query().outcome().is_hit());
  f.clock.advance(2s);
  CHECK_FALSE(query().outcome().is_hit());
  CHECK(query().outcome().is_hit());
  f.invalidate(tag("a"));
  f.loader.on_load = nullptr;
  CHECK(query().size() == 1);
  f.clock.advance(59min);
  CHECK(query().outcome().is_hit());
  // Longer than the ttl it never is.
  const auto longer = f.prepare("select m").tag(tag("a")).ttl(10s).policy({.empty_ttl = 1h});
  f.loader.on_load = [](auto) { return LoadedRows{nothing()}; };
  (void)longer();
  f.clock.advance(11s);
  CHECK_FALSE(longer().outcome().is_hit());
}

TEST_CASE("policy: that there is no row is kept only where a tag tells of the one that comes",
          "[policy]") {
  ReadFixture f;
  CHECK_THROWS_WITH(f.prepare("select untagged").policy({.empty_ttl = 10s})(),
                    Contains("select untagged") && Contains("empty_ttl"));
  const auto by_rows = f.prepare("select n")
                           .tag_rows([](const Row& row) { return tag(row[0].as<std::string>()); })
                           .policy({.empty_ttl = 10s});
  CHECK_THROWS_AS(by_rows(), ConfigError);  // no row, no tag
  CHECK(f.loader.loads == 0);
  CHECK(f.query("select n").policy({.empty_ttl = 10s}).uncached().fetch().size() == 1);
  const auto by_parameters =
      f.prepare("select n").tag([](int n) { return entity("n", n); }).policy({.empty_ttl = 10s});
  CHECK(by_parameters(1).size() == 1);
}

TEST_CASE("policy: jitter shortens ttls by lot, by its part at most", "[policy]") {
  ReadFixture f;
  const auto query = f.prepare("select n").tag(tag("a")).ttl(100s).policy({.jitter = 0.5});
  constexpr int kValues = 64;
  for (int i = 0; i < kValues; ++i) (void)query(i);
  const auto hits = [&] {
    int count = 0;
    for (int i = 0; i < kValues; ++i) count += query(i).outcome().is_hit() ? 1 : 0;
    return count;
  };
  f.clock.advance(49s);
  CHECK(hits() == kValues);
  f.clock.advance(26s);
  const int at_75 = hits();  // about half of them
  CHECK(at_75 > 8);
  CHECK(at_75 < 56);
  const auto value =
      get_or_load<int>(f.source, "one", {.ttl = 100s, .policy = {.jitter = 1}}, [] { return 1; });
  CHECK(value.outcome().stored == Stored::yes);
}

TEST_CASE("policy: lives have no end that jitter, or a rule, could miss", "[policy]") {
  for (const double jitter : {0.0, 0.5, 1.0}) {
    for (int i = 0; i < 100; ++i) {
      const auto life = detail::jittered({.jitter = jitter}, std::chrono::nanoseconds::max());
      REQUIRE(life.count() > 0);
      REQUIRE(detail::jittered({.jitter = jitter}, 1ns) == 1ns);
    }
  }
  ReadFixture f;
  const auto query =
      f.prepare("select n")
          .tag(tag("a"))
          .ttl(std::chrono::hours::max())
          .policy({
              .ttl_of = [](const ResultSet&) { return TimeSpan(std::chrono::hours::max()); },
              .serve_stale = std::chrono::hours::max(),
          });
  (void)query();
  f.clock.advance(std::chrono::years(30));
  CHECK(query().outcome().status == ReadStatus::hit);
}

TEST_CASE("policy: what other processes get to see expires as soon", "[policy]") {
  ReadFixture f;
  const auto tier = std::make_shared<test::FakeTier>();
  f.source.attach(tier);
  const auto query = f.prepare("select n").tag(tag("a")).ttl(1h).policy({.ttl_of = by_number});
  f.loader.value = 10;
  (void)query();
  REQUIRE(tier->values.size() == 1);
  CHECK(tier->values.begin()->second.expires - f.clock.wall_now() <= 10s);
  f.loader.value = 0;
  tier->values.clear();
  f.invalidate(tag("a"));
  (void)query();
  CHECK(tier->values.empty());
}

TEST_CASE("policy: a shared tier's value lives no longer than its rows allow this query",
          "[policy]") {
  ReadFixture f;
  const auto tier = std::make_shared<test::FakeTier>();
  std::chrono::milliseconds age{};
  tier->on_get = [&] {
    return SharedValue{.stamp = {test::kEpoch, {11}, {}},
                       .stored = f.clock.wall_now() - age,
                       .expires = f.clock.wall_now() + 1h,
                       .targets = {tag("a")},
                       .rows = number(10)};
  };
  f.source.attach(tier);
  const auto query = f.prepare("select n").tag(tag("a")).ttl(1h).policy({.ttl_of = by_number});
  age = 4s;
  CHECK(query().outcome().origin == Origin::shared_tier);
  f.clock.advance(5s);
  CHECK(query().outcome().origin == Origin::memory);
  f.clock.advance(2s);
  age = 11s;  // too old for ten seconds
  CHECK(query().outcome().origin == Origin::database);
  // Nor is it taken where this query would not have kept it, or its rule can't make sense of it.
  const auto few = f.prepare("select few").tag(tag("a")).policy({.keep_if = !at_most_rows(1)});
  CHECK(few().outcome().origin == Origin::database);
  const auto odd =
      f.prepare("select odd").tag(tag("a")).policy({.ttl_of = [](const ResultSet& rows) {
        return TimeSpan(std::chrono::seconds(rows[0]["no such"].as<std::int64_t>()));
      }});
  CHECK_THROWS_AS(odd(), TypeError);  // of the database's rows
  CHECK(f.loader.loads == 3);
}

TEST_CASE("policy: what can't be meant is refused", "[policy]") {
  ReadFixture f;
  const auto refused = [&](const ReadPolicy& policy) {
    CHECK_THROWS_AS(f.prepare("select 1").policy(policy), ConfigError);
    CHECK_THROWS_AS(f.query("select 1").policy(policy), ConfigError);
    CHECK_THROWS_AS(get_or_load<int>(f.source, "n", {.policy = policy}, [] { return 1; }),
                    ConfigError);
  };
  refused({.empty_ttl = -1s});
  for (const double jitter : {-0.1, 1.1, std::numeric_limits<double>::quiet_NaN()})
    refused({.jitter = jitter});
  refused({.serve_stale = -1s});
  refused({.stale_while_loading = -1s});
  refused({.stale_if_error = -1s});
  refused({.revalidate_within = -1s});
  refused({.serve_invalidated_on_error = -1s});
  for (const ReadPolicy& about_rows :
       {ReadPolicy{.ttl_of = by_number}, ReadPolicy{.empty_ttl = 1s},
        ReadPolicy{.cache_if = [](auto, auto) { return true; }}, ReadPolicy{.keep_if = has_rows()}})
    CHECK_THROWS_AS(get_or_load<int>(f.source, "n", {.policy = about_rows}, [] { return 1; }),
                    ConfigError);
  CHECK(f.loader.loads == 0);
}
