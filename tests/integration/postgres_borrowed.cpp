// Reads on a caller's own connection that share the database's cache: only where a query gives there
// what it gives on the database's own sessions, and never past what the caller's transaction sees.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/transaction>
#include <thread>

#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* kPrice = "select price from product where id = $1";

template <class Road>
Rows<double> price(Road& road, std::int64_t id = 1) {
  return road.query(kPrice, id).tag(entity("product", id)).ttl(1h).template fetch_as<double>();
}

// A caller with a connection of its own.
struct Caller {
  explicit Caller(const PgShop& shop) : connection(shop.url()) {}
  void execute(const std::string& sql) { pqxx::nontransaction(connection).exec(sql); }

  pqxx::connection connection;
};

ReadStatus status(const Rows<double>& rows) { return rows.outcome().status; }

}  // namespace

TEST_CASE("postgres borrowed: what others have loaded is served, and what it loads serves others",
          "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  CHECK(status(price(process.db)) == ReadStatus::miss);
  CHECK(status(price(borrowed)) == ReadStatus::hit);
  CHECK(status(price(borrowed, 2)) == ReadStatus::miss);
  CHECK(status(price(process.db, 2)) == ReadStatus::hit);
  CHECK(borrowed.query(kPrice, std::int64_t{2}).key() ==
        process.db.query(kPrice, std::int64_t{2}).key());
}

TEST_CASE("postgres borrowed: a write invalidates what it is served", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  pqxx::nontransaction plain(caller.connection);
  auto borrowed = process.db.borrow(plain);
  CHECK(only(price(borrowed)) == 2.5);
  CHECK(status(price(borrowed)) == ReadStatus::hit);
  process.set_price(1, 4.0);
  CHECK(only(price(borrowed)) == 4.0);
  CHECK(status(price(borrowed)) == ReadStatus::hit);
}

TEST_CASE("postgres borrowed: a transaction that has written reads the database", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  CHECK(only(price(process.db)) == 2.5);
  {
    pqxx::work work(caller.connection);
    auto borrowed = process.db.borrow(work);
    CHECK(status(price(borrowed)) == ReadStatus::hit);
    work.exec("update product set price = 66 where id = 1");
    const auto inside = price(borrowed);
    CHECK(only(inside) == 66.0);
    CHECK(inside.outcome().stored == Stored::in_transaction);
  }
  CHECK(only(price(process.db)) == 2.5);
}

TEST_CASE("postgres borrowed: what a savepoint took back has been written all the same",
          "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  CHECK(only(price(process.db)) == 2.5);
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  work.exec("update product set price = 66 where id = 1");
  work.exec("savepoint here");
  CHECK(only(price(borrowed)) == 66.0);
  work.exec("rollback to savepoint here");
  CHECK(only(price(borrowed)) == 66.0);
}

TEST_CASE(
    "postgres borrowed: a transaction with one snapshot for all reads the database (hard case 101)",
    "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  const auto read = [&](auto& work) {
    auto borrowed = process.db.borrow(work);
    CHECK(only(price(borrowed)) == 2.5);  // the transaction's own view, before and after
    process.set_price(1, 7.0);
    CHECK(only(price(process.db)) == 7.0);
    const auto again = price(borrowed);
    CHECK(only(again) == 2.5);
    CHECK(again.outcome().stored == Stored::not_covered);
    CHECK(status(price(process.db)) == ReadStatus::hit);
  };
  SECTION("repeatable read") {
    pqxx::transaction<pqxx::isolation_level::repeatable_read> work(caller.connection);
    read(work);
  }
  SECTION("serializable") {
    pqxx::transaction<pqxx::isolation_level::serializable> work(caller.connection);
    read(work);
  }
  SECTION("by the session's default") {
    caller.execute("set default_transaction_isolation = 'repeatable read'");
    pqxx::work work(caller.connection);
    work.exec("set transaction isolation level repeatable read");
    read(work);
  }
}

TEST_CASE("postgres borrowed: a snapshot that is new enough fills for others", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  pqxx::transaction<pqxx::isolation_level::repeatable_read> work(caller.connection);
  auto borrowed = process.db.borrow(work);
  CHECK(price(borrowed).outcome().stored == Stored::yes);
  CHECK(status(price(process.db)) == ReadStatus::hit);
  CHECK(status(price(borrowed)) == ReadStatus::miss);
}

