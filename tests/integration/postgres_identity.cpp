// Which copies, clones, dumps, restores and restarts are another history, and which are other data.

#include <catch2/catch.hpp>
#include <csignal>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "support/child.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/tcp_gate.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

postgres::LogIdentity identity(const std::string& url) {
  return postgres::Log(url, "shop").identity();
}

void admin(const PostgresServer& server, const std::string& sql) {
  pqxx::connection connection(server.url("postgres"));
  pqxx::nontransaction(connection).exec(sql);
}

void client(const std::string& program, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PostgresServer::programs() + program);
  const Finished finished = run(arguments);
  CAPTURE(program, finished.output);
  REQUIRE(finished.code == 0);
}

TailRequest from(const Cursor& cursor) {
  return {.from = cursor, .upto = std::nullopt, .after = std::nullopt, .limit = 10};
}

}  // namespace

TEST_CASE("postgres identity: a restart is another epoch of the same data", "[identity]") {
  PostgresServer server;
  const PgShop shop(server);
  const auto before = identity(shop.url());
  server.stop(SIGINT);
  server.start();
  const auto after = identity(shop.url());
  CHECK(after.epoch != before.epoch);
  CHECK(after.database_id == before.database_id);
  CHECK(identity(shop.url()) == after);
}

TEST_CASE(
    "postgres identity: a folder put back from a cold copy is another epoch, and what came after "
    "the copy is refused (hard case 31)",
    "[identity]") {
  PostgresServer server;
  const PgShop shop(server);
  PgProcess process(shop);
  static_cast<void>(process.price(1));
  server.stop(SIGINT);
  server.keep_copy();
  server.start();
  catch_up(process);
  Receipt vanished;
  for (int i = 0; i < 5; ++i) vanished = process.set_price(1, 40.0 + i);
  CHECK(only(process.price(1)) == 44.0);
  const Epoch before = epoch_of(process);
  server.stop(SIGINT);
  server.put_copy_back();
  server.start();
  catch_up(process);
  CHECK(epoch_of(process) != before);
  CHECK(process.db.wait(vanished, Wait::local(10s)).status == WaitStatus::refused);
  CHECK(process.db.resolve(vanished) == postgres::WriteFate::unknown);
  CHECK(only(process.price(1)) == 2.5);
  PgProcess other(shop);
  CHECK(other.db.wait(process.set_price(1, 4.0), Wait::local(10s)).satisfied());
}

TEST_CASE("postgres identity: two servers on copies of one folder share no epoch", "[identity]") {
  PostgresServer server;
  const PgShop shop(server);
  const auto before = identity(shop.url());
  server.stop(SIGINT);
  const auto clone = PostgresServer::copy_of(server);
  server.start();
  const auto original = identity(shop.url());
  const auto copied = identity(clone->url(shop.name()));
  CHECK(original.epoch != copied.epoch);
  CHECK(original.epoch != before.epoch);
  CHECK(copied.epoch != before.epoch);
}

TEST_CASE(
    "postgres identity: a server that has yet to give out ids that a cursor knows is another "
    "epoch, for every consumer (hard case 31)",
    "[identity]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  const Cursor now = log.now();
  const Position ahead{now.snapshot.limit().value + 1000};
  const Cursor vanished{now.epoch, Snapshot(ahead, ahead, {}), {}};
  const TailPage page = log.read(from(vanished));
  CHECK(page.status == TailStatus::history_changed);
  CHECK(page.upto.epoch != now.epoch);
  CHECK(page.upto.snapshot.limit() < ahead);
  CHECK(log.read(from(now)).status == TailStatus::history_changed);
  CHECK(log.read(from(page.upto)).status == TailStatus::ok);
  CHECK(identity(shop.url()).epoch == page.upto.epoch);

  // A worker's durable cursor, too.
  REQUIRE(log.claims()->finish(log.claims()->claim("tier", "me", 30s).claim));
  shop.execute("update querymark.consumer set cursor = '" + std::to_string(ahead.value) + ":" +
               std::to_string(ahead.value) + ":'");
  const ClaimResult claimed = log.claims()->claim("tier", "me", 30s);
  REQUIRE(claimed.status == ClaimStatus::claimed);
  CHECK(claimed.claim.flush_first);
  CHECK(claimed.claim.upto.epoch != page.upto.epoch);
}

