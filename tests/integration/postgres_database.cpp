#include "querymark/postgres/database.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <limits>
#include <pqxx/nontransaction>
#include <pqxx/transaction>
#include <thread>

#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

IntentBatch one() { return IntentBatch().add(entity("product", 1)); }

}  // namespace

TEST_CASE("postgres: every type of parameter and cell goes round", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const std::string text = "a'b\\c\"{}\n\xC3\xA4";
  const Bytes bytes{std::string("\0\xff'\\", 4)};
  const Result row =
      process.db
          .query(
              "select $1::text, $2::bool, $3::bigint, $4::float8, $5::text, $6::bytea, "
              "$7::numeric, $8::smallint, ''::text, array[1,2], date '2026-01-02'",
              nullptr, true, std::numeric_limits<std::int64_t>::min(), 0.1, text, bytes,
              "12345678901234567890.50", -5)
          .fetch();
  CHECK(row[0][0].is_null());
  CHECK(row[0][1].as<bool>());
  CHECK(row[0][2].as<std::int64_t>() == std::numeric_limits<std::int64_t>::min());
  CHECK(row[0][3].as<double>() == 0.1);
  CHECK(row[0][4].as<std::string>() == text);
  CHECK(row[0][5].as<Bytes>() == bytes);
  CHECK(row[0][6].as<std::string>() == "12345678901234567890.50");
  CHECK(row[0][7].as<int>() == -5);
  CHECK(row[0][8].as<std::string>().empty());
  CHECK(row[0][9].as<std::string>() == "{1,2}");
  CHECK(row[0][10].as<std::string>() == "2026-01-02");
  const Result special = process.db
                             .query("select 'NaN'::float8, '-Infinity'::float8, $1::float8",
                                    std::numeric_limits<double>::infinity())
                             .fetch();
  CHECK(special[0][0].as<double>() != special[0][0].as<double>());
  CHECK(special[0][1].as<double>() == -std::numeric_limits<double>::infinity());
  CHECK(special[0][2].as<double>() == std::numeric_limits<double>::infinity());
  CHECK_THROWS_AS(process.db.query("select $1::text", std::string("a\0b", 3)).fetch(), ConfigError);
}

TEST_CASE("postgres: bad SQL and bad parameters get a clear error", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  postgres::Database& db = process.db;
  const auto said = [&](const std::string& sql, auto... args) {
    return message_of([&] { static_cast<void>(db.query(sql, args...).fetch()); });
  };
  CHECK_THAT(said("selec 1"), Contains("syntax error"));
  CHECK_THAT(said("select from where"), Contains("syntax error"));
  CHECK_THAT(said(""), Contains("holds no statement"));
  CHECK_THAT(said("select 1; delete from product"), Contains("more than one statement"));
  CHECK_THAT(said("select $1::int"),
             Contains("the SQL has 1 parameter, 0 were given: select $1::int"));
  CHECK_THAT(said("select name from product where id = ?", 5), Contains("$1") && Contains("?"));
  CHECK_THAT(said("select '?', from product where id = $1", 5), !Contains("others have"));
  CHECK_THAT(said("select 1", 5), Contains("the SQL has 0 parameters, 1 was given: select 1"));
  CHECK_THAT(
      message_of([&] {
        db.write([](auto& tx) { tx.execute("update product set price = $1 where id = $2", 1); });
      }),
      Contains("the SQL has 2 parameters, 1 was given: update product"));
  CHECK_THAT(said("delete from product"), Contains("must only read"));
  CHECK_THAT(said("with gone as (delete from product returning *) select * from gone"),
             Contains("write through write()"));
  CHECK_THAT(said("set role other"), Contains("must not change its session"));
  CHECK_THAT(said("select set_config('TimeZone', 'UTC', false)"),
             Contains("must not change its session"));
  CHECK(shop.number("select count(*) from product") == 3);
  CHECK(said("/* a /* nested */ comment */ (select 1)") == "nothing was thrown");
  CHECK_THROWS_AS(db.query("select name from product where id = 1").fetch_as<std::int64_t>(),
                  TypeError);
}

TEST_CASE("postgres: a transaction whose error was swallowed does not commit silently",
          "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  for (const bool intents : {false, true})
    CHECK_THROWS_AS(process.db.write([&](postgres::Transaction& tx) {
      tx.execute("update product set price = 50 where id = 1");
      if (intents) tx.invalidate(entity("product", 1));
      try {
        tx.execute("select 1 / 0");
      } catch (const Error&) {  // and goes on as if nothing had been
      }
    }),
                    Error);
  CHECK(process.db.stats().in_doubt == 0);
  CHECK(shop.number("select price::int from product where id = 1") == 3 - 1);
}

