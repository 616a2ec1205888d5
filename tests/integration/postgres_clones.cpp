// Servers that come of other servers: upgraded, promoted while the old one lives, replicated into.

#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

postgres::LogIdentity identity(const std::string& url) {
  return postgres::Log(url, "shop").identity();
}

void run(const std::string& url, const std::string& sql) {
  pqxx::connection connection(url);
  pqxx::nontransaction(connection).exec(sql);
}

}  // namespace

TEST_CASE("postgres clones: pg_upgrade makes another epoch of other data", "[clones]") {
  PostgresServer server;
  const PgShop shop(server);
  Receipt old;
  {
    PgProcess process(shop);
    old = process.set_price(1, 4.0);
  }
  const auto before = identity(shop.url());
  server.stop(SIGINT);
  const auto upgraded = PostgresServer::upgrade_of(server);
  const std::string url = upgraded->url(shop.name());
  const auto after = identity(url);
  CHECK(after.epoch != before.epoch);
  CHECK(after.database_id != before.database_id);
  PgProcess process(url, PgProcess::quick());
  CHECK(process.db.wait(old, Wait::local(10s)).status == WaitStatus::refused);
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE(
    "postgres clones: a standby that is promoted while its primary lives is another epoch; nothing "
    "tells its data from a failover's",
    "[clones]") {
  PostgresServer primary;
  const PgShop shop(primary);
  const auto before = identity(shop.url());
  const auto standby = PostgresServer::standby_of(primary);
  standby->await_replay(primary);
  standby->sever();
  standby->promote();
  const auto promoted = identity(standby->url(shop.name()));
  CHECK(promoted.epoch != before.epoch);
  CHECK(promoted.database_id == before.database_id);
  CHECK(identity(shop.url()) == before);
}

TEST_CASE(
    "postgres clones: a publication that brings another database's identity here starts a new "
    "epoch "
    "of other data",
    "[clones]") {
  PostgresServer server({"wal_level=logical"});
  const PgShop source(server);
  const PgShop target(server);
  const auto of_source = identity(source.url());
  PgProcess process(target);
  const auto before = identity(target.url());
  static_cast<void>(process.price(1));
  run(source.url(), "create publication everything for all tables");
  run(source.url(), "select pg_create_logical_replication_slot('slot', 'pgoutput')");
  run(target.url(), "create subscription here connection '" + source.url() +
                        "' publication everything with (create_slot = false, slot_name = 'slot', "
                        "copy_data = false)");
  run(source.url(), "truncate querymark.incarnation");
  const auto changed = identity(source.url());
  REQUIRE(changed.epoch != of_source.epoch);
  target.await("select not adopted from querymark.history");
  catch_up(process);
  const auto after = identity(target.url());
  CHECK(epoch_of(process) == after.epoch);
  CHECK(after.epoch != before.epoch);
  CHECK(after.epoch != changed.epoch);
  CHECK(after.database_id != changed.database_id);
  CHECK_FALSE(process.price(1).outcome().is_hit());
  run(target.url(), "alter subscription here disable");
  run(target.url(), "alter subscription here set (slot_name = none)");
  run(target.url(), "drop subscription here");
}

TEST_CASE(
    "postgres clones: a caller's transaction on a copy is not taken for one on the original, "
    "adopted "
    "or not",
    "[clones]") {
  PostgresServer server;
  const PgShop shop(server);
  static_cast<void>(identity(shop.url()));
  shop.await("select count(*) = 1 from pg_stat_activity where datname = '" + shop.name() + "'");
  run(server.url("postgres"), "create database copied template " + shop.name());
  run(server.url("copied"), "update product set price = 99");
  const std::string which = GENERATE("template", "adopted template", "clone");
  CAPTURE(which);
  std::unique_ptr<PostgresServer> clone;
  std::string url = server.url("copied");
  if (which == "adopted template") static_cast<void>(identity(url));
  if (which == "clone") {
    server.stop(SIGINT);
    clone = PostgresServer::copy_of(server);
    server.start();
    url = clone->url(shop.name());
  }
  PgProcess process(shop);
  static_cast<void>(process.price(1));
  pqxx::connection own(url);
  pqxx::work work(own);
  CHECK_THAT(message_of([&] { static_cast<void>(process.db.borrow(work, "own")); }),
             Catch::Contains("the transaction is not on"));
  pqxx::connection right(shop.url());
  pqxx::work right_work(right);
  auto borrowed = process.db.borrow(right_work, "own");
  CHECK(only(borrowed.query("select price from product where id = 2").fetch_as<double>()) == 7.0);
}

TEST_CASE("postgres clones: a caller's transaction after a restart reads, kept once it is followed",
          "[clones]") {
  PostgresServer server;
  const PgShop shop(server);
  PgProcess process(shop);
  static_cast<void>(process.price(1));
  server.stop(SIGINT);
  server.start();
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "own");
  const auto price = [&](int id) {
    return borrowed.query("select price from product where id = $1", id)
        .tag(tag("x"))
        .fetch_as<double>();
  };
  CHECK(only(price(2)) == 7.0);
  catch_up(process);
  const auto loaded = price(3);
  CHECK(only(loaded) == 30.0);
  CHECK(loaded.outcome().stored == Stored::yes);
}