TEST_CASE("postgres identity: copies of a template are other data, adopted before or not",
          "[identity]") {
  const bool adopted = GENERATE(true, false);
  CAPTURE(adopted);
  PostgresServer& server = PostgresServer::shared();
  const std::string name = server.create_bare_database();
  postgres::migrate(server.url(name));
  std::vector<postgres::LogIdentity> found;
  if (adopted) found.push_back(identity(server.url(name)));
  for (const std::string& copy : {name + "_a", name + "_b"}) {
    // A session's end is not waited for by its client.
    const PgShop elsewhere;
    elsewhere.await("select count(*) = 0 from pg_stat_activity where datname = '" + name + "'");
    admin(server, "create database " + copy + " template " + name);
    found.push_back(identity(server.url(copy)));
  }
  if (!adopted) found.push_back(identity(server.url(name)));
  REQUIRE(found.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(found[i].epoch != found[(i + 1) % 3].epoch);
    CHECK(found[i].database_id != found[(i + 1) % 3].database_id);
  }
}

TEST_CASE("postgres identity: a dump restored into another database is other data", "[identity]") {
  const PgShop shop;
  const auto original = identity(shop.url());
  const TempDir dir;
  client("pg_dump", {"-Fc", "-f", dir.file("dump"), shop.url()});
  const std::string target = shop.server().url(shop.server().create_bare_database());
  client("pg_restore", {"-d", target, dir.file("dump")});
  const auto copy = identity(target);
  CHECK(copy.epoch != original.epoch);
  CHECK(copy.database_id != original.database_id);
  CHECK(identity(shop.url()) == original);
}

TEST_CASE(
    "postgres identity: a dump restored into the same database is told by the next look at the "
    "log (hard case 32)",
    "[identity]") {
  const PgShop shop;
  const TempDir dir;
  PgProcess process(shop);
  client("pg_dump", {"-Fc", "-f", dir.file("dump"), shop.url()});
  const Receipt lost = process.set_price(1, 9.0);
  CHECK(only(process.price(1)) == 9.0);
  const auto before = identity(shop.url());
  const std::string how = GENERATE("all of it", "only rows");
  CAPTURE(how);
  if (how == "all of it") {
    client("pg_restore", {"--clean", "-1", "-d", shop.url(), dir.file("dump")});
  } else {
    shop.execute(
        "truncate product, querymark.log, querymark.meta, querymark.incarnation, "
        "querymark.schema, querymark.consumer, querymark.delivery, querymark.subscriber, "
        "querymark.snapshot");
    client("pg_restore", {"--data-only", "-1", "-d", shop.url(), dir.file("dump")});
  }
  catch_up(process);
  CHECK(epoch_of(process) != before.epoch);
  CHECK(only(process.price(1)) == 2.5);
  CHECK(process.db.wait(lost, Wait::local(10s)).status == WaitStatus::refused);
  CHECK(identity(shop.url()).database_id != before.database_id);
}

