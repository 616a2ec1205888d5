#include "querymark/read/query.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::first;
using test::number;
using test::ReadFixture;

constexpr const char* kSql = "select n from numbers where id = ?";
const Target kA = tag("a");
const Target kB = tag("b");

std::int64_t value_of(const Result& result) { return result[0]["n"].as<std::int64_t>(); }

}  // namespace

TEST_CASE("query: the first fetch loads, the second is a hit", "[query]") {
  ReadFixture f;
  const Result first = f.query(kSql, 7).tag(kA).fetch();
  CHECK(first.outcome().status == ReadStatus::miss);
  CHECK(first.outcome().stored == Stored::yes);
  f.loader.value = 2;
  const Result second = f.query(kSql, 7).tag(kA).fetch();
  CHECK(second.outcome().status == ReadStatus::hit);
  CHECK(value_of(second) == 1);
  CHECK(second.set().encoded().data() == first.set().encoded().data());
  CHECK(f.loader.loads == 1);
  CHECK(f.loader.last_sql == kSql);
}

TEST_CASE("query: other parameters, texts, scopes and types are other keys", "[query]") {
  ReadFixture f;
  (void)f.query(kSql, 7).fetch();
  CHECK_FALSE(f.query(kSql, 8).fetch().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, "7").fetch().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, 7.0).fetch().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, nullptr).fetch().outcome().is_hit());
  CHECK_FALSE(f.query("select n from numbers where id =  ?", 7).fetch().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, 7).scope("tenant-2").fetch().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, 7).fetch_as<std::int64_t>().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, 7).fetch_as<int>().outcome().is_hit());
  CHECK(f.query(kSql, 7).fetch().outcome().is_hit());
}

TEST_CASE("query: one that has a name is built step by step", "[query]") {
  ReadFixture f;
  Query query = f.query(kSql, 7);
  query = std::move(query).scope("tenant-1");
  query = std::move(query).tag(kA).ttl(1min);
  query.tag(kB);
  (void)query.fetch();
  CHECK(query.fetch().outcome().is_hit());
  CHECK(f.query(kSql, 7).scope("tenant-1").fetch().outcome().is_hit());
  f.invalidate(kA);
  CHECK_FALSE(query.fetch().outcome().is_hit());
  f.invalidate(kB);
  CHECK_FALSE(query.fetch().outcome().is_hit());
  query = f.query(kSql, 8);
  CHECK_FALSE(query.fetch().outcome().is_hit());
}

TEST_CASE("query: the loader gets the parameters that were given", "[query]") {
  ReadFixture f;
  std::vector<ValueType> types;
  f.loader.on_load = [&](std::span<const ParameterView> parameters) {
    for (const ParameterView& parameter : parameters) types.push_back(parameter.type());
    CHECK(parameters[1].as_view() == "tea");
    return LoadedRows{number(1), std::nullopt, Stored::yes};
  };
  (void)f.query("select ?, ?, ?, ?", 7, std::string("tea"), nullptr, 1.5).fetch();
  CHECK(types == std::vector<ValueType>{ValueType::int64, ValueType::text, ValueType::null,
                                        ValueType::float64});
}

TEST_CASE("query: an invalidation of any of its tags, of its key, or a flush makes it load anew",
          "[query]") {
  ReadFixture f;
  const auto fetch = [&] { return f.query(kSql, 7).tag(kA).tag(kB).fetch(); };
  (void)fetch();
  for (const Target& target : {kA, kB, f.query(kSql, 7).key(), flush_all()}) {
    CAPTURE(target.text());
    REQUIRE(fetch().outcome().is_hit());
    f.invalidate(target);
    CHECK(fetch().outcome().status == ReadStatus::miss);
  }
  f.invalidate(tag("c"));
  f.invalidate(f.query(kSql, 8).key());
  CHECK(fetch().outcome().is_hit());
}

TEST_CASE("query: its key intent hits every form in which it is stored", "[query]") {
  ReadFixture f;
  (void)f.query(kSql, 7).fetch();
  (void)f.query(kSql, 7).fetch_as<int>();
  f.invalidate(f.query(kSql, 7).key());
  CHECK_FALSE(f.query(kSql, 7).fetch().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, 7).fetch_as<int>().outcome().is_hit());
}

