// Freshness where PostgreSQL's transactions overlap: late commits, savepoints, two phases, old
// snapshots. conformance/freshness.cpp has what all databases share. Two `PgProcess` objects stand
// for two processes: they share nothing but the database.

#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/nontransaction>
#include <pqxx/subtransaction>
#include <pqxx/transaction>

#include "support/await.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

std::string log_row(std::int64_t id) {
  return "select querymark.invalidate('shop', 'entity', querymark.target('product', '" +
         std::to_string(id) + "'));";
}

}  // namespace

TEST_CASE(
    "postgres rule 2: a process whose role was dropped follows the log as the one that is made "
    "anew",
    "[freshness]") {
  const PgShop shop;
  const std::string make =
      "create role fleeting login in role querymark_subscriber; grant select on product to "
      "fleeting";
  shop.execute(make);
  PgProcess process(shop.server().url(shop.name(), "fleeting"), PgProcess::quick());
  static_cast<void>(process.price(1));
  shop.execute("drop owned by fleeting; drop role fleeting");
  CHECK_THROWS_AS(process.db.catch_up(), Error);
  CHECK_THROWS_AS(process.db.query("select price from product").uncached().fetch(), Error);
  shop.execute(make);
  shop.execute("update product set price = 6 where id = 1;" + log_row(1));
  process.db.catch_up();
  CHECK(only(process.price(1)) == 6);
  CHECK(process.price(1).outcome().is_hit());
  shop.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'fleeting'");
  shop.execute("drop owned by fleeting; drop role fleeting");
}

TEST_CASE(
    "postgres rule 2: a process that can't reach the log bypasses the cache after max_lag, and "
    "recovers",
    "[freshness]") {
  PostgresServer server;
  const PgShop shop(server);
  ManualClock clock;
  Cache cache{{.memory_bytes = 64U << 20U, .clock = &clock}};
  postgres::Options options = PgProcess::quick();
  options.max_lag = 2s;
  options.poll_interval = 1h;
  postgres::Database db(shop.url(), cache, options);
  const auto price = [&] {
    return db.query("select price from product where id = 1")
        .tag(entity("product", 1))
        .fetch_as<double>();
  };
  static_cast<void>(price());
  CHECK(price().outcome().is_hit());
  server.stop(SIGINT);
  CHECK_THROWS_AS(db.catch_up(), Error);
  CHECK(price().outcome().is_hit());  // within max_lag
  clock.advance(3s);
  CHECK_THROWS_AS(price(), Error);  // the database is down, and memory is not trusted
  server.start();
  CHECK(price().outcome().stored == Stored::lagging);  // reachable, but the log was not asked yet
  db.catch_up();
  static_cast<void>(price());
  CHECK(price().outcome().is_hit());
}

TEST_CASE(
    "postgres rule 4: staged intents whose commit is in doubt are applied at once, and again from "
    "the log (hard case 3)",
    "[freshness]") {
  const PgShop shop;
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  static_cast<void>(process.price(1));
  pqxx::work work(own);
  work.exec("update product set price = 6 where id = 1");
  {
    const Staged staged = process.db.stage(work, IntentBatch().add(entity("product", 1)));
  }  // dies unsettled, as when the connection hangs in COMMIT
  CHECK(process.db.stats().in_doubt == 1);
  const auto old = process.price(1);  // the commit is not visible yet: caches the old row again
  CHECK(old[0] == 2.5);
  CHECK_FALSE(old.outcome().is_hit());
  CHECK(process.price(1).outcome().is_hit());
  work.commit();
  process.db.catch_up();
  CHECK(only(process.price(1)) == 6.0);
}

