#include <catch2/catch.hpp>

#include "support/errors.hpp"
#include "unit/read_fixture.hpp"

// One row, one value, and what may be taken from a result that has no name.

namespace {

using namespace querymark;
using Catch::Matchers::Contains;
using test::ReadFixture;

struct Number {
  std::int64_t n;
};

enum class Level : std::uint8_t { low = 1, high = 2 };

template <class Handle>
constexpr bool kIterable = requires(Handle&& handle) { std::forward<Handle>(handle).begin(); };
template <class Handle>
constexpr bool kPoints = requires(Handle&& handle) { std::forward<Handle>(handle).operator->(); };

// Lets the loader answer with the numbers 1 to `count`.
void answer(ReadFixture& f, int count) {
  f.loader.on_load = [count](auto) {
    ResultSetBuilder builder;
    builder.add_column("n", "INTEGER");
    for (int i = 1; i <= count; ++i) builder.add(ParameterView::int64(i));
    return LoadedRows{std::move(builder).build(), std::nullopt, Stored::yes};
  };
}

const std::string kLong = "select n from numbers where " + std::string(200, 'x');

}  // namespace

TEST_CASE("fetch: one row is one row, and an error says how many came", "[fetch]") {
  ReadFixture f;
  CHECK(f.query("select n").fetch_one<Number>().n == 1);
  CHECK(f.query("select n").fetch_value<int>() == 1);
  CHECK(f.query("select n").fetch_optional<int>() == 1);
  const auto prepared = f.prepare<Number>("select n from t");
  CHECK(prepared.fetch_one().n == 1);
  CHECK(prepared.fetch_optional()->n == 1);
  CHECK(f.prepare<int>("select n from u").fetch_value() == 1);

  answer(f, 0);
  CHECK_FALSE(f.query("select 0").fetch_optional<int>().has_value());
  CHECK_THROWS_WITH(f.query("select 0").fetch_value<int>(),
                    "one row was expected, and none came: select 0");
  CHECK_THROWS_AS(f.prepare<Number>("select 0").fetch_one(), TypeError);
  CHECK_FALSE(f.prepare<Number>("select 0").fetch_optional().has_value());

  answer(f, 3);
  CHECK_THROWS_WITH(f.query("select 3").fetch_one<int>(),
                    "one row was expected, and 3 came: select 3");
  CHECK_THROWS_WITH(f.query(kLong).fetch_optional<int>(),
                    "at most one row was expected, and 3 came: " + kLong.substr(0, 100) + "...");
}

TEST_CASE("fetch: what is refused for its rows was a read like any other", "[fetch]") {
  ReadFixture f;
  answer(f, 2);
  CHECK_THROWS_AS(f.query("select n").fetch_one<int>(), TypeError);
  CHECK(f.query("select n").fetch_as<int>().outcome().is_hit());
}

TEST_CASE("fetch: what is taken from a temporary outlives it", "[fetch]") {
  ReadFixture f;
  f.loader.on_load = [](auto) {
    ResultSetBuilder builder;
    builder.add_column("name", "TEXT");
    builder.add(ParameterView::text(std::string(100, 'a')));
    return LoadedRows{std::move(builder).build(), std::nullopt, Stored::yes};
  };
  const auto fetch = [&] { return f.query("select name").uncached().fetch(); };  // the only owner
  const std::string expected(100, 'a');
  CHECK(fetch()[0]["name"].as<std::string>() == expected);
  CHECK(fetch()[0][0].as<std::string>() == expected);
  CHECK_FALSE(fetch()[0][0].is_null());
  const auto row = fetch()[0];
  CHECK(row["name"].as<std::string>() == expected);
  const auto cell = fetch()[0][0];
  CHECK(cell.as<std::string>() == expected);
  std::size_t seen = 0;
  for (const Row each : fetch()) seen += each[0].view().size();
  for (const Row each : fetch().set()) seen += each[0].view().size();
  CHECK(seen == 200);
  CHECK_THROWS_AS(fetch()[1], TypeError);
  CHECK_THROWS_AS(fetch()[0][1], TypeError);
  CHECK_THROWS_AS(fetch()[0]["price"], TypeError);

  const auto objects = [&] { return f.query("select name").uncached().fetch_as<std::string>(); };
  const auto& first = objects().front();  // a copy, whose life the reference prolongs
  CHECK(first == expected);
  CHECK(objects()[0] == expected);
  CHECK(objects().one() == expected);
  const auto named = [&] {
    return get_or_load<std::string>(f.source, "name", {.cached = false}, [&] { return expected; });
  };
  CHECK(*named() == expected);
  STATIC_REQUIRE(kIterable<Rows<Number>&>);
  STATIC_REQUIRE_FALSE(kIterable<Rows<Number>>);
  STATIC_REQUIRE_FALSE(kIterable<Result>);
  STATIC_REQUIRE_FALSE(kPoints<Rows<Number>>);
}

