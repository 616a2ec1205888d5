// Statements of callers that a session keeps prepared: whatever becomes of the schema, each does what
// its text does.

#include <catch2/catch.hpp>

#include "callers_statements.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using postgres::CallersStatements;

namespace {

postgres::Options one_connection() {
  postgres::Options options = PgProcess::quick();
  options.connections = 1;
  return options;
}

struct Fixture {
  PgShop shop;
  PgProcess process{shop, one_connection()};

  Fixture() { shop.execute("create table item (id int primary key, value int, note text)"); }

  template <class... Args>
  void write(const std::string& sql, const Args&... args) {
    process.db.write([&](postgres::Transaction& tx) {
      tx.execute(sql, args...);
      tx.invalidate(collection("item"));
    });
  }
  // How many statements of callers the one session keeps prepared.
  [[nodiscard]] std::int64_t prepared() {
    return only(process.db
                    .query("select count(*) from pg_prepared_statements "
                           "where name like 'querymark_write_%'")
                    .uncached()
                    .template fetch_as<std::int64_t>());
  }
};

}  // namespace

TEST_CASE("callers' statements: what comes twice is prepared, and what was not lately is dropped",
          "[statements]") {
  CallersStatements statements;
  CHECK(statements.use("a").name.empty());
  const CallersStatements::Use second = statements.use("a");
  CHECK_FALSE(second.name.empty());
  CHECK_FALSE(second.already);
  CHECK_FALSE(statements.use("a").already);  // it could not be prepared
  statements.prepared("a");
  CHECK(statements.use("a").already);
  CHECK(statements.use("a").name == second.name);
  for (std::size_t i = 0; i < CallersStatements::kMost; ++i)
    static_cast<void>(statements.use(std::to_string(i)));
  CHECK(statements.take_dropped() == second.name);
  CHECK_FALSE(statements.take_dropped());
  CHECK(statements.use("a").name.empty());
  CHECK(statements.use("a").name != second.name);
}

TEST_CASE("callers' statements: long texts are not kept, forgotten ones are dropped",
          "[statements]") {
  CallersStatements statements;
  const std::string longest(CallersStatements::kLongest + 1, 'x');
  for (int i = 0; i < 3; ++i) CHECK(statements.use(longest).name.empty());
  static_cast<void>(statements.use("a"));
  const std::string name = statements.use("a").name;
  statements.forget("a");
  CHECK_FALSE(statements.take_dropped());  // it was never prepared
  static_cast<void>(statements.use("a"));
  static_cast<void>(statements.use("a"));
  statements.prepared("a");
  statements.forget("a");
  CHECK(statements.take_dropped());
  statements.forget("a");
}

TEST_CASE("postgres prepared: a write's first statement is, when it comes for the second time",
          "[statements]") {
  Fixture f;
  const std::string insert = "insert into item values ($1, $2)";
  f.write(insert, 1, 1);
  CHECK(f.prepared() == 0);
  for (int i = 2; i < 10; ++i) f.write(insert, i, i);
  CHECK(f.prepared() == 1);
  CHECK(f.shop.number("select sum(value) from item") == 45);
}

TEST_CASE("postgres prepared: a session keeps a bounded number", "[statements]") {
  Fixture f;
  constexpr int kTexts = 80;
  for (int i = 0; i < kTexts; ++i)
    for (int again = 0; again < 2; ++again) f.write("update item set value = " + std::to_string(i));
  f.write("update item set value = 0");
  CHECK(f.prepared() == static_cast<std::int64_t>(CallersStatements::kMost) - 1);
}

TEST_CASE("postgres prepared: one that the schema has left behind does what its text does",
          "[statements]") {
  Fixture f;
  std::string sql = "insert into item values ($1, $2) on conflict (id) do update set value = $2";
  for (int i = 0; i < 7; ++i) f.write(sql, i, i);
  SECTION("a column becomes wider") {
    f.shop.execute("alter table item alter value type bigint");
    f.write(sql, 1, std::int64_t{1} << 40);
    CHECK(f.shop.number("select max(value) from item") == std::int64_t{1} << 40);
  }
  SECTION("a column is of another kind") {
    f.shop.execute("alter table item alter value type text");
    f.write(sql, 1, "words");
    CHECK(f.shop.text("select value from item where id = 1") == "words");
  }
  SECTION("a column is of another kind, and what looks as before means something else") {
    f.shop.execute("alter table item alter value type text");
    f.write(sql, 1, "007");
    CHECK(f.shop.text("select value from item where id = 1") == "007");
  }
  SECTION("a column comes, the table is made anew") {
    f.shop.execute(
        "drop table item; create table item (id bigint primary key, value bigint, more int)");
    f.write(sql, 1, std::int64_t{1} << 40);
    CHECK(f.shop.number("select count(*) from item") == 1);
  }
  SECTION("the table is gone: the same error as ever") {
    f.shop.execute("drop table item");
    for (int i = 0; i < 2; ++i) CHECK_THROWS_WITH(f.write(sql, 1, 1), Contains("42P01"));
  }
  f.shop.execute("drop table if exists item; create table item (id int primary key, value int)");
  f.write(sql, 1, 7);
  CHECK(f.shop.number("select value from item") == 7);
}

TEST_CASE("postgres prepared: a result of other columns than before is returned, not refused",
          "[statements]") {
  Fixture f;
  const auto columns = [&] {
    return f.process.db
        .write([](postgres::Transaction& tx) { return tx.query("select * from item").columns(); })
        .value;
  };
  for (int i = 0; i < 3; ++i) CHECK(columns() == 3);
  f.shop.execute("alter table item add column later int");
  CHECK(columns() == 4);
}

TEST_CASE("postgres prepared: a statement that fails fails as its text does, and once",
          "[statements]") {
  Fixture f;
  const std::string insert = "insert into item values ($1, $2)";
  for (int i = 0; i < 3; ++i) f.write(insert, i, i);
  CHECK_THROWS_WITH(f.write(insert, 1, 1), Contains("23505") && Contains(insert));
  CHECK_THROWS_WITH(f.write(insert, "x", 1), Contains("22P02") && Contains(insert));
  f.write(insert, 9, 9);
  CHECK(f.shop.number("select count(*) from item") == 4);
  const std::string wrong = "insrt into item";
  for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(f.write(wrong), Contains("42601"));
}
