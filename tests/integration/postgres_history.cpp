// What a server's history can do to positions: crashes, copies, foreign rows, pruning.

#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEST_CASE(
    "postgres history: after the crash of one backend ids are handed out again: another "
    "epoch (hard cases 1 and 2)",
    "[history]") {
  PostgresServer server;
  const PgShop shop(server);
  PgProcess process(shop);
  PgProcess other(shop);
  process.set_price(2, 8.0);
  static_cast<void>(process.price(1));
  const Epoch before = epoch_of(process);
  // A transaction that wrote nothing durable: its id is seen to end, and lost in the crash.
  pqxx::connection victim(shop.url());
  Receipt lost;
  {
    pqxx::work work(victim);
    lost = {.namespace_name = "shop",
            .epoch = before,
            .position = {std::stoull(work.exec("select pg_current_xact_id()")[0][0].c_str())},
            .write = {77},
            .intents = 1};
    work.abort();
  }
  process.db.catch_up();
  ::kill(victim.backendpid(), SIGKILL);
  shop.await("select not exists (select from querymark.incarnation) or epoch <> '" + before.hex() +
             "' from querymark.meta");
  catch_up(process);
  catch_up(other);
  CHECK(epoch_of(process) != before);
  CHECK(epoch_of(process) == epoch_of(other));
  CHECK_FALSE(process.price(1).outcome().is_hit());
  CHECK(process.db.resolve(lost) == postgres::WriteFate::unknown);
  CHECK(process.db.wait(lost, Wait::local(10s)).status == WaitStatus::refused);
  const Receipt fresh = process.set_price(1, 4.0);
  CHECK(other.db.wait(fresh, Wait::local(10s)).satisfied());
  CHECK(only(other.price(1)) == 4.0);
}

TEST_CASE(
    "postgres history: after a new epoch no load runs on a connection to the old one "
    "(hard case 10)",
    "[history]") {
  const PgShop shop;
  PgProcess process(shop);
  static_cast<void>(process.price(1));
  const auto pooled = [&] {
    return only(process.db.query("select pg_backend_pid()").uncached().fetch_as<std::int64_t>());
  };
  const std::int64_t before = pooled();
  CHECK(pooled() == before);
  shop.execute("truncate querymark.incarnation");
  process.db.catch_up();
  CHECK(pooled() != before);
}

TEST_CASE(
    "postgres history: a new connection that shows a newer epoch makes the process look "
    "before it loads (hard case 10)",
    "[history]") {
  const PgShop shop;
  postgres::Options options = PgProcess::quick();
  options.poll_interval = 1h;
  options.max_lag = 2h;
  PgProcess process(shop, options);
  static_cast<void>(process.price(1));
  const Epoch before = epoch_of(process);
  shop.execute("truncate querymark.incarnation");
  shop.execute("select querymark.adopt()");  // another process was first
  shop.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = '" +
               shop.name() + "' and pid <> pg_backend_pid()");
  CHECK(only(process.price(2)) == 7.0);
  CHECK(epoch_of(process) != before);
  CHECK_FALSE(process.price(1).outcome().is_hit());
}

TEST_CASE(
    "postgres history: the log's backend may be replaced; the tail proves itself anew "
    "(hard case 9)",
    "[history]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  const int before = log.backend_pid();
  const Cursor cursor = log.now();
  shop.execute("select pg_terminate_backend(" + std::to_string(before) + ")");
  const TailRequest request{
      .from = cursor, .upto = std::nullopt, .after = std::nullopt, .limit = 10};
  CHECK_THROWS_AS(log.read(request), Error);  // never a silent reconnect
  CHECK(log.backend_pid() == 0);
  CHECK(log.read(request).status == TailStatus::ok);
  CHECK(log.backend_pid() != before);
}