TEST_CASE("postgres: what ends the transaction or outlives it in the session is refused",
          "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const auto said = [&](const std::string& sql) {
    return message_of(
        [&] { process.db.write([&](postgres::Transaction& tx) { tx.execute(sql); }); });
  };
  for (const char* sql : {"commit", " /* x */ ROLLBACK", "begin", "prepare transaction 'x'"})
    CHECK_THAT(said(sql), Contains("begins and ends the transaction itself"));
  for (const char* sql : {"set search_path = x", "reset all", "discard all", "listen x"})
    CHECK_THAT(said(sql), Contains("SET LOCAL"));
  CHECK(said("set local statement_timeout = '5s'") == "nothing was thrown");
  CHECK(said("savepoint a") == "nothing was thrown");
}

TEST_CASE("postgres: a serialization failure is retryable, and repeated only when asked",
          "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  int runs = 0;
  const auto collide = [&](postgres::Transaction& tx) {
    const ResultSet seen = tx.query("select price from product where id = 1");
    if (++runs == 1) shop.execute("update product set price = 10 where id = 1");
    tx.execute("update product set price = $1 where id = 1", seen.row(0)[0].as<double>() + 1);
    tx.invalidate(entity("product", 1));
  };
  try {
    process.db.write(collide, {.isolation = postgres::Isolation::repeatable_read});
    FAIL("the collision went unnoticed");
  } catch (const CommitInDoubt&) {
    FAIL("a serialization failure was taken for a doubtful commit");
  } catch (const Error& failure) {
    CHECK(failure.retryable());
    CHECK(failure.native_code() == "40001");
    CHECK_FALSE(failure.connection_lost());
  }
  runs = 0;
  process.db.write(collide, {.isolation = postgres::Isolation::repeatable_read, .retries = 3});
  CHECK(runs == 2);
  CHECK(only(process.price(1)) == 11.0);
}

TEST_CASE("postgres: opening says what mends the schema, and shows no password", "[postgres]") {
  Cache cache;
  PostgresServer& server = PostgresServer::shared();
  CHECK_THAT(message_of([&] { postgres::Database(server.url("postgres"), cache); }),
             Contains("no querymark schema") && Contains("querymark migrate --db postgresql://"));
  const std::string port = std::to_string(server.port());
  for (const std::string& url :
       {"postgresql://tester:sesame@127.0.0.1:" + port + "/nowhere",
        std::string("postgresql://tester:sesame@127.0.0.1:1/shop"),
        std::string("postgresql://tester:sesame@127.0.0.1:99999999/shop"),
        std::string("postgresql://tester:sesame@[broken/shop"), std::string("tester:sesame")}) {
    CAPTURE(url);
    const std::string said = message_of([&] { postgres::Database(url, cache); });
    CHECK_THAT(said, !Contains("sesame"));
    CHECK(said != "nothing was thrown");
  }
  try {
    postgres::Database("postgresql://tester@127.0.0.1:1/shop", cache);
    FAIL("a closed port was opened");
  } catch (const Error& failure) {
    CHECK(failure.connection_lost());
  }
}

TEST_CASE("postgres: missing rights are named with their remedy", "[postgres]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role nobody_in_particular login; exception when duplicate_object then "
      "null; end $$");
  Cache cache;
  const std::string url = shop.server().url(shop.name(), "nobody_in_particular");
  CHECK_THAT(message_of([&] { postgres::Database(url, cache); }),
             Contains("42501") && Contains("querymark_subscriber"));
  shop.execute("grant querymark_subscriber, querymark_writer to nobody_in_particular");
  PgProcess process(url, PgProcess::quick());
  const Receipt receipt = process.db.write([](auto& tx) { tx.invalidate(tag("a")); }).receipt;
  CHECK(process.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK_THROWS(pqxx::nontransaction(*std::make_unique<pqxx::connection>(url))
                   .exec("insert into querymark.log (xid, namespace, kind, target) values ('5', "
                         "'shop', 'tag', 'forged')"));
}