TEST_CASE("postgres identity: maintenance of our tables leaves the epoch as it is", "[identity]") {
  const PgShop shop;
  PgProcess process(shop);
  process.set_price(2, 8.0);
  static_cast<void>(process.price(1));
  const auto before = identity(shop.url());
  const std::string what =
      GENERATE("vacuum full querymark.log", "vacuum full querymark.meta",
               "vacuum (full, freeze) querymark.incarnation", "reindex table querymark.log",
               "cluster querymark.log using log_pkey",
               "cluster querymark.incarnation using incarnation_pkey",
               "delete from querymark.consumer", "vacuum (freeze, analyze)");
  CAPTURE(what);
  shop.execute(what);
  process.db.catch_up();
  CHECK(epoch_of(process) == before.epoch);
  CHECK(identity(shop.url()) == before);
  CHECK(process.price(1).outcome().is_hit());
  const Receipt receipt = process.set_price(1, 4.0);
  CHECK(process.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE("postgres identity: an incarnation that a crash would keep is refused, until mended",
          "[identity]") {
  const PgShop shop;
  PgProcess process(shop);
  shop.execute("alter table querymark.incarnation set logged");
  CHECK_THAT(message_of([&] { process.db.catch_up(); }), Contains("no longer unlogged"));
  CHECK_THAT(message_of([&] { PgProcess another(shop); }), Contains("no longer unlogged"));
  shop.execute("alter table querymark.incarnation set unlogged");
  catch_up(process);
  process.set_price(1, 4.0);
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE("postgres identity: a schema that is dropped and made anew is followed", "[identity]") {
  const PgShop shop;
  PgProcess process(shop);
  process.set_price(1, 3.0);
  static_cast<void>(process.price(1));
  const auto before = identity(shop.url());
  shop.execute("drop schema querymark cascade");
  CHECK_THROWS_AS(process.db.catch_up(), Error);
  CHECK_THROWS_AS(process.set_price(1, 5.0), Error);
  postgres::migrate(shop.url());
  catch_up(process);
  CHECK(epoch_of(process) != before.epoch);
  CHECK(identity(shop.url()).database_id != before.database_id);
  process.set_price(1, 4.0);
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE("postgres identity: who keeps an adoption's transaction open holds up no new log",
          "[identity]") {
  const PgShop shop;
  PgProcess process(shop);
  shop.execute(
      "do $$ begin create role follower login in role querymark_subscriber; "
      "exception when duplicate_object then null; end $$");
  pqxx::connection follower(shop.server().url(shop.name(), "follower"));
  pqxx::work held(follower);
  held.exec("select querymark.adopt(), querymark.adopt('', '0')");
  CHECK(identity(shop.url()).epoch == epoch_of(process));
  CHECK(shop.number("select count(*) from pg_locks where relation = 'querymark.meta'::regclass "
                    "and mode <> 'AccessShareLock'") == 0);
}

TEST_CASE("postgres identity: an adoption that another one keeps open is not waited for",
          "[identity]") {
  const PgShop shop;
  shop.execute("select querymark.adopt()");
  shop.execute("truncate querymark.incarnation");
  pqxx::connection first(shop.url());
  pqxx::work held(first);
  held.exec("select querymark.adopt()");
  CHECK_THAT(message_of([&] { static_cast<void>(identity(shop.url())); }),
             Contains("keeps the adoption of this database open"));
  held.commit();
  CHECK(identity(shop.url()).epoch.hex() == shop.text("select epoch from querymark.meta"));
}

TEST_CASE("postgres identity: a direct_url to another database is refused at once", "[identity]") {
  const PgShop shop;
  const std::string which = GENERATE("another", "a copy", "a copy that nobody adopted");
  CAPTURE(which);
  const PgShop elsewhere;
  std::string url = elsewhere.url();
  if (which != "another") {
    static_cast<void>(identity(shop.url()));
    elsewhere.await("select count(*) = 0 from pg_stat_activity where datname = '" + shop.name() +
                    "'");
    const std::string name = shop.name() + "_copy_" + std::to_string(which.size());
    admin(shop.server(), "create database " + name + " template " + shop.name());
    url = shop.server().url(name);
    if (which == "a copy") static_cast<void>(identity(url));
  }
  postgres::Options options = PgProcess::quick();
  options.direct_url = url;
  CHECK_THAT(message_of([&] { PgProcess process(shop, options); }),
             Contains("direct_url") && Contains("another database"));
  // The other way round: the pool is on the copy.
  options.direct_url = shop.url();
  CHECK_THAT(message_of([&] { PgProcess process(url, options); }),
             Contains("direct_url") && Contains("another database"));
  options.direct_url = shop.server().socket_url(shop.name());
  PgProcess process(shop, options);
  CHECK(only(process.price(1)) == 2.5);
}

TEST_CASE("postgres identity: a log that comes to lead to another database serves nothing",
          "[identity]") {
  const PgShop shop;
  PostgresServer other_server;
  const PgShop elsewhere(other_server);
  TcpGate log(shop.server().port());
  postgres::Options options = PgProcess::quick();
  options.direct_url = log.url(shop.name());
  PgProcess process(shop, options);
  static_cast<void>(process.price(1));
  // The same name on the other server.
  if (elsewhere.name() != shop.name())
    admin(other_server, "alter database " + elsewhere.name() + " rename to " + shop.name());
  log.redirect(other_server.port());
  log.cut_all();
  catch_up(process);
  CHECK_THAT(message_of([&] { static_cast<void>(process.price(1)); }),
             Contains("leads to another server"));
  CHECK_THAT(message_of([&] { process.set_price(1, 5.0); }), Contains("leads to another server"));
  log.redirect(shop.server().port());
  log.cut_all();
  catch_up(process);
  CHECK(only(process.price(1)) == 2.5);
}