TEST_CASE(
    "postgres: a transaction that commits late with an early id is seen, once and at once, after "
    "thousands of others",
    "[freshness]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.mark_cells = 1U << 20U;  // of fewer, thousands of tags may take those of the product
  PgProcess process(shop, options);
  pqxx::connection early(shop.url());
  pqxx::work work(early);
  work.exec("update product set price = 6 where id = 1;" + log_row(1));
  const auto others = [&](int count) {
    shop.execute("do $$ begin for i in 1.." + std::to_string(count) +
                 " loop perform querymark.invalidate('shop', 'tag', 't' || i); commit; end loop; "
                 "end $$");
  };
  static_cast<void>(process.price(1));
  for (int poll = 0; poll < 10; ++poll) {
    others(100);
    process.db.catch_up();
  }
  others(5500);  // more than a page
  process.db.catch_up();
  CHECK(process.db.source().marks().cursor().snapshot.in_progress().size() == 1);
  CHECK(process.price(1).outcome().is_hit());  // still open
  work.commit();
  process.db.catch_up();
  CHECK(only(process.price(1)) == 6.0);
  process.db.catch_up();
  CHECK(process.price(1).outcome().is_hit());  // not applied a second time
  CHECK(process.db.stats().restarts == 1);
}

TEST_CASE("postgres: what commits between two pages comes with the next catch-up, once",
          "[freshness]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  TailRequest request{.from = log.now(), .upto = std::nullopt, .after = std::nullopt, .limit = 20};
  pqxx::connection early(shop.url());
  pqxx::work work(early);
  work.exec(log_row(1));
  for (int i = 0; i < 50; ++i) shop.execute("select querymark.invalidate('shop', 'tag', 't')");
  TailPage page = log.read(request);
  std::size_t rows = page.rows.size();
  work.commit();
  shop.execute("select querymark.invalidate('shop', 'tag', 'new')");
  while (page.more) {
    request.upto = page.upto;
    request.after = page.rows.back();
    page = log.read(request);
    rows += page.rows.size();
  }
  CHECK(rows == 50);
  request = {.from = page.upto, .upto = std::nullopt, .after = std::nullopt, .limit = 20};
  page = log.read(request);
  REQUIRE(page.rows.size() == 2);
  CHECK(page.rows[0].target == entity("product", 1));
  CHECK(page.rows[1].target == tag("new"));
  request.from = page.upto;
  CHECK(log.read(request).rows.empty());
}

TEST_CASE(
    "postgres: savepoints stand where their transaction commits; a rolled back one is not "
    "there",
    "[freshness]") {
  const PgShop shop;
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  {
    pqxx::subtransaction kept(work);
    kept.exec("update product set price = 6 where id = 1;" + log_row(1));
    kept.commit();
  }
  {
    pqxx::subtransaction dropped(work);
    dropped.exec(log_row(2));
    dropped.abort();
  }
  process.set_price(3, 31.0);
  static_cast<void>(process.price(1));
  static_cast<void>(process.price(2));
  work.commit();
  process.db.catch_up();
  CHECK(only(process.price(1)) == 6.0);
  CHECK(process.price(2).outcome().is_hit());
}

TEST_CASE("postgres: a prepared transaction is seen when it is committed (two-phase)",
          "[freshness]") {
  const PgShop shop;
  PgProcess process(shop);
  shop.execute("begin; update product set price = 6 where id = 1;" + log_row(1) +
               "prepare transaction 'two'");
  process.set_price(2, 8.0);
  static_cast<void>(process.price(1));
  process.db.catch_up();
  CHECK(process.price(1).outcome().is_hit());
  shop.execute("commit prepared 'two'");
  process.db.catch_up();
  CHECK(only(process.price(1)) == 6.0);
  shop.execute("begin;" + log_row(1) + "prepare transaction 'three'");
  shop.execute("rollback prepared 'three'");
  process.db.catch_up();
  CHECK(process.price(1).outcome().is_hit());
}

TEST_CASE("postgres: an old in-progress id at start does not hide its row (hard case 6)",
          "[freshness]") {
  const PgShop shop;
  pqxx::connection early(shop.url());
  pqxx::work work(early);
  work.exec("update product set price = 6 where id = 1;" + log_row(1));
  PgProcess late(shop);
  CHECK(late.db.source().marks().floor() == late.db.source().marks().cursor().snapshot.limit());
  static_cast<void>(late.price(1));
  work.commit();
  late.db.catch_up();
  CHECK(only(late.price(1)) == 6.0);
}

