// The demo, as tools/demo runs it, on this machine's installed packages: SQLite, a server of its
// own, a server that is given.

#include <signal.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>

#include "support/child.hpp"
#include "support/postgres_server.hpp"

using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

std::vector<std::string> demo(const std::vector<std::string>& more, int seconds = 1) {
  std::vector<std::string> command{
      DEMO_PROGRAM,  "--catalogue",    "/var/lib/dpkg/status", "--seconds", std::to_string(seconds),
      "--querymark", QUERYMARK_PROGRAM};
  command.insert(command.end(), more.begin(), more.end());
  return command;
}

json report_in(const std::string& output) {
  const auto begin = output.find("{\"");
  REQUIRE(begin != std::string::npos);
  return json::parse(output.substr(begin, output.find('\n', begin) - begin));
}

void check_fresh(const Finished& run, const std::string& database) {
  INFO(run.output);
  REQUIRE(run.code == 0);
  const json report = report_in(run.output);
  CHECK(report["database"] == database);
  CHECK(report["stale_reads_after_wait"] == 0);
  CHECK(report["own_stale_reads"] == 0);
  CHECK(report["checked_reads"] >= 1000);
  CHECK(report["file_tier_hits"] > 0);
}

// Nothing is declared, and plain sessions write, too.
void check_automatic(std::vector<std::string> arguments, const std::string& database) {
  arguments.emplace_back("--automatic");
  std::vector<std::string> with_json = arguments;
  with_json.emplace_back("--json");
  const Finished automatic = run(demo(with_json));
  check_fresh(automatic, database);
  const json report = report_in(automatic.output);
  CHECK(report["tags"] == "automatic");
  CHECK(report["strangers_writes"] >= 10);
  CHECK(report["unproven"] == 0);
  CHECK(report["audits_agreed"] > 0);
  CHECK(report["audits_wrong"] == 0);
  for (const json& precision : {report["precision"], report["declared"]["precision"]}) {
    INFO(precision);
    CHECK(precision["held"] > precision["invalidated"]);
    CHECK(precision["needed"] > 0);
  }
  // On a slow machine few strangers' writes are looked at so, and they may have changed nothing.
  CHECK(report["strangers_precision"]["held"] > report["strangers_precision"]["invalidated"]);
  // The rows of one package are told apart.
  CHECK(report["precision"]["questions"]["a package by its name"]["share_needed"] > 0.5);

  arguments.emplace_back("--canary");
  const Finished canary = run(demo(arguments));
  INFO(canary.output);
  CHECK(canary.code == 0);
  CHECK_THAT(canary.output, Contains("The audit found"));
}

// A database of the shared server that querymark has never seen.
class Fresh {
 public:
  Fresh() : name_("demo" + std::to_string(++count_)) {
    execute("postgres", "create database " + name_);
  }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::string url(const std::string& user = "tester") const {
    return PostgresServer::shared().url(name_, user);
  }
  void execute(const std::string& sql) const { execute(name_, sql); }
  // Schemas, roles, event triggers and triggers' functions that the demo knows, sorted.
  [[nodiscard]] std::string left() const {
    pqxx::connection connection(url());
    pqxx::nontransaction plain(connection);
    const pqxx::result rows = plain.exec(
        "select coalesce(string_agg(name, ' ' order by name), '') from ("
        "select nspname::text as name from pg_namespace where nspname like 'querymark%' union all "
        "select evtname from pg_event_trigger where evtname like 'querymark%' union all "
        "select proname from pg_proc where proname like 't\\_%' and "
        "pronamespace::regnamespace::text "
        "= 'querymark' union all "
        "select rolname from pg_roles where rolname like 'querymark%') them");
    return rows[0][0].c_str();
  }

 private:
  static void execute(const std::string& database, const std::string& sql) {
    pqxx::connection connection(PostgresServer::shared().url(database));
    pqxx::nontransaction(connection).exec(sql);
  }
  static inline int count_ = 0;
  std::string name_;
};

}  // namespace

TEST_CASE("demo: on SQLite no read is stale, and a dropped invalidation shows", "[demo]") {
  check_fresh(run(demo({"--json"})), "SQLite");
  const Finished canary = run(demo({"--canary"}));
  CHECK(canary.code == 0);
  CHECK_THAT(canary.output, Contains("stale reads showed it"));
}

TEST_CASE(
    "demo: on a PostgreSQL server of its own no read is stale, and a dropped invalidation "
    "shows",
    "[demo]") {
  check_fresh(run(demo({"--postgres", "--json"})), "PostgreSQL");
  const Finished canary = run(demo({"--postgres", "--canary"}));
  CHECK(canary.code == 0);
  CHECK_THAT(canary.output, Contains("stale reads showed it"));
}

