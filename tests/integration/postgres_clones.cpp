// Servers that come of other servers: upgraded, promoted while the old one lives, replicated into.

#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/nontransaction>

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
