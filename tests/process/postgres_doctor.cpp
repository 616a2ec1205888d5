// What `querymark doctor` finds on PostgreSQL. What it advises is done, and then it finds nothing.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/prepared_statement>
#include <pqxx/result>
#include <pqxx/version>
#include <sstream>
#if PQXX_VERSION_MAJOR >= 7
#include <pqxx/params>
#endif

#include "support/child.hpp"
#include "support/daemon.hpp"
#include "support/pg_bouncer.hpp"
#include "support/pg_shop.hpp"
#include "support/sql_file.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

// As programs of before read the log, by the statement "tail".
void read_tail(pqxx::nontransaction& plain) {
#if PQXX_VERSION_MAJOR < 7
  plain.exec_prepared("tail", "shop", "0", "{}", nullptr, "0", 0, 1);
#else
  plain.exec(pqxx::prepped{"tail"}, pqxx::params{"shop", "0", "{}", nullptr, "0", 0, 1});
#endif
}

std::vector<std::string> doctor(const std::string& url, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {QUERYMARK_PROGRAM, "doctor", "--db", url});
  return more;
}

// The finding that says `what`; null if there is none.
json finding(const std::string& url, const std::string& what, std::vector<std::string> more = {}) {
  more.emplace_back("--json");
  const Finished done = run(doctor(url, std::move(more)));
  std::istringstream lines(done.output);
  for (std::string line; std::getline(lines, line);) {
    CAPTURE(line);
    json found = json::parse(line);
    if (found["severity"] != "notice") CHECK(done.code == 4);
    if (found["what"].get<std::string>().find(what) != std::string::npos) return found;
  }
  return nullptr;
}

}  // namespace

TEST_CASE("doctor: settings that hurt are named, and go by what it advises", "[doctor]") {
  const PgShop shop;
  struct Hurt {
    std::string how;
    std::string what;
  };
  const std::string here = '"' + shop.name() + '"';
  const std::vector<Hurt> hurts{
      {"alter database " + here + " set track_counts = off", "track_counts is off"},
      {"alter role tester in database " + here + " set track_counts = off",
       "track_counts is off for the role tester"},
      {"alter table querymark.delivery set (autovacuum_enabled = false)",
       "autovacuum is off for querymark.delivery"}};
  for (const Hurt& hurt : hurts) {
    CAPTURE(hurt.how);
    CHECK(finding(shop.url(), hurt.what).is_null());
    shop.execute(hurt.how);
    const json found = finding(shop.url(), hurt.what);
    REQUIRE_FALSE(found.is_null());
    const std::string advice = found["advice"];
    CAPTURE(advice);
    shop.execute(advice.substr(0, advice.find(',')));
    CHECK(finding(shop.url(), hurt.what).is_null());
  }
  shop.execute("create publication all_of_it for all tables");
  CHECK(finding(shop.url(), "the publication all_of_it carries querymark.log")["severity"] ==
        "warning");
}

TEST_CASE("doctor: a program of before schema 5 is named, since nobody waits for it (hard case 63)",
          "[doctor]") {
  const PgShop shop;
  PgProcess process(shop);
  await_listening(process.db);
  static_cast<void>(process.price(1));
  constexpr const char* kWhat = "a program of before schema 5";
  CHECK(finding(shop.url(), kWhat).is_null());
  for (const std::string version : {"2", "4"}) {
    CAPTURE(version);
    const SqlFile statements{
        text_of_file(QUERYMARK_TEST_DATA "/postgres_queries_" + version + ".sql")};
    pqxx::connection old(shop.url() + "?application_name=old_shop");
    old.prepare("tail", statements.get("log_page"));
    pqxx::nontransaction plain(old);
    read_tail(plain);
    const json found = finding(shop.url(), kWhat);
    REQUIRE_FALSE(found.is_null());
    CHECK(found["severity"] == "warning");
    CHECK_THAT(found["what"].get<std::string>(),
               Contains("old_shop") && Contains("pid " + std::to_string(old.backendpid())));
    CHECK(found["advice"] == "upgrade the program");
  }
}

TEST_CASE("doctor: a role that may see little is told what it can't tell", "[doctor]") {
  const PgShop shop;
  shop.execute("create role onlooker login in role querymark_subscriber");
  PgProcess process(shop);
  await_listening(process.db);
  const std::string url = shop.server().url(shop.name(), "onlooker");
  CHECK_THAT(finding(url, "is hidden from onlooker")["advice"].get<std::string>(),
             Contains("grant pg_read_all_stats to onlooker"));
  CHECK(finding(url, "onlooker may not update querymark.consumer")["severity"] == "error");
  shop.execute("grant pg_read_all_stats to onlooker");
  CHECK(finding(url, "is hidden from onlooker").is_null());
  shop.execute("drop owned by onlooker; drop role onlooker");
}

