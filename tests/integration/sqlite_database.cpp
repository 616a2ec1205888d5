#include "querymark/sqlite/database.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE("sqlite: every type of parameter and cell goes round", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  const std::string text("a\0b", 3);
  const Result row = process.db
                         .query("select ?, ?, ?, ?, ?, ?", nullptr, true, std::int64_t{-5}, 2.5,
                                text, Bytes{std::string("\0\xff", 2)})
                         .fetch();
  CHECK(row[0][0].is_null());
  CHECK(row[0][1].as<bool>());
  CHECK(row[0][2].as<int>() == -5);
  CHECK(row[0][3].as<double>() == 2.5);
  CHECK(row[0][4].as<std::string>() == text);
  CHECK(row[0][5].as<Bytes>().data == std::string("\0\xff", 2));
  const Result empty = process.db.query("select ?", Bytes{}).fetch();
  CHECK(empty[0][0].type() == ValueType::bytes);
  const ParameterView array = ParameterView::array(ValueType::int64, "{1}");
  CHECK_THROWS_WITH(process.db.query("select ?", array).fetch(), Contains("pass a std::vector"));
}

TEST_CASE("sqlite: bad SQL and bad parameters get a clear error", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  sqlite::Database& db = process.db;
  const auto said = [&](const std::string& sql, auto... args) {
    return message_of([&] { static_cast<void>(db.query(sql, args...).fetch()); });
  };
  CHECK_THAT(said("selec 1"), Contains("bad SQL"));
  CHECK_THAT(said(""), Contains("holds no statement"));
  CHECK_THAT(said("select 1; delete from product"), Contains("more than one statement"));
  CHECK_THAT(said("select ?"), Contains("has 1 parameter, 0 were given"));
  CHECK_THAT(said("select 1", 5), Contains("has 0 parameters, 1 was given"));
  CHECK_THAT(said("delete from product"), Contains("must only read"));
  CHECK_THAT(said("insert into product values (9, 'x', 1, null) returning id"),
             Contains("must only read"));
  CHECK_THAT(said("attach '/tmp/other.db' as other"), Contains("ATTACH is refused"));
  CHECK(shop.number("select count(*) from product") == 3);
  CHECK(said("select 1; -- and a comment\n /* another */ ;") == "nothing was thrown");
  CHECK_THROWS_AS(db.query("select name from product where id = 1").fetch_as<std::int64_t>(),
                  TypeError);
  CHECK_THROWS_AS(db.query("select 1, 2").fetch_as<std::int64_t>(), TypeError);
}

TEST_CASE("sqlite: write() inside write() is refused instead of waiting for itself", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  CHECK_THAT(message_of([&] {
               process.db.write([&](sqlite::Transaction&) { process.set_price(1, 1.0); });
             }),
             Contains("write() inside write()"));
}

TEST_CASE("sqlite: a database locked by another writer is a retryable error after busy_timeout",
          "[sqlite]") {
  const Shop shop;
  sqlite::Options options = Process::quick();
  options.busy_timeout = 20ms;
  Process process(shop, options);
  SQLite::Database other(shop.path(), SQLite::OPEN_READWRITE);
  other.exec("begin immediate");
  try {
    process.set_price(1, 1.0);
    FAIL("the write went through a held lock");
  } catch (const Error& failure) {
    CHECK(failure.retryable());
    CHECK(failure.native_code() == "SQLITE_BUSY");
  }
  CHECK(only(process.price(1)) == 2.5);  // reads go on
  other.exec("rollback");
  process.set_price(1, 1.0);
  CHECK(only(process.price(1)) == 1.0);
}

TEST_CASE("sqlite: a COMMIT that answers BUSY is still open, not in doubt (hard case 27)",
          "[sqlite]") {
  const Shop shop;
  shop.execute("pragma journal_mode = delete");
  sqlite::Options options = Process::quick();
  options.write_ahead_log = false;
  options.busy_timeout = 50ms;
  Process process(shop, options);
  REQUIRE(shop.number("select count(*) from product") == 3);
  SQLite::Database reader(shop.path(), SQLite::OPEN_READONLY);
  auto hold = std::make_unique<SQLite::Statement>(reader, "select * from product");
  hold->executeStep();  // a SHARED lock: COMMIT can't get its EXCLUSIVE one
  try {
    process.set_price(1, 1.0);
    FAIL("the commit went through a held SHARED lock");
  } catch (const CommitInDoubt&) {
    FAIL("a busy COMMIT was taken for one in doubt");
  } catch (const Error& failure) {
    CHECK(failure.retryable());
  }
  hold.reset();
  CHECK(shop.number("select count(*) from querymark_log") == 0);
  process.set_price(1, 1.5);
  CHECK(only(process.price(1)) == 1.5);
}

TEST_CASE("sqlite: opening says which command mends the schema", "[sqlite]") {
  TempDir dir;
  Cache cache;
  const std::string bare = dir.file("bare.db");
  SQLite::Database(bare, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("create table t (x)");
  CHECK_THAT(message_of([&] { sqlite::Database(bare, cache); }),
             Contains("no querymark schema") && Contains("querymark migrate --db sqlite:" + bare));
  try {
    sqlite::Database(dir.file("missing.db"), cache);
    FAIL("a missing file was opened");
  } catch (const Error& failure) {
    CHECK(failure.connection_lost());
  }
  CHECK_THROWS_AS(sqlite::Database("mysql://root:secret@host/db", cache), ConfigError);
  CHECK_THAT(message_of([&] { sqlite::Database("mysql://root:secret@host/db", cache); }),
             !Contains("secret"));
  CHECK_THROWS_AS(sqlite::Database(":memory:", cache), ConfigError);
  sqlite::Options endless = Process::quick();
  endless.namespace_name = std::string(201, 'x');
  const Shop migrated;
  CHECK_THROWS_AS(sqlite::Database(migrated.path(), cache, endless), ConfigError);
  const std::string text = dir.file("text.db");
  std::ofstream(text) << "this is no database, but it is longer than a header, which counts";
  CHECK_THAT(message_of([&] { sqlite::Database(text, cache); }), Contains("no SQLite database"));
}