TEST_CASE("postgres history: a copy of the database is another one", "[history]") {
  const PgShop shop;
  {
    PgProcess process(shop);
    process.set_price(1, 4.0);
  }
  shop.await("select count(*) = 0 from pg_stat_activity where datname = '" + shop.name() +
             "' and pid <> pg_backend_pid()");
  pqxx::connection admin(shop.server().url("postgres"));
  pqxx::nontransaction(admin).exec("create database copied template " + shop.name());
  PgProcess original(shop);
  PgProcess copy(shop.server().url("copied"), PgProcess::quick());
  CHECK(epoch_of(original) != epoch_of(copy));
  CHECK(original.db.source().options().scope.database != copy.db.source().options().scope.database);
}

TEST_CASE(
    "postgres history: rows of a foreign history are neither read for ever nor believed "
    "(hard case 22)",
    "[history]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  const Cursor cursor = log.now();
  shop.execute(
      "insert into querymark.log (xid, namespace, kind, target) values "
      "('99999999', 'shop', 'tag', 'from the future')");
  shop.execute("select querymark.invalidate('shop', 'tag', 'own')");
  TailRequest request{.from = cursor, .upto = std::nullopt, .after = std::nullopt, .limit = 10};
  TailPage page = log.read(request);
  REQUIRE(page.rows.size() == 1);
  CHECK(page.rows[0].target == tag("own"));
  request.from = page.upto;
  CHECK(log.read(request).rows.empty());
}

TEST_CASE(
    "postgres history: a floor above an id in progress is told to who has not seen it "
    "(hard case 19)",
    "[history]") {
  const PgShop shop;
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  work.exec(
      "update product set price = 6 where id = 1;"
      "select querymark.invalidate('shop', 'entity', 'product:1')");
  process.set_price(2, 8.0);
  static_cast<void>(process.price(1));
  const auto restarts = process.db.stats().restarts;
  {
    // Keeps every poll out until the row is both committed and pruned.
    pqxx::connection other(shop.url());
    pqxx::work prune(other);
    prune.exec("lock table querymark.meta in access exclusive mode");
    work.commit();
    prune.exec(
        "update querymark.meta set floor = pg_snapshot_xmin(pg_current_snapshot());"
        "delete from querymark.log");
    prune.commit();
  }
  process.db.catch_up();
  CHECK(process.db.stats().restarts == restarts + 1);
  CHECK(only(process.price(1)) == 6.0);
  process.db.catch_up();
  CHECK(process.db.stats().restarts == restarts + 1);
}

TEST_CASE(
    "postgres history: an epoch adopted while an older transaction runs does not lose its "
    "row",
    "[history]") {
  const PgShop shop;
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  work.exec(
      "update product set price = 6 where id = 1;"
      "select querymark.invalidate('shop', 'entity', 'product:1')");
  PgProcess process(shop);  // adopts: the database is new
  static_cast<void>(process.price(1));
  const auto restarts = process.db.stats().restarts;
  process.db.catch_up();
  CHECK(process.db.stats().restarts == restarts);
  CHECK(process.price(1).outcome().is_hit());
  work.commit();
  process.db.catch_up();
  CHECK(only(process.price(1)) == 6.0);
}

TEST_CASE(
    "postgres history: whatever default isolation the database has, the tail and the claim "
    "take new snapshots (hard case 25)",
    "[history]") {
  const PgShop shop;
  shop.execute("alter database " + shop.name() +
               " set default_transaction_isolation = 'repeatable read'");
  PgProcess process(shop);
  postgres::Log log(shop.url(), "shop");
  const ClaimResult first = log.claims()->claim("tier", "me", 30s);
  REQUIRE(first.status == ClaimStatus::claimed);
  REQUIRE(log.claims()->finish(first.claim));
  const Receipt receipt = process.set_price(1, 4.0);
  const ClaimResult second = log.claims()->claim("tier", "me", 30s);
  REQUIRE(second.status == ClaimStatus::claimed);
  CHECK(second.claim.upto.snapshot.covers(receipt.position));
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE(
    "postgres history: the NOTIFY opt-in can't be prepared, and the server says so "
    "(hard case 30)",
    "[history]") {
  const PgShop shop;
  CHECK_THROWS_WITH(
      shop.execute("begin; select querymark.ring('shop'); prepare transaction 'x'"),
      Catch::Contains("PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY"));
}
