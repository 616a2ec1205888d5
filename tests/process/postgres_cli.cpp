// The executable `querymark` on PostgreSQL.

#include <SQLiteCpp/SQLiteCpp.h>
#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <pqxx/connection>
#include <pqxx/nontransaction>

#include "querymark/file_tier/file_tier.hpp"
#include "support/child.hpp"
#include "support/patient_tier.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/tcp_gate.hpp"
#include "support/temp_dir.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

std::vector<std::string> worker(const PgShop& shop, const std::string& tier) {
  return {kProgram,      "worker", "--db",     shop.url(),
          "--namespace", "shop",   "--target", "sqlite:" + tier};
}

Finished worker_once(const PgShop& shop, const std::string& tier) {
  auto command = worker(shop, tier);
  command.emplace_back("--once");
  return run(command);
}

std::int64_t tier_entries(const std::string& tier) {
  SQLite::Database database(tier, SQLite::OPEN_READWRITE, 5000);
  return database.execAndGet("select count(*) from querymark_tier_entry").getInt64();
}

}  // namespace

TEST_CASE("cli: who waits for a server that does not answer can be ended at once", "[cli]") {
  const TempDir dir;
  const std::string target = "sqlite:" + dir.file("tier");
  const std::vector<std::vector<std::string>> commands{{"tail"},
                                                       {"top"},
                                                       {"prune"},
                                                       {"worker", "--target", target},
                                                       {"worker", "--once", "--target", target}};
  for (std::vector<std::string> command : commands) {
    CAPTURE(command);
    TcpGate gate(PostgresServer::shared().port());
    gate.set_rule([](bool, const std::string&) { return TcpGate::Verdict::hold; });
    command.insert(command.begin(), kProgram);
    command.insert(command.end(), {"--db", gate.url("postgres")});
    Child child(command);
    gate.await_held();
    child.signal(SIGTERM);
    CHECK(child.join() == -SIGTERM);
    gate.release();
  }
}

TEST_CASE("cli: who looks at a log whose server hangs ends soon after it is told to", "[cli]") {
  const PgShop shop;
  PgProcess process(shop);
  process.set_price(1, 4.0);
  const std::vector<std::vector<std::string>> commands{
      {"tail", "--namespace", "shop", "--retained"}, {"top", "--interval", "10ms"}};
  for (std::vector<std::string> command : commands) {
    CAPTURE(command);
    TcpGate gate(shop.server().port());
    command.insert(command.begin(), kProgram);
    command.insert(command.end(), {"--json", "--db", gate.url(shop.name())});
    Child child(command);
    static_cast<void>(child.hear());
    gate.set_rule([](bool to_server, const std::string&) {
      return to_server ? TcpGate::Verdict::hold : TcpGate::Verdict::pass;
    });
    gate.await_held();
    child.signal(SIGTERM);
    CHECK(child.join() == -SIGTERM);
    gate.release();
  }
}

TEST_CASE("cli: migrate takes a PostgreSQL URL and never shows its password", "[cli]") {
  PostgresServer& server = PostgresServer::shared();
  pqxx::connection admin(server.url("postgres"));
  pqxx::nontransaction(admin).exec("create database bare");
  const std::string url = "postgresql://tester:sesame@127.0.0.1:" + std::to_string(server.port());
  const Finished dry = run({kProgram, "migrate", "--db", url + "/bare", "--dry-run"});
  CHECK(dry.code == 0);
  CHECK_THAT(dry.output, Contains("would apply 0001_outbox.sql") && !Contains("sesame"));
  const Finished first = run({kProgram, "migrate", "--db", url + "/bare", "--json"});
  CHECK(first.code == 0);
  CHECK_THAT(first.output, Contains("0001_outbox.sql") && !Contains("sesame"));
  CHECK_THAT(run({kProgram, "migrate", "--db", url + "/bare"}).output, Contains("nothing to do"));
  const Finished missing = run({kProgram, "migrate", "--db", url + "/nowhere"});
  CHECK(missing.code == 3);
  CHECK_THAT(missing.output, Contains("nowhere") && !Contains("sesame"));
  const Finished garbled = run({kProgram, "migrate", "--db", "postgresql://x:sesame@[y/z"});
  CHECK(garbled.code == 2);
  CHECK_THAT(garbled.output, !Contains("sesame"));
}