TEST_CASE("doctor: where it can't look at what tables report it says so, and all else",
          "[doctor]") {
  const PgShop shop;
  shop.execute(
      "create role shortsighted login in role querymark_subscriber;"
      "revoke select on pg_event_trigger from public");
  const std::string url = shop.server().url(shop.name(), "shortsighted");
  const json found = finding(url, "can't be checked");
  REQUIRE_FALSE(found.is_null());
  CHECK(found["severity"] == "error");
  CHECK_THAT(found["what"].get<std::string>(), Contains("pg_event_trigger"));
  CHECK_FALSE(finding(url, "shortsighted may not update querymark.consumer").is_null());
  shop.execute("drop owned by shortsighted; drop role shortsighted");
}

TEST_CASE(
    "doctor: event triggers that are switched off as a whole are found, for a role and for the "
    "database",
    "[doctor]") {
  const PgShop shop;
  constexpr const char* kWhat = "event triggers are switched off for";
  CHECK(finding(shop.url(), kWhat).is_null());
  const bool real = shop.text("select current_setting('server_version_num')::int >= 170000") == "t";
  shop.execute("create role \"Quiet One\"");
  // Before PostgreSQL 17 there is no such setting, and the question does no harm.
  const auto set = [&](const std::string& real_one, const std::string& row) {
    shop.execute(real ? real_one
                      : "set allow_system_table_mods = on;"
                        "insert into pg_db_role_setting values (" +
                            row + ")");
  };
  const auto reset = [&](const std::string& advice) {
    shop.execute(real ? advice.substr(0, advice.find(','))
                      : "set allow_system_table_mods = on; delete from pg_db_role_setting "
                        "where setconfig::text like '%event_triggers%'");
  };
  SECTION("for a role") {
    set("alter role \"Quiet One\" set event_triggers = false",
        "0, (select oid from pg_roles where rolname = 'Quiet One'), '{event_triggers=false}'");
    const json found = finding(shop.url(), kWhat);
    REQUIRE_FALSE(found.is_null());
    CHECK(found["severity"] == "error");
    CHECK_THAT(found["what"].get<std::string>(), Contains("the role Quiet One"));
    CHECK(found["advice"] == "alter role \"Quiet One\" reset event_triggers, and reconnect");
    const Finished check = run({QUERYMARK_PROGRAM, "track", "--check", "--db", shop.url()});
    CHECK(check.code == 1);
    CHECK_THAT(check.output, Contains(kWhat));
    reset(found["advice"]);
  }
  SECTION("for a role in this database") {
    REQUIRE(run({QUERYMARK_PROGRAM, "track", "product", "--db", shop.url()}).code == 0);
    const std::vector<std::string> explain{QUERYMARK_PROGRAM, "explain", "--db", shop.url(),
                                           "select 1"};
    CHECK(run(explain).code == 0);
    const std::string whose = "role \"Quiet One\" in database " + shop.name();
    set("alter " + whose + " set event_triggers = off",
        "(select oid from pg_database where datname = current_database()), "
        "(select oid from pg_roles where rolname = 'Quiet One'), '{event_triggers=off}'");
    const json found = finding(shop.url(), kWhat);
    REQUIRE_FALSE(found.is_null());
    CHECK(found["advice"] == "alter " + whose + " reset event_triggers, and reconnect");
    // Nor is anything kept that changes of definitions could make wrong.
    CHECK_THAT(run(explain).output, Contains("nothing reports changes of definitions"));
    reset(found["advice"]);
    CHECK(run(explain).code == 0);
  }
  SECTION("for nobody") {
    set("alter role \"Quiet One\" set event_triggers = on",
        "0, (select oid from pg_roles where rolname = 'Quiet One'), '{event_triggers=on}'");
    CHECK(finding(shop.url(), kWhat).is_null());
    reset("alter role \"Quiet One\" reset event_triggers,");
  }
  CHECK(finding(shop.url(), kWhat).is_null());
  shop.execute("drop role \"Quiet One\"");
}

TEST_CASE("doctor: a log that is shorter than values live is told", "[doctor]") {
  const PgShop shop;
  {
    PgProcess process(shop);
  }
  constexpr const char* kWhat = "values live for 60 min";
  CHECK(finding(shop.url(), kWhat, {"--largest-ttl", "1h"}).is_null());
  REQUIRE(run({QUERYMARK_PROGRAM, "prune", "--db", shop.url(), "--retention", "0s"}).code == 0);
  const json found = finding(shop.url(), kWhat, {"--largest-ttl", "1h"});
  REQUIRE_FALSE(found.is_null());
  CHECK_THAT(found["advice"].get<std::string>(), Contains("retention"));
  CHECK(finding(shop.url(), kWhat).is_null());
  CHECK(run(doctor(shop.url(), {"--largest-ttl", "soon"})).code == 2);
}

TEST_CASE("doctor: clocks that differ are told, and which of them is ahead", "[doctor]") {
  const PgShop shop;
  const auto told = [&](const std::string& ahead) {
    return run({"/usr/bin/env", "QUERYMARK_TEST_AHEAD=" + ahead, QUERYMARK_SKEWED, "doctor", "--db",
                shop.url()})
        .output;
  };
  constexpr const char* kWhat = "the database's clock is";
  CHECK_THAT(told("0"), !Contains(kWhat));
  CHECK_THAT(told("5400"), Contains("the database's clock is 90 min behind this machine's"));
  CHECK_THAT(told("-600"), Contains("the database's clock is 10 min ahead of this machine's"));
}