TEST_CASE("postgres borrowed: a session that is another one shares nothing", "[low road]") {
  const PgShop shop;
  shop.execute(
      "create schema special;"
      " create table special.product as select 1 as id, 99::float8 as price;"
      "create function mine() returns text language sql as "
      "$$ select current_setting('app.tenant', true) $$;"
      "do $$ begin create role guest; exception when duplicate_object then null; end $$;"
      "grant usage on schema querymark to guest; grant querymark_subscriber to guest;"
      "grant select on product to guest");
  PgProcess process(shop);
  Caller caller(shop);
  const std::string sql = GENERATE(
      "set search_path = special, public", "set time zone 'Asia/Tokyo'", "set datestyle = 'German'",
      "set extra_float_digits = -10", "set role guest", "set session authorization guest",
      "set app.tenant = '7'", "set client_encoding = 'LATIN1'", "set row_security = off",
      "set intervalstyle = 'iso_8601'");
  CAPTURE(sql);
  CHECK(only(price(process.db)) == 2.5);
  SECTION("before it is borrowed") {
    caller.execute(sql);
    pqxx::work work(caller.connection);
    auto borrowed = process.db.borrow(work);
    CHECK(status(price(borrowed)) == ReadStatus::miss);
    CHECK(status(price(borrowed)) == ReadStatus::miss);
  }
  SECTION("after it was borrowed") {
    pqxx::work work(caller.connection);
    auto borrowed = process.db.borrow(work);
    CHECK(status(price(borrowed)) == ReadStatus::hit);
    work.exec(sql);
    const auto changed = price(borrowed);
    CHECK(status(changed) == ReadStatus::miss);
    CHECK(changed.outcome().stored == Stored::uncacheable);
  }
  CHECK(only(price(process.db)) == 2.5);
  CHECK(status(price(process.db)) == ReadStatus::hit);
}

TEST_CASE("postgres borrowed: what changes no result keeps nobody apart", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  caller.execute(
      "set application_name = 'report'; set statement_timeout = '30s'; set lock_timeout = '1s'");
  CHECK(only(price(process.db)) == 2.5);
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  CHECK(status(price(borrowed)) == ReadStatus::hit);
}

TEST_CASE("postgres borrowed: beside a temporary table of its own it is served nothing",
          "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  CHECK(only(price(process.db)) == 2.5);
  pqxx::nontransaction plain(caller.connection);
  auto borrowed = process.db.borrow(plain);
  CHECK(status(price(borrowed)) == ReadStatus::hit);
  plain.exec("create temp table product as select 1::bigint as id, 50.0::float8 as price");
  CHECK(only(price(borrowed)) == 50.0);
  CHECK(only(price(process.db)) == 2.5);
}

TEST_CASE("postgres borrowed: settings that nobody can find keep a session apart", "[low road]") {
  const PgShop shop;
  shop.execute("create table item as select '7'::text as tenant");
  std::string sql = "select tenant from item";
  SECTION("in the query itself") { sql = "select current_setting('app.hidden', true) as tenant"; }
  SECTION("in the query, by a parameter's name") {
    sql = "select Current_Setting(n, true) as tenant from (values ('app.hidden')) t (n)";
  }
  SECTION("in a view") {
    shop.execute("create view mine as select current_setting('app.hidden', true) as tenant");
    sql = "select tenant from mine";
  }
  SECTION("by a computed name") {
    shop.execute(
        "create function mine() returns text stable language plpgsql as "
        "$$ begin return current_setting('app' || '.hidden', true); end $$");
    sql = "select mine() as tenant";
  }
  SECTION("in a body of SQL") {
    shop.execute(
        "create function mine() returns text stable begin atomic "
        "select current_setting('app.hidden', true); end");
    sql = "select mine() as tenant";
  }
  if (sql == "select tenant from item") return;  // the test's own frame
  CAPTURE(sql);
  PgProcess process(shop);
  Caller caller(shop);
  caller.execute("set app.hidden = 'secret'");
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  const auto read = [&](auto& road) {
    const auto rows = road.query(sql).ttl(1h).template fetch_as<std::optional<std::string>>();
    return rows[0].value_or("none");
  };
  CHECK(read(borrowed) == "secret");
  CHECK(read(process.db) != "secret");
  CHECK(read(borrowed) == "secret");
}

TEST_CASE("postgres borrowed: a scope sets its reads apart from others, and not from themselves",
          "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  CHECK(only(price(process.db)) == 2.5);
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work, "own");
  CHECK(status(price(borrowed)) == ReadStatus::miss);
  CHECK(status(price(borrowed)) == ReadStatus::hit);
  auto other = process.db.borrow(work, "other");
  CHECK(status(price(other)) == ReadStatus::miss);
}

