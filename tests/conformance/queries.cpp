// What a query may be given and how its rows may be asked for, on every database.

#include <catch2/catch.hpp>
#include <limits>
#include <vector>

#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using std::vector;

namespace {

enum class Rank : std::int16_t { low = -3, high = 30'000 };

// `id is one of the list`, as each database says it.
template <class World>
std::string in_list(const std::string& column) {
  return kIsSqlite<World> ? column + " in (select value from json_each(?))" : column + " = any($1)";
}
// The n-th parameter.
template <class World>
std::string parameter(std::size_t n) {
  return kIsSqlite<World> ? "?" : "$" + std::to_string(n);
}

template <class Process, class... Args>
vector<std::string> names(Process& process, const std::string& where, const Args&... args) {
  const Rows<std::string> rows =
      process.db.query("select name from product where " + where + " order by id", args...)
          .tag(collection("product"))
          .template fetch_as<std::string>();
  return {rows.begin(), rows.end()};
}

using Names = vector<std::string>;

}  // namespace

TEMPLATE_TEST_CASE("queries: a list is one parameter", "[queries]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const std::string ids = in_list<TestType>("id");
  const std::string by_name = in_list<TestType>("name");
  CHECK(names(process, ids, vector<std::int64_t>{3, 1}) == Names{"tea", "pot"});
  CHECK(names(process, ids, vector<std::int64_t>{3, 1}) == Names{"tea", "pot"});
  CHECK(process.cache.stats().hits == 1);
  CHECK(names(process, ids, vector<int>{}).empty());
  CHECK(names(process, ids, vector<std::optional<int>>{std::nullopt, 2}) == Names{"cup"});
  CHECK(names(process, ids, std::array{2}) == Names{"cup"});
  CHECK(names(process, by_name, Names{"cup", "none"}) == Names{"cup"});
  CHECK(names(process, by_name, Names{"it's \"a\\b\"", "\x01\n\t", "{tea}", "tea,cup"}).empty());
  CHECK(names(process, in_list<TestType>("price"), vector<double>{2.5, 30}) == Names{"tea", "pot"});
  const auto prepared = process.db.template prepare<std::string>("select name from product where " +
                                                                 ids + " order by id");
  CHECK(prepared.fetch_value(vector<int>{2}) == "cup");
  CHECK(prepared(vector<int>{2}).outcome().is_hit());
  const auto changed = process.db.write([&](auto& tx) {
    tx.invalidate(collection("product"));
    return tx.execute("update product set price = 1 where " + ids, vector<int>{1, 2});
  });
  CHECK(changed.value == 2);
}

TEMPLATE_TEST_CASE("queries: what a list holds comes back as it was", "[queries]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto same = [&]<class T>(const vector<T>& values, const std::string& type) {
    const std::string sql = kIsSqlite<TestType> ? "select value from json_each(?) order by key"
                                                : "select unnest($1::" + type + "[])";
    const Rows<T> rows = process.db.query(sql, values).template fetch_as<T>();
    return vector<T>(rows.begin(), rows.end()) == values;
  };
  using Limits = std::numeric_limits<std::int64_t>;
  CHECK(same(vector<std::int64_t>{0, -1, Limits::max(), Limits::min()}, "bigint"));
  CHECK(same(
      vector<double>{0.1, 1, -2.5e-300, 1e300, 1.0 / 3, std::numeric_limits<double>::infinity()},
      "float8"));
  CHECK(same(Names{"", "a", "NULL", "null", "{", "\"", "\\", "it's", "\x01\x1f\n", "\xc3\xa4",
                   "\xf0\x9f\x8d\xb5"},
             "text"));
  CHECK(same(vector<std::optional<std::string>>{std::nullopt, "", "x"}, "text"));
  CHECK(same(vector<bool>{true, false}, "boolean"));
  CHECK(same(vector<Rank>{Rank::low, Rank::high}, "smallint"));
}

TEMPLATE_TEST_CASE("queries: optional filters need no tricks", "[queries]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto search = [&](std::optional<std::string> name, std::optional<double> dearest) {
    std::string where = "id > " + parameter<TestType>(1);
    Parameters values(0);
    if (name) {
      where += " and name = " + parameter<TestType>(values.size() + 1);
      values.add(*name);
    }
    if (dearest) {
      where += " and price <= " + parameter<TestType>(values.size() + 1);
      values.add(*dearest);
    }
    return names(process, where, values);
  };
  CHECK(search({}, {}) == Names{"tea", "cup", "pot"});
  CHECK(search("cup", {}) == Names{"cup"});
  CHECK(search({}, 5.0) == Names{"tea"});
  CHECK(search("tea", 5.0) == Names{"tea"});
  CHECK(search("tea", 5.0) == Names{"tea"});
  CHECK(process.cache.stats().hits == 1);
  process.db.write([&](auto& tx) {
    CHECK(tx.execute("delete from product where id = " + parameter<TestType>(1), Parameters(3)) ==
          1);
    tx.invalidate(collection("product"));
  });
  CHECK(search({}, {}) == Names{"tea", "cup"});
}

TEMPLATE_TEST_CASE("queries: a wrong number of parameters is told", "[queries]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  CHECK_THROWS_AS(names(process, "id = " + parameter<TestType>(1), Parameters()), Error);
  CHECK_THROWS_AS(names(process, "id = " + parameter<TestType>(1), Parameters(1, 2)), Error);
}