TEST_CASE("query: a result expires by its time to live", "[query]") {
  ReadFixture f;
  (void)f.query(kSql, 7).ttl(10s).fetch();
  f.clock.advance(9'999ms);
  CHECK(f.query(kSql, 7).ttl(10s).fetch().outcome().age - 9'999ms < 5us);  // times are coarse
  f.clock.advance(1ms);
  CHECK_FALSE(f.query(kSql, 7).ttl(10s).fetch().outcome().is_hit());
  CHECK(f.cache.stats().expired == 1);
}

TEST_CASE("query: a call site with a shorter time to live gets what it asked for", "[query]") {
  ReadFixture f;
  (void)f.query(kSql, 7).ttl(1h).fetch();
  f.clock.advance(20s);
  CHECK(f.query(kSql, 7).ttl(1h).fetch().outcome().is_hit());
  CHECK_FALSE(f.query(kSql, 7).ttl(10s).fetch().outcome().is_hit());
  f.clock.advance(11s);
  CHECK_FALSE(f.query(kSql, 7).ttl(1h).fetch().outcome().is_hit());
}

TEST_CASE("query: a time to live below a second is not taken for none", "[query]") {
  ReadFixture f;
  (void)f.query(kSql, 7).ttl(1ms).fetch();
  CHECK(f.query(kSql, 7).ttl(1ms).fetch().outcome().is_hit());
  f.clock.advance(1ms);
  CHECK_FALSE(f.query(kSql, 7).ttl(1ms).fetch().outcome().is_hit());
  (void)f.query(kSql, 8).ttl(std::chrono::nanoseconds::max()).fetch();
  f.clock.advance(std::chrono::hours(24 * 365));
  CHECK(f.query(kSql, 8).ttl(std::chrono::nanoseconds::max()).fetch().outcome().is_hit());
}

TEST_CASE("query: an uncached one reads the database and keeps nothing", "[query]") {
  ReadFixture f;
  (void)f.query(kSql, 7).fetch();
  f.loader.value = 2;
  const Result result = f.query(kSql, 7).uncached().fetch();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome().status == ReadStatus::bypass);
  CHECK(result.outcome().stored == Stored::disabled);
  CHECK(value_of(f.query(kSql, 7).fetch()) == 1);
}

TEST_CASE("query: rows become objects by their columns or by a mapper", "[query]") {
  struct Number {
    std::int64_t n;
  };
  ReadFixture f;
  const Rows<Number> objects = f.query(kSql, 7).fetch_as<Number>();
  CHECK(objects->n == 1);
  CHECK(objects.front().n == 1);
  CHECK(objects.size() == 1);
  CHECK_THROWS_AS(objects[1], TypeError);
  const auto doubled = [](const Row& row) { return row["n"].as<int>() * 2; };
  CHECK(first(f.query(kSql, 7).fetch_as<int>(doubled)) == 2);
  CHECK_THROWS_AS(f.query(kSql, 7).fetch_as<std::string>(), TypeError);
  CHECK(f.cache.stats().load_failures == 1);
}

TEST_CASE("query: truth values are rows like any other", "[query]") {
  ReadFixture f;
  const Rows<bool> yes = f.query(kSql, 7).fetch_as<bool>();
  CHECK(yes[0]);
  CHECK(yes.front());
  f.loader.value = 0;
  CHECK_FALSE(first(f.query(kSql, 8).fetch_as<bool>()));
}

TEST_CASE("query: an empty result is a result, and cached", "[query]") {
  ReadFixture f;
  f.loader.on_load = [](std::span<const ParameterView>) {
    ResultSetBuilder builder;
    builder.add_column("n");
    return LoadedRows{std::move(builder).build(), std::nullopt, Stored::yes};
  };
  CHECK(f.query(kSql, 7).tag(kA).fetch().empty());
  CHECK(f.query(kSql, 7).tag(kA).fetch().outcome().is_hit());
  const Rows<int> rows = f.query(kSql, 7).fetch_as<int>();
  CHECK_THROWS_AS(rows.front(), TypeError);
  f.invalidate(kA);  // the insert that ends "not found"
  CHECK_FALSE(f.query(kSql, 7).tag(kA).fetch().outcome().is_hit());
}

TEST_CASE("query: a loader's exception reaches the caller and is not cached", "[query]") {
  ReadFixture f;
  f.loader.on_load = [](std::span<const ParameterView>) -> LoadedRows {
    throw std::runtime_error("no such table");
  };
  CHECK_THROWS_WITH(f.query(kSql, 7).fetch(), "no such table");
  f.loader.on_load = {};
  CHECK(f.query(kSql, 7).fetch().outcome().status == ReadStatus::miss);
  CHECK(f.cache.stats().load_failures == 1);
}

TEST_CASE("query: an isolated loader neither looks in memory nor joins", "[query]") {
  ReadFixture f;
  (void)f.query(kSql, 7).fetch();
  f.loader.alone = true;
  f.loader.value = 2;
  CHECK(value_of(f.query(kSql, 7).fetch()) == 2);
  CHECK(f.loader.loads == 2);
}

TEST_CASE("query: a result outlives the query, the eviction and an invalidation", "[query]") {
  ReadFixture f;
  const Result result = f.query(kSql, 7).tag(kA).fetch();
  f.invalidate(kA);
  CHECK(f.cache.purge() == 1);
  CHECK(value_of(result) == 1);
  int rows = 0;
  for (const Row row : result) rows += row["n"].as<int>();
  CHECK(rows == 1);
}