TEST_CASE("fetch: parameters may come as a list of their own", "[fetch]") {
  ReadFixture f;
  std::vector<std::int64_t> seen;
  f.loader.on_load = [&](std::span<const ParameterView> parameters) {
    seen.clear();
    for (const ParameterView parameter : parameters) seen.push_back(parameter.as_int64());
    return LoadedRows{test::number(1), std::nullopt, Stored::yes};
  };
  Parameters filters(1);
  filters.add(2);
  (void)f.query("select n where ?", filters, 3).fetch();
  CHECK(seen == std::vector<std::int64_t>{1, 2, 3});
  CHECK(f.query("select n where ?", 1, 2, 3).fetch().outcome().is_hit());
  std::vector<std::size_t> sizes;
  const auto prepared = f.prepare<int>("select n where ?").tag([](const Parameters& parameters) {
    return tag("of", parameters.size());
  });
  (void)prepared(filters);
  CHECK(seen == std::vector<std::int64_t>{1, 2});
  CHECK(prepared(filters).outcome().is_hit());
  CHECK(prepared.key(filters) == f.query("select n where ?", 1, 2).key());
  f.invalidate(tag("of", 2));
  CHECK_FALSE(prepared(filters).outcome().is_hit());
}

TEST_CASE("fetch: enumerations and times are cells", "[fetch]") {
  using namespace std::chrono;
  struct Event {
    Level level;
    std::optional<Level> former;
    sys_seconds at;
    sys_days on;
    year_month_day also;
    milliseconds took;
    sys_time<microseconds> unix;
  };
  ReadFixture f;
  const auto answer_with = [&](std::int64_t level, std::string_view at, std::string_view on) {
    f.loader.on_load = [=](auto) {
      ResultSetBuilder builder;
      for (const char* name : {"level", "former", "at", "on", "also", "took", "unix"})
        builder.add_column(name);
      builder.add(ParameterView::int64(level));
      builder.add(ParameterView());
      builder.add(ParameterView::text(at));
      builder.add(ParameterView::text(on));
      builder.add(ParameterView::text(on));
      builder.add(ParameterView::int64(1500));
      builder.add(ParameterView::int64(1'000'000));
      return LoadedRows{std::move(builder).build(), std::nullopt, Stored::yes};
    };
  };
  const sys_days day{2026y / November / 26};
  answer_with(2, "2026-11-26 03:04:05.999+01", "2026-11-26");
  const auto event = f.query("select 1").fetch_one<Event>();
  CHECK(event.level == Level::high);
  CHECK_FALSE(event.former.has_value());
  CHECK(event.at == sys_seconds(day + 2h + 4min + 5s));  // cut
  CHECK(event.on == day);
  CHECK(event.also == 2026y / November / 26);
  CHECK(event.took == 1500ms);
  CHECK(event.unix == sys_seconds(1'000'000s));
  const auto fails = [&](const char* message) {
    CHECK_THROWS_WITH(f.query("select 1").uncached().fetch_one<Event>(), Contains(message));
  };
  answer_with(300, "2026-11-26", "2026-11-26");
  fails("level");
  answer_with(2, "infinity", "2026-11-26");
  fails("point in time");
}

// NOLINTBEGIN(bugprone-use-after-move): it is what is tested.
TEST_CASE("fetch: what was moved from has no rows", "[fetch]") {
  ReadFixture f;
  Result from = f.query(kLong, 1).fetch();
  const Result to = std::move(from);
  CHECK(to.size() == 1);
  CHECK(from.empty());
  CHECK(from.begin() == from.end());
  CHECK(from.set().columns() == 0);
  CHECK_THROWS_AS(from[0], TypeError);
  Rows<Number> objects = f.query(kLong, 1).fetch_as<Number>();
  CHECK(Rows<Number>(std::move(objects)).size() == 1);
  CHECK(objects.empty());
  CHECK(objects.begin() == objects.end());
  CHECK_THROWS_AS(objects[0], TypeError);
  CHECK_THROWS_WITH(objects.one(), Contains("moved"));
  CHECK_FALSE(objects.optional());
  objects = f.query(kLong, 1).fetch_as<Number>();
  CHECK(objects->n == 1);
}

TEST_CASE("fetch: a query that was moved from says that it has no text", "[fetch]") {
  ReadFixture f;
  Query from = f.query(kLong, 1);
  const Query to = std::move(from);
  CHECK(to.fetch().size() == 1);
  CHECK_THROWS_WITH(from.fetch(), Contains("moved from"));
  CHECK_THROWS_AS(from.fetch_as<Number>(), ConfigError);
}
// NOLINTEND(bugprone-use-after-move)