TEST_CASE("doctor: a transaction that is left open is named, whether it has written or not",
          "[doctor]") {
  const PgShop shop;
  pqxx::connection idle(shop.url() + "?application_name=forgetful");
  pqxx::nontransaction plain(idle);
  const std::string pid = std::to_string(idle.backendpid());
  const std::vector<std::string> at_once{"--longest-open", "0s"};
  plain.exec("begin");
  plain.exec("select 1");  // holds nothing: its snapshot went with the statement
  CHECK(finding(shop.url(), pid, at_once).is_null());
  plain.exec("rollback");

  std::string what = "session " + pid + " of forgetful is idle in a transaction";
  SECTION("in one that only reads, of one snapshot") {
    plain.exec("begin isolation level repeatable read");
    plain.exec("select 1");
  }
  SECTION("in one that has written") {
    plain.exec("begin");
    plain.exec("update product set price = 5 where id = 1");
    what = "transaction (pid " + pid + ") of forgetful is open";
  }
  CHECK(finding(shop.url(), what).is_null());  // not for a minute yet
  const json found = finding(shop.url(), what, at_once);
  REQUIRE_FALSE(found.is_null());
  CHECK(found["severity"] == "warning");
  const std::string advice = found["advice"];
  CAPTURE(advice);
  const std::size_t statement = advice.find("select");
  shop.execute(advice.substr(statement, advice.find(';') - statement));
  shop.await("select count(*) = 0 from pg_stat_activity where pid = " + pid);
  CHECK(finding(shop.url(), what, at_once).is_null());
  CHECK(run(doctor(shop.url(), {"--longest-open", "soon"})).code == 2);
}

TEST_CASE("doctor: a replication slot that nobody uses is named once it keeps much WAL",
          "[doctor]") {
  PostgresServer server({"max_wal_size=32MB", "min_wal_size=32MB"});
  const PgShop shop(server);
  shop.execute("select pg_create_physical_replication_slot('left_behind', true)");
  constexpr const char* kWhat = "the replication slot left_behind, which nobody uses, keeps";
  CHECK(finding(shop.url(), kWhat).is_null());
  for (int segment = 0; segment < 3; ++segment)
    shop.execute("select pg_logical_emit_message(false, 'doctor', 'something'), pg_switch_wal()");
  const json found = finding(shop.url(), kWhat);
  REQUIRE_FALSE(found.is_null());
  const std::string advice = found["advice"];
  CAPTURE(advice);
  const std::size_t statement = advice.find("select");
  shop.execute(advice.substr(statement, advice.find(';', statement) - statement));
  CHECK(finding(shop.url(), kWhat).is_null());
}

TEST_CASE("doctor: behind a pooling proxy it says what to give it instead", "[doctor]") {
  const PgShop shop;
  const PgBouncer proxy(shop.server());
  const Finished done = run(doctor(proxy.url(shop.name())));
  CAPTURE(done.output);
  CHECK(done.code == 2);
  CHECK_THAT(done.output, Contains("leads to a pooling proxy; name the server itself"));
  CHECK(run(doctor("postgresql://tester@127.0.0.1:1/none")).code == 3);
}

TEST_CASE("doctor: what a target that is no more has left goes by what it advises", "[doctor]") {
  const PgShop shop;
  CHECK(finding(shop.url(), "nothing of it").is_null());  // adopts the history
  shop.execute(
      "insert into querymark.consumer (namespace, name, epoch, cursor)"
      " select 'o''shop', 'file-tier:gone', m.epoch, pg_current_snapshot() from querymark.meta m;"
      "insert into querymark.delivery (namespace, consumer, epoch, kind, target, first_position, "
      "position, state,"
      " attempts, available_at, deadline)"
      " select 'o''shop', 'file-tier:gone', m.epoch, 'tag', 'one', '1', '1', 'dead', 1, now(), "
      "'infinity'"
      " from querymark.meta m");
  const std::string what = "no worker drains the target file-tier:gone of the namespace o'shop";
  shop.execute("select querymark.invalidate('o''shop', 'tag', 'one')");
  shop.execute("update querymark.log set created_at = now() - interval '10 minutes'");
  const json found = finding(shop.url(), what, {"--namespace", "o'shop"});
  REQUIRE_FALSE(found.is_null());
  const std::string advice = found["advice"];
  CAPTURE(advice);
  shop.execute(advice.substr(advice.find("delete from")));
  CHECK(finding(shop.url(), what, {"--namespace", "o'shop"}).is_null());
  pqxx::connection connection(shop.url());
  pqxx::nontransaction plain(connection);
  CHECK(plain.exec("select from querymark.consumer").empty());
  CHECK(plain.exec("select from querymark.delivery").empty());
}