TEST_CASE("postgres: the session's pins are part of the key", "[postgres]") {
  const PgShop shop;
  shop.execute(
      "create schema other; create table other.product as select * from product; "
      "update other.product set price = 100");
  Cache cache{{.memory_bytes = 64U << 20U}};
  postgres::Options options = PgProcess::quick();
  postgres::Database mine(shop.url(), cache, options);
  options.session.search_path = "other, public";
  options.session.time_zone = "Asia/Tokyo";
  postgres::Database theirs(shop.url(), cache, options);
  const auto price = [](postgres::Database& db) {
    return db.query("select price from product where id = 1").fetch_as<double>();
  };
  CHECK(only(price(mine)) == 2.5);
  CHECK(only(price(theirs)) == 100.0);
  CHECK(only(price(mine)) == 2.5);
  CHECK(mine.source().options().scope.session != theirs.source().options().scope.session);
  const auto zone = theirs.query("select current_setting('TimeZone')").fetch_as<std::string>();
  CHECK(only(zone) == "Asia/Tokyo");
}

TEST_CASE("postgres: what became of a write is told by epoch, position and write id",
          "[postgres]") {
  const PgShop shop;
  PgProcess writer(shop);
  PgProcess reader(shop);
  const Receipt receipt = writer.set_price(1, 5.0);
  CHECK(reader.db.resolve(receipt) == postgres::WriteFate::committed);
  Receipt foreign = receipt;
  foreign.epoch = Epoch::random();
  CHECK(reader.db.resolve(foreign) == postgres::WriteFate::unknown);
  // The id alone proves nothing: another transaction may have been given it (hard case 2).
  Receipt other = receipt;
  other.write.value ^= 1;
  CHECK(reader.db.resolve(other) == postgres::WriteFate::rolled_back);
}

TEST_CASE("postgres low road: staged intents travel with the caller's transaction", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  PgProcess other(shop);
  pqxx::connection own(shop.url());
  static_cast<void>(process.price(1));
  {
    pqxx::work work(own);
    work.exec("update product set price = 6 where id = 1");
    Staged staged = process.db.stage(work, one());
    CHECK_THROWS_WITH(staged.committed(), Contains("still open"));
    work.commit();
    const Receipt receipt = staged.committed();
    CHECK(only(process.price(1)) == 6.0);
    CHECK(other.db.wait(receipt, Wait::local(10s)).satisfied());
    CHECK_THROWS_AS(staged.committed(), ConfigError);
  }
  {
    pqxx::work work(own);
    Staged staged = process.db.stage(work, one());
    work.abort();
    CHECK_THROWS_WITH(staged.committed(), Contains("rolled back"));
    staged.rolled_back();
    CHECK(process.price(1).outcome().is_hit());
  }
  pqxx::nontransaction plain(own);
  CHECK_THROWS_AS(process.db.stage(plain, one()), ConfigError);
}

TEST_CASE("postgres low road: another database is refused", "[low road]") {
  const PgShop shop;
  const PgShop elsewhere;
  PgProcess process(shop);
  pqxx::connection own(elsewhere.url());
  pqxx::work work(own);
  CHECK_THROWS_WITH(process.db.stage(work, one()), Contains("is not on"));
  CHECK_THROWS_WITH(process.db.borrow(work, "x"), Contains("is not on"));
}

TEST_CASE("postgres low road: a fresh snapshot may fill, under a scope of its own", "[low road]") {
  const PgShop shop;
  PgProcess process(shop);
  process.set_price(3, 33.0);
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "own");
  const auto price = [&](auto& road) {
    return road.query("select price from product where id = 1")
        .tag(entity("product", 1))
        .template fetch_as<double>();
  };
  CHECK(price(borrowed).outcome().stored == Stored::yes);
  CHECK(price(process.db).outcome().status == ReadStatus::miss);  // another scope
}

TEST_CASE("postgres: a pool of one serves many threads", "[postgres]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  PgProcess process(shop, options);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i)
        if (only(process.db.query("select $1::int", t * 100 + i).fetch_as<int>()) != t * 100 + i)
          ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("postgres: a session that has lost its prepared statements goes on writing without them",
          "[postgres]") {
  const PgShop shop;
  postgres::Options options = one_connection();
  PgProcess process(shop, options);
  process.db.write([](postgres::Transaction& tx) {
    tx.execute("do $$ begin execute 'deallocate querymark_begin'; end $$");
    tx.invalidate(entity("product", 1));
  });
  CHECK(only(process.price(1)) == 2.5);
  const Receipt receipt = process.set_price(1, 4.5);
  CHECK(only(process.price(1)) == 4.5);
  CHECK(process.db.resolve(receipt) == postgres::WriteFate::committed);
}