TEST_CASE(
    "demo: on SQLite nothing is declared, strangers write, and a trigger that is lost is found by "
    "the audit",
    "[demo]") {
  check_automatic({}, "SQLite");
}

TEST_CASE(
    "demo: on PostgreSQL nothing is declared, strangers write, and a trigger that is lost is found "
    "by the audit",
    "[demo]") {
  check_automatic({"--postgres"}, "PostgreSQL");
}

TEST_CASE("demo: a given server is left as it was, and --keep keeps", "[demo]") {
  const Fresh database;
  const Finished first = run(demo({"--db", database.url(), "--json"}));
  check_fresh(first, "PostgreSQL");
  CHECK_THAT(first.output, Contains("creates the schema querymark_demo, the schema querymark"));
  CHECK(database.left().empty());

  REQUIRE(run({QUERYMARK_PROGRAM, "migrate", "--db", database.url()}).code == 0);
  const std::string before = database.left();
  check_fresh(run(demo({"--db", database.url(), "--json"})), "PostgreSQL");
  CHECK(database.left() == before);

  check_fresh(run(demo({"--db", database.url(), "--automatic", "--json"})), "PostgreSQL");
  CHECK(database.left() == before);

  const Finished kept = run(demo({"--db", database.url(), "--keep"}));
  CHECK(kept.code == 0);
  CHECK(database.left() ==
        "querymark querymark_demo querymark_subscriber querymark_worker "
        "querymark_writer");
  const auto folder = kept.output.find("/tmp/querymark-demo-");
  REQUIRE(folder != std::string::npos);
  std::filesystem::remove_all(kept.output.substr(folder, kept.output.rfind('/') - folder));

  const Finished again = run(demo({"--db", database.url()}));
  CHECK(again.code == 1);
  CHECK_THAT(again.output, Contains("drop schema querymark_demo cascade"));
  database.execute(
      "drop schema querymark cascade; drop schema querymark_demo cascade; "
      "drop role querymark_writer, querymark_worker, querymark_subscriber");
}

TEST_CASE("demo: a server that can't be used is an error that names the remedy, and no password",
          "[demo]") {
  const Fresh database;
  database.execute("create role guest login password 's3cret'");
  const std::string port = std::to_string(PostgresServer::shared().port());
  const Finished refused =
      run(demo({"--db", "postgresql://guest:s3cret@127.0.0.1:" + port + '/' + database.name()}));
  CHECK(refused.code == 1);
  CHECK_THAT(refused.output, Contains("grant create on database " + database.name() + " to guest"));
  CHECK_THAT(refused.output, !Contains("s3cret"));

  database.execute("grant create on database " + database.name() + " to guest");
  const Finished plain = run(demo({"--db", database.url("guest"), "--automatic"}));
  CHECK(plain.code == 1);
  CHECK_THAT(plain.output, Contains("superuser"));

  const Finished nobody = run(demo({"--db", "postgresql://guest:s3cret@127.0.0.1:1/shop"}));
  CHECK(nobody.code == 1);
  CHECK_THAT(nobody.output, Contains("can't connect to postgresql://guest@127.0.0.1:1/shop"));
  CHECK_THAT(nobody.output, Contains("--postgres"));
  CHECK_THAT(nobody.output, !Contains("s3cret"));

  const Finished other = run(demo({"--db", "mysql://guest:s3cret@host/shop"}));
  CHECK(other.code == 2);
  CHECK_THAT(other.output, Contains("postgresql://") && !Contains("s3cret"));
}

TEST_CASE("demo: interrupted in the middle, it leaves nothing on a given server", "[demo]") {
  const Fresh database;
  Child interrupted(demo({"--db", database.url(), "--json"}, 60));
  pqxx::connection connection(database.url());
  pqxx::nontransaction plain(connection);
  // The instances are at work once the log grows.
  const auto at_work = [&] {
    if (plain.exec("select to_regclass('querymark.log') is null")[0][0].as<bool>()) return false;
    return plain.exec("select count(*) > 20 from querymark.log")[0][0].as<bool>();
  };
  for (int looks = 0; !at_work(); ++looks) {
    if (looks > 500) FAIL(interrupted.rest());
    plain.exec("select pg_sleep(0.02)");
  }
  interrupted.signal(SIGINT);
  CHECK(interrupted.join() == 130);
  CHECK(database.left().empty());
}