TEST_CASE("cli: a keyword string names a server, not a file, and its password stays hidden",
          "[cli]") {
  const PgShop shop;
  const TempDir dir;
  const std::string keywords = "host=127.0.0.1 port=" + std::to_string(shop.server().port()) +
                               " user=tester password=sesame dbname=" + shop.name();
  const auto migrate = [&](const std::string& db) {
    return run(
        {"/bin/sh", "-c",
         "cd " + dir.path().string() + " && exec " + kProgram + " migrate --db \"" + db + '"'});
  };
  const Finished done = migrate(keywords);
  CHECK(done.code == 0);
  CHECK_THAT(done.output, Contains("nothing to do") && !Contains("sesame"));
  const Finished unknown = migrate(keywords + " foo=bar");
  CHECK(unknown.code == 2);
  CHECK_THAT(unknown.output, Contains("does not know: foo") && !Contains("sesame"));
  CHECK_THAT(migrate(shop.url() + "?foo=bar").output, Contains("does not know: foo"));
  for (const char* garbled : {"postgresql://me:ses@me@127.0.0.1/x", "postgresql://me:sesame/x",
                              "password=sesame host", "postgresql:/me:sesame@h/x"}) {
    CAPTURE(garbled);
    const Finished refused = migrate(garbled);
    CHECK(refused.code == 2);
    CHECK_THAT(refused.output, !Contains("sesame") && !Contains("me@127"));
  }
  CHECK(std::filesystem::is_empty(dir.path()));
  const std::string file = dir.file("db");
  std::ofstream(file) << keywords << '\n';
  CHECK(run({kProgram, "worker", "--db-file", file, "--namespace", "shop", "--once", "--target",
             "sqlite:" + dir.file("tier")})
            .code == 0);
  CHECK_THAT(run({kProgram, "worker", "--db-file", file, "--target", shop.url()}).output,
             Contains("a shared tier is a file"));
}

TEST_CASE("cli: a worker of a namespace without rows names those in a PostgreSQL log", "[cli]") {
  const PgShop shop;
  const TempDir dir;
  PgProcess process(shop);
  process.set_price(1, 4.0);
  const auto worker = [&](const std::string& name) {
    return run({kProgram, "worker", "--db", shop.url(), "--namespace", name, "--target",
                "sqlite:" + dir.file("tier"), "--once"});
  };
  CHECK_THAT(worker("default").output, Contains("is --namespace right?") && Contains("used=shop"));
  CHECK_THAT(worker("shop").output, !Contains("is --namespace right?"));
}

TEST_CASE("cli: the worker drains a PostgreSQL log into a file tier", "[cli]") {
  const PgShop shop;
  const TempDir dir;
  const std::string tier = dir.file("tier");
  PgProcess process(shop);
  process.db.attach(patient_tier(tier));
  CHECK(worker_once(shop, tier).code == 0);  // a new target starts with a flush
  static_cast<void>(process.price(1));
  static_cast<void>(process.price(2));
  CHECK(tier_entries(tier) == 2);
  process.set_price(1, 4.0);
  const Finished drained = worker_once(shop, tier);
  CHECK(drained.code == 0);
  CHECK_THAT(drained.output, Contains("applied=1"));
  CHECK(tier_entries(tier) == 1);
  CHECK(shop.number("select count(*) from querymark.consumer where owner is null and cursor is not "
                    "null") == 1);

  PgProcess newcomer(shop);
  newcomer.db.attach(patient_tier(tier));
  CHECK(newcomer.price(2).outcome().origin == Origin::shared_tier);
  CHECK(only(newcomer.price(1)) == 4.0);
}

TEST_CASE("cli: a PostgreSQL lease keeps others out, unless a wrong clock has made it endless",
          "[cli]") {
  const PgShop shop;
  const TempDir dir;
  const std::string tier = dir.file("tier");
  PgProcess process(shop);
  process.db.attach(patient_tier(tier));
  REQUIRE(worker_once(shop, tier).code == 0);
  process.set_price(1, 4.0);
  const std::string taken =
      "update querymark.consumer set owner = 'other', token = 7, lease_until = ";
  shop.execute(taken + "clock_timestamp() + interval '10 minutes'");
  const Finished standby = worker_once(shop, tier);
  CHECK(standby.code == 4);
  CHECK_THAT(standby.output, Contains("another worker holds the lease"));
  shop.execute(taken + "'infinity'");
  const Finished drained = worker_once(shop, tier);
  CHECK(drained.code == 0);
  CHECK_THAT(drained.output, Contains("applied=1"));
}

TEST_CASE(
    "cli: a running worker follows the doorbell, survives the loss of its connections, and "
    "releases its lease on SIGTERM",
    "[cli]") {
  const PgShop shop;
  const TempDir dir;
  const std::string tier = dir.file("tier");
  PgProcess process(shop);
  process.db.attach(patient_tier(tier));
  Child child(worker(shop, tier));
  CHECK_THAT(child.hear(), Contains("worker started"));
  CHECK_THAT(child.hear(), Contains("flushed"));
  static_cast<void>(process.price(1));
  process.set_price(1, 4.0);
  CHECK_THAT(child.hear(), Contains("applied=1"));
  shop.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = '" +
               shop.name() + "' and pid <> pg_backend_pid()");
  process.set_price(1, 5.0);
  std::string line;
  while (line.find("applied=1") == std::string::npos) line = child.hear();
  child.signal(SIGTERM);
  CHECK(child.join() == 0);
  CHECK(shop.number("select count(*) from querymark.consumer where owner is null") == 1);
}