TEST_CASE("postgres: three hundred open transactions make a long list, and each is seen",
          "[freshness]") {
  const PgShop shop;
  PgProcess process(shop);
  std::vector<std::unique_ptr<pqxx::connection>> connections;
  std::vector<std::unique_ptr<pqxx::work>> open;
  for (int i = 0; i < 300; ++i) {
    connections.push_back(std::make_unique<pqxx::connection>(shop.url()));
    open.push_back(std::make_unique<pqxx::work>(*connections.back()));
    open.back()->exec("select querymark.invalidate('shop', 'tag', 't" + std::to_string(i) + "')");
  }
  process.set_price(2, 8.0);  // the list reaches up to the last id that has ended
  process.db.catch_up();
  CHECK(process.db.source().marks().cursor().snapshot.in_progress().size() >= 300);
  const auto read = [&](int i) {
    return process.db.query("select $1::int", i).tag(tag("t" + std::to_string(i))).fetch();
  };
  for (int i = 0; i < 300; ++i) static_cast<void>(read(i));
  for (int i = 299; i >= 0; i -= 2) open[static_cast<std::size_t>(i)]->commit();
  process.db.catch_up();
  int wrong = 0;
  for (int i = 0; i < 300; ++i)
    if (read(i).outcome().is_hit() != (i % 2 == 0)) ++wrong;
  CHECK(wrong == 0);
}

TEST_CASE("postgres: writers through the SQL function reach other processes without a doorbell",
          "[freshness]") {
  const PgShop shop;
  PgProcess process(shop);
  static_cast<void>(process.price(1));
  shop.execute("begin; update product set price = 8 where id = 1;" + log_row(1) + "commit");
  process.db.catch_up();
  CHECK(only(process.price(1)) == 8.0);
  CHECK_THROWS(shop.execute("select querymark.invalidate('shop', 'table', 'x')"));
  CHECK(shop.text("select querymark.target('a:b', '50%')") == "a%3Ab:50%25");
}

TEST_CASE("postgres: the doorbell wakes another process long before its poll", "[freshness]") {
  const PgShop shop;
  postgres::Options rarely = PgProcess::quick();
  rarely.poll_interval = 1h;
  rarely.max_lag = 2h;
  PgProcess reader(shop, rarely);
  PgProcess writer(shop, rarely);
  await_listening(reader.db);
  await_listening(writer.db);
  static_cast<void>(reader.price(1));
  const std::uint64_t polls = reader.db.stats().polls;
  const Receipt receipt = writer.set_price(1, 3.5);
  await("the doorbell was heard", 10s, [&] { return reader.db.stats().polls > polls; });
  CHECK(only(reader.price(1)) == 3.5);
  CHECK(reader.db.doorbell_problem().empty());
}

TEST_CASE("postgres: a fill in a transaction that has written is refused (hard case 29)",
          "[freshness]") {
  const PgShop shop;
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  {
    pqxx::work work(own);
    work.exec("update product set price = 66 where id = 1");
    auto borrowed = process.db.borrow(work, "own");
    const auto inside = borrowed.query("select price from product where id = 1")
                            .tag(entity("product", 1))
                            .fetch_as<double>();
    CHECK(inside[0] == 66.0);
    CHECK(inside.outcome().stored == Stored::in_transaction);
  }
  CHECK(only(process.price(1)) == 2.5);
}

TEST_CASE("postgres: a load in an old snapshot fills nothing that a newer write has hit",
          "[freshness]") {
  const PgShop shop;
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  pqxx::transaction<pqxx::isolation_level::repeatable_read> old(own);
  old.exec("select count(*) from product");  // pins the snapshot
  process.set_price(1, 7.0);
  auto borrowed = process.db.borrow(old, "own");
  const auto price = [&](int id) {
    return borrowed.query("select price from product where id = $1", id)
        .tag(entity("product", id))
        .fetch_as<double>();
  };
  const auto inside = price(1);
  CHECK(inside[0] == 2.5);  // the transaction's own view
  CHECK(inside.outcome().stored == Stored::not_covered);
}