TEST_CASE("postgres borrowed: a transaction that has failed is told so, not served", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  Caller caller(shop);
  CHECK(only(price(process.db)) == 2.5);
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  CHECK_THROWS_AS(borrowed.query("select 1 / $1::int", 0).uncached().fetch(), Error);
  CHECK_THROWS_AS(price(borrowed), Error);
}

TEST_CASE("postgres borrowed: the database's own pins are what is compared", "[low road]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.session.time_zone = "Asia/Tokyo";
  options.session.settings = {{"app.tenant", "7"}};
  PgProcess process(shop, options);
  CHECK(only(price(process.db)) == 2.5);
  Caller caller(shop);
  {
    pqxx::work work(caller.connection);
    auto borrowed = process.db.borrow(work);
    CHECK(status(price(borrowed)) == ReadStatus::miss);
  }
  caller.execute("set time zone 'Asia/Tokyo'; set app.tenant = '7'");
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  CHECK(status(price(borrowed)) == ReadStatus::hit);
}

namespace {

struct TrackedShop : PgShop {
  TrackedShop() { static_cast<void>(postgres::track(url(), {.tables = {"product"}})); }
};

postgres::Options automatic() {
  postgres::Options options = PgProcess::quick();
  options.tags = Tags::automatic;
  return options;
}

template <class Road>
Rows<double> automatic_price(Road& road, std::int64_t id = 1) {
  return road.query(kPrice, id).ttl(1h).template fetch_as<double>();
}

}  // namespace

TEST_CASE(
    "postgres borrowed: with automatic tags, too, it shares what the database's sessions keep",
    "[low road][automatic]") {
  const TrackedShop shop;
  PgProcess process(shop, automatic());
  Caller caller(shop);
  pqxx::nontransaction plain(caller.connection);
  auto borrowed = process.db.borrow(plain);
  CHECK(automatic_price(borrowed).outcome().stored == Stored::yes);
  CHECK(automatic_price(process.db).outcome().is_hit());
  CHECK(automatic_price(borrowed).outcome().is_hit());
  shop.execute("update product set price = 7 where id = 1");
  process.db.catch_up();
  CHECK(only(automatic_price(borrowed)) == 7.0);
}

TEST_CASE("postgres borrowed: of a session unlike the database's own nothing is kept by itself",
          "[low road][automatic]") {
  const TrackedShop shop;
  shop.execute(
      "create schema other; create table other.product (id int, price float8);"
      "insert into other.product values (1, 99)");
  PgProcess process(shop, automatic());
  Caller caller(shop);
  caller.execute("set search_path = other, public");
  pqxx::nontransaction plain(caller.connection);
  auto borrowed = process.db.borrow(plain);
  static_cast<void>(automatic_price(process.db));
  for (int i = 0; i < 2; ++i) {
    const auto rows = automatic_price(borrowed);
    CHECK(only(rows) == 99.0);
    CHECK(rows.outcome().stored == Stored::unproven);
  }
}

TEST_CASE("postgres borrowed: an analysis does not wait for whom the caller's transaction holds up",
          "[low road][automatic]") {
  const TrackedShop shop;
  PgProcess process(shop, automatic());
  Caller caller(shop);
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  CHECK(only(automatic_price(borrowed)) == 2.5);  // from here on it holds the table
  const std::string second = "select price + 0 from product where id = $1";
  std::thread waits([&] { shop.execute("alter table product add column more int"); });
  shop.await(
      "select exists (select from pg_stat_activity where datname = current_database() and "
      "query like 'alter table product%' and wait_event_type = 'Lock')");
  const auto rows = borrowed.query(second, std::int64_t{1}).ttl(1h).fetch_as<double>();
  CHECK(only(rows) == 2.5);
  CHECK(rows.outcome().stored == Stored::unproven);
  work.commit();
  waits.join();
  process.db.catch_up();
  CHECK(process.db.query(second, std::int64_t{1}).ttl(1h).fetch_as<double>().outcome().stored ==
        Stored::yes);
}

TEST_CASE("postgres borrowed: a transaction that has locked what it reads is not waited for",
          "[low road][automatic]") {
  const TrackedShop shop;
  PgProcess process(shop, automatic());
  Caller caller(shop);
  pqxx::work work(caller.connection);
  auto borrowed = process.db.borrow(work);
  work.exec("truncate product");
  CHECK(automatic_price(borrowed).empty());
  CHECK(automatic_price(borrowed).outcome().stored == Stored::unproven);
}