TEMPLATE_TEST_CASE("queries: one row, one value, or none", "[queries]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  auto& db = process.db;
  CHECK(db.query("select count(*) from product").template fetch_value<int>() == 3);
  CHECK(db.query("select name from product where id = 1").template fetch_one<std::string>() ==
        "tea");
  CHECK_FALSE(db.query("select name from product where id = 9")
                  .template fetch_optional<std::string>()
                  .has_value());
  CHECK_THROWS_WITH(db.query("select name from product").template fetch_one<std::string>(),
                    "one row was expected, and 3 came: select name from product");
  CHECK(db.query("select name from product where id = 2")
            .fetch()[0]["name"]
            .template as<std::string>() == "cup");
}

TEMPLATE_TEST_CASE("queries: enumerations and times go to the database and come back", "[queries]",
                   QUERYMARK_WORLDS) {
  using namespace std::chrono;
  const TestType world;
  typename TestType::Process process(world.shop);
  auto& db = process.db;
  const std::string first = parameter<TestType>(1);
  const auto cast = [&](const std::string& type) {
    return kIsSqlite<TestType> ? "select " + first : "select " + first + "::" + type;
  };
  const auto back = [&]<class T>(const std::string& type, const T& value) {
    return db.query(cast(type), value).template fetch_value<T>();
  };
  const sys_days day{2026y / November / 26};
  const sys_seconds at = day + 3h + 4min + 5s;
  CHECK(back("smallint", Rank::high) == Rank::high);
  CHECK(back("bigint", 90s) == 90s);
  CHECK(back("date", day) == day);
  CHECK(back("date", year_month_day(day)) == year_month_day(day));
  for (const std::string type : {"timestamptz", "timestamp"}) {
    CAPTURE(type);
    CHECK(back(type, at) == at);
    CHECK(back(type, at + 120ms) == at + 120ms);
    CHECK(back(type, sys_time<microseconds>(at + 1us)) == at + 1us);
    CHECK(back(type, sys_seconds(-1s)) == sys_seconds(-1s));
  }
}

TEMPLATE_TEST_CASE("queries: a time is comparable with what the database calls now", "[queries]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const std::string now = kIsSqlite<TestType> ? "datetime('now')" : "now()";
  const std::string before = parameter<TestType>(1) + " < " + now;
  const auto wall = std::chrono::system_clock::now();
  const auto ask = [&](std::chrono::system_clock::time_point time) {
    return process.db.query("select " + before, time).uncached().template fetch_value<bool>();
  };
  CHECK(ask(wall - 1h));
  CHECK_FALSE(ask(wall + 1h));
}

TEMPLATE_TEST_CASE("queries: tags made from rows reach every process, also past a shared tier",
                   "[queries]", QUERYMARK_TIER_WORLDS) {
  const TestType world;
  typename TestType::Process reader(world.shop);
  reader.db.attach(world.tier());
  const auto cheap = [](auto& process) {
    return process.db.query("select id, name from product where price < 5 order by id")
        .tag_rows([](const Row& row) { return entity("product", row["id"].as<std::int64_t>()); })
        .fetch();
  };
  CHECK(cheap(reader).size() == 1);
  CHECK(cheap(reader).outcome().is_hit());
  typename TestType::Process writer(world.shop);
  const auto rename = [&](int id, const std::string& name) {
    return writer.db
        .write([&](auto& tx) {
          tx.execute("update product set name = " + parameter<TestType>(1) +
                         " where id = " + parameter<TestType>(2),
                     name, id);
          tx.invalidate(entity("product", id));
        })
        .receipt;
  };
  const auto seen = [&](typename TestType::Process& process, const Receipt& receipt) {
    return process.db.wait(receipt, Wait::local(10s)).satisfied();
  };
  REQUIRE(seen(reader, rename(2, "mug")));  // no row of the result
  CHECK(cheap(reader).outcome().is_hit());
  REQUIRE(seen(reader, rename(1, "chai")));
  CHECK(cheap(reader)[0]["name"].template as<std::string>() == "chai");
  rename(1, "mate");
  typename TestType::Process newcomer(world.shop);
  newcomer.db.attach(world.tier());
  CHECK(cheap(newcomer)[0]["name"].template as<std::string>() == "mate");
}

TEMPLATE_TEST_CASE("queries: a prepared query is a member of a class", "[queries]",
                   QUERYMARK_WORLDS) {
  struct Prices {
    PreparedQuery<double, std::int64_t> of;
  };
  const TestType world;
  typename TestType::Process process(world.shop);
  const Prices prices{
      process.db.template prepare<double>(TestType::kPriceOf).tag([](std::int64_t id) {
        return entity("product", id);
      })};
  CHECK(prices.of.fetch_value(1) == 2.5);
  CHECK(prices.of(1).outcome().is_hit());
  process.db.write([](auto& tx) {
    tx.execute("update product set price = 3 where id = 1");
    tx.invalidate(entity_and_collection("product", 1));
  });
  CHECK(prices.of.fetch_value(1) == 3);
}

TEMPLATE_TEST_CASE("queries: where tags are required, a query without any is refused", "[queries]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  auto options = TestType::Process::quick();
  options.require_tags = true;
  typename TestType::Process process(world.shop, options);
  const std::string sql = "select name from product";
  CHECK_THROWS_AS(process.db.query(sql).fetch(), ConfigError);
  CHECK_THROWS_AS(process.db.prepare(sql)(), ConfigError);
  CHECK(process.db.query(sql).uncached().fetch().size() == 3);
  CHECK(process.db.query(sql).tag(collection("product")).fetch().size() == 3);
  CHECK_THROWS_AS(process.db.query(sql).fetch(), ConfigError);
  CHECK(process.cache.stats().untagged == 3);
}