TEST_CASE("cli: a worker keeps the log no shorter than the largest TTL that it is told of",
          "[cli]") {
  const PgShop shop;
  const TempDir dir;
  std::ofstream(dir.file("worker.toml"))
      << "db = \"" << shop.url()
      << "\"\nnamespace = \"shop\"\ntarget = \"sqlite:" << dir.file("tier")
      << "\"\n[prune]\nretention = \"0s\"\ninterval = \"1s\"\n";
  REQUIRE(worker_once(shop, dir.file("tier")).code == 0);  // whose epoch it is
  shop.execute("select querymark.invalidate('shop', 'entity', 'product:1')");
  std::vector<std::string> command{kProgram, "worker", "--config", dir.file("worker.toml")};
  const auto runs_until = [&](const std::string& sql) {
    Child child(command);
    shop.await(sql);
    child.signal(SIGTERM);
    CHECK(child.join() == 0);
  };
  command.insert(command.end(), {"--largest-ttl", "3600"});
  runs_until("select count(*) >= 2 from querymark.snapshot");  // it has looked at what may go
  CHECK(shop.number("select count(*) from querymark.log") == 1);
  command.resize(command.size() - 2);
  runs_until("select count(*) = 0 from querymark.log");
}

TEST_CASE("cli: status, doctor and tail look into a PostgreSQL log", "[cli]") {
  const PgShop shop;
  const TempDir dir;
  PgProcess process(shop);
  REQUIRE(worker_once(shop, dir.file("tier")).code == 0);
  process.set_price(1, 4.0);
  const auto command = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), kProgram);
    arguments.insert(arguments.end(), {"--db", shop.url()});
    return run(arguments);
  };
  const Finished status = command({"status"});
  CHECK(status.code == 0);
  CHECK_THAT(status.output, Contains("no worker holds its lease") && Contains("shop"));
  CHECK_THAT(command({"status", "--json"}).output,
             Contains(R"("rows":1)") && Contains(R"("bytes":)"));
  CHECK_THAT(command({"tail", "--namespace", "shop", "--retained", "--once"}).output,
             Contains("entity product:1"));
  // A trigger that rings inside writes, and a transaction that stays open.
  shop.execute(
      "create function shout() returns trigger language plpgsql as "
      "$$ begin perform pg_notify('shop', 'x'); return null; end $$");
  shop.execute("create trigger loud after update on product execute function shout()");
  const Finished doctor = command({"doctor"});
  CHECK(doctor.code == 4);
  CHECK_THAT(doctor.output, Contains("the trigger loud on public.product calls NOTIFY") &&
                                Contains("querymark.ring"));
  const Finished pruned = command({"prune", "--retention", "0s"});
  CHECK_THAT(pruned.output, Contains("removed"));
}

TEST_CASE("cli: top says that the database is gone, and goes on when it is back", "[cli]") {
  PostgresServer server;
  const PgShop shop(server);
  const std::vector<std::string> command{kProgram, "top",        "--db", shop.url(),
                                         "--json", "--interval", "10ms"};
  Child top(command);
  CHECK_THAT(top.hear(), Contains(R"("epoch":)"));
  server.stop(SIGQUIT);
  std::string line = top.hear();
  while (line.find(R"("epoch":)") != std::string::npos) line = top.hear();
  CHECK_THAT(line, Contains(R"("event":"tries again")"));
  server.start();
  while (line.find(R"("epoch":)") == std::string::npos) line = top.hear();
  top.signal(SIGTERM);
  CHECK(top.join() == 0);
  server.stop(SIGINT);
  CHECK(run(command).code == 3);
}

TEST_CASE("cli: tables of a PostgreSQL database report for themselves", "[cli]") {
  const PgShop shop;
  const auto command = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), kProgram);
    arguments.insert(arguments.begin() + 2, {"--db", shop.url()});
    return run(arguments);
  };
  const std::string query = "select name from product where id = $1";
  const Finished before = command({"explain", query});
  CHECK(before.code == 1);
  CHECK_THAT(before.output, Contains("ttl only") && Contains("product"));
  CHECK(command({"track", "product", "--check"}).code == 1);
  const Finished dry = command({"track", "product", "--dry-run"});
  CHECK(dry.code == 0);
  CHECK_THAT(dry.output, Contains("create trigger") || Contains("create or replace trigger"));
  CHECK(command({"track", "product"}).code == 0);
  const Finished after = command({"explain", query});
  CHECK(after.code == 0);
  CHECK_THAT(after.output, Contains("public:product by id = $1"));
  CHECK(command({"track", "product", "--check"}).code == 0);
  shop.execute("alter table product disable trigger all");
  CHECK(command({"track", "product", "--check"}).code == 1);
  CHECK(command({"doctor", "--namespace", "shop"}).code == 4);
  CHECK(command({"track", "product"}).code == 0);
  CHECK(command({"untrack", "product"}).code == 0);
  CHECK(command({"explain", query}).code == 1);
  const Finished wrong = command({"explain", "select nothing from nowhere"});
  CHECK(wrong.code != 0);
  CHECK_THAT(wrong.output, Contains("nowhere"));
}
