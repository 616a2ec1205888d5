// What a caller's connection may put into the cache: only what the library's own would have read.

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

Rows<double> price(sqlite::Borrowed& borrowed) {
  return borrowed.query("select price from product where id = ?", std::int64_t{1})
      .tag(entity("product", 1))
      .ttl(1h)
      .fetch_as<double>();
}

// Puts another file at the shop's path, in which the price is 40.
void replace(const Shop& shop) {
  const std::string copy = shop.file("copy.db");
  shop.execute("vacuum into '" + copy + "'");
  SQLite::Database(copy, SQLite::OPEN_READWRITE).exec("update product set price = 40");
  for (const char* more : {"-wal", "-shm"}) std::filesystem::remove(shop.path() + more);
  std::filesystem::rename(copy, shop.path());
}

}  // namespace

TEST_CASE("borrowed: a connection to a file that was replaced is refused (hard case 42)",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  CHECK(only(price(borrowed)) == 2.5);
  const Receipt before = process.set_price(2, 8.0);
  replace(shop);
  process.db.catch_up();
  CHECK_THROWS_AS(price(borrowed), ConfigError);
  CHECK(only(process.price(1)) == 40.0);
  CHECK_THROWS_AS(process.db.borrow(own), ConfigError);
  own.exec("begin immediate");
  CHECK_THROWS_AS(process.db.stage(own, IntentBatch().add(entity("product", 1))), ConfigError);
}

TEST_CASE(
    "borrowed: what was staged in a file that is replaced before committed() is not confirmed",
    "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  own.exec("begin immediate");
  auto staged = process.db.stage(own, IntentBatch().add(entity("product", 1)));
  own.exec("commit");
  replace(shop);
  CHECK_THROWS_AS(staged.committed(), Error);
  staged.rolled_back();
}

TEST_CASE("borrowed: temporary tables answer their owner and nobody else (hard case 42)",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  SECTION("before anything is kept") {
    own.exec("create temp table product as select 1 as id, 99.0 as price");
    const auto mine = price(borrowed);
    CHECK(mine[0] == 99.0);
    CHECK(mine.outcome().stored == Stored::uncacheable);
    CHECK(only(process.price(1)) == 2.5);
  }
  SECTION("when another value is kept already") {
    CHECK(only(process.price(1)) == 2.5);
    own.exec("create temp view product as select 1 as id, 99.0 as price");
    CHECK(only(price(borrowed)) == 99.0);
    CHECK(only(process.price(1)) == 2.5);
  }
  SECTION("in a transaction") {
    own.exec("create temp table product as select 1 as id, 99.0 as price; begin");
    CHECK(only(price(borrowed)) == 99.0);
    own.exec("commit");
    CHECK(only(process.price(1)) == 2.5);
  }
  const bool view =
      own.execAndGet("select type = 'view' from temp.sqlite_master where name = 'product'")
          .getInt();
  own.exec(view ? "drop view temp.product" : "drop table temp.product");
  CHECK(only(price(borrowed)) == 2.5);
  CHECK(price(borrowed).outcome().is_hit());
}

TEST_CASE("borrowed: a connection that takes the file as unchangeable fills nothing",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  shop.execute("pragma wal_checkpoint(truncate)");
  SQLite::Database own("file:" + shop.path() + "?immutable=1",
                       SQLite::OPEN_READONLY | SQLite::OPEN_URI);
  auto borrowed = process.db.borrow(own);
  CHECK(only(price(borrowed)) == 2.5);
  process.set_price(1, 7.5);
  const auto old = price(borrowed);
  CHECK(old.outcome().stored == Stored::uncacheable);
  CHECK(only(process.price(1)) == 7.5);
}

TEST_CASE("borrowed: settings and functions of a caller's connection fill nothing", "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  const auto kept = [&](const std::string& sql) {
    return borrowed.query(sql).fetch().outcome().stored;
  };
  CHECK(kept("select count(*) from product where name like 'TEA'") == Stored::yes);
  own.createFunction(
      "secret", 0, true, nullptr,
      [](sqlite3_context* context, int, sqlite3_value**) { sqlite3_result_int(context, 42); });
  CHECK(kept("select secret()") == Stored::uncacheable);
  CHECK(kept("select last_insert_rowid()") == Stored::uncacheable);
  CHECK(kept("explain query plan select * from product") == Stored::uncacheable);
  own.exec("pragma case_sensitive_like = on");
  CHECK(kept("select 1 from product where name like 'TEA'") == Stored::uncacheable);
  own.exec("pragma case_sensitive_like = off");
  CHECK(kept("select 2 from product where name like 'TEA'") == Stored::yes);
  // Columns would be called product.id, for everybody.
  own.exec("pragma full_column_names = on; pragma short_column_names = off");
  CHECK(kept("select id from product") == Stored::uncacheable);
  own.exec("pragma full_column_names = off");
  CHECK(kept("select id from product") == Stored::uncacheable);
  own.exec("pragma short_column_names = on");
  CHECK(kept("select id from product") == Stored::yes);
}

TEST_CASE("borrowed: SQL that would change the caller's connection is refused", "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  for (const char* sql : {"begin", ";begin", "/* */ savepoint a", "pragma query_only = on",
                          "delete from product", "attach ':memory:' as x", "-- x\ncommit", "end"}) {
    CAPTURE(sql);
    CHECK_THROWS_AS(borrowed.query(sql).fetch(), ConfigError);
    CHECK(sqlite3_get_autocommit(own.getHandle()) == 1);
  }
  CHECK_THAT(message_of([&] { static_cast<void>(borrowed.query("selec 1").fetch()); }),
             Contains("selec 1"));
  CHECK(only(price(borrowed)) == 2.5);
}

TEST_CASE("borrowed: a function that writes on the connection it runs on leaves nothing kept",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  // It goes by the name of one that the library's connections have, too.
  own.createFunction(
      "abs", 1, false, own.getHandle(), [](sqlite3_context* context, int, sqlite3_value** values) {
        sqlite3_exec(static_cast<sqlite3*>(sqlite3_user_data(context)),
                     "update product set price = 1 where id = 1", nullptr, nullptr, nullptr);
        sqlite3_result_value(context, values[0]);
      });
  auto borrowed = process.db.borrow(own);
  const auto found = borrowed.query("select abs(price) from product where id = 1").fetch();
  CHECK(found.outcome().stored == Stored::not_covered);
}
