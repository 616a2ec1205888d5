// What our own SQL means, where somebody else has put functions, operators, types and relations
// ahead of the system's own: never theirs.

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <pqxx/nontransaction>
#include <pqxx/transaction>
#include <set>

#include "postgres_sql.hpp"
#include "querymark/postgres/track.hpp"
#include "support/child.hpp"
#include "support/daemon.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// A database in which the hostile schema comes first on everybody's path.
struct Hostile {
  PostgresServer& server = PostgresServer::shared();
  std::string name = server.create_bare_database();
  std::string url = server.url(name);

  Hostile() {
    run("create table public.item (value double precision);"
        "insert into public.item values (2.5)");
    run(text_of_file(QUERYMARK_TEST_DATA "/hostile.sql"));
    run("alter database " + name + " set search_path = evil, public, pg_catalog");
  }
  void run(const std::string& sql) const {
    pqxx::connection connection(url);
    pqxx::nontransaction(connection).exec(sql);
  }
  [[nodiscard]] bool called() const {
    pqxx::connection connection(url);
    pqxx::nontransaction plain(connection);
    return plain.exec("select is_called from evil.calls")[0][0].as<bool>();
  }
};

// They run on the log's, the doorbell's and migrations' sessions alone, after `pin_own_session`; those of
// an analysis and of `track` in a transaction that has pinned the path.
const std::set<std::string> kOnOwnSessions{"adopt",
                                           "analysed_database",
                                           "analysed_functions",
                                           "analysed_relations",
                                           "analysed_types",
                                           "definitions_now",
                                           "ask_report",
                                           "consumer",
                                           "consumer_advance",
                                           "consumer_claim",
                                           "consumer_register",
                                           "consumer_release",
                                           "consumer_renew",
                                           "coverage",
                                           "deliveries_decide",
                                           "deliveries_forgive",
                                           "deliveries_list",
                                           "deliveries_pay_flush",
                                           "deliveries_record",
                                           "deliveries_settle",
                                           "deliveries_take_due",
                                           "delivery_take_row",
                                           "horizon_holder",
                                           "inspect_behind",
                                           "inspect_consumers",
                                           "inspect_database",
                                           "inspect_findings",
                                           "inspect_rows",
                                           "listening",
                                           "lock_migrations",
                                           "log_glance",
                                           "log_page",
                                           "log_state",
                                           "namespaces",
                                           "pin_log_session",
                                           "prune_allow",
                                           "prune_deliveries",
                                           "prune_extent",
                                           "prune_holders",
                                           "prune_recorded",
                                           "prune_remove",
                                           "reasons_at",
                                           "record_snapshot",
                                           "ring",
                                           "schema_present",
                                           "schema_version",
                                           "statements_schema",
                                           "subscriber_beat",
                                           "subscriber_enter",
                                           "subscriber_leave",
                                           "subscriber_reap",
                                           "subscribers",
                                           "track_all",
                                           "track_columns",
                                           "track_events",
                                           "track_functions",
                                           "track_members",
                                           "track_name_in_ascii",
                                           "track_report_definitions",
                                           "track_silenced"};

}  // namespace

TEST_CASE("postgres names: the hostile schema catches what is not qualified", "[names]") {
  const Hostile hostile;
  const std::string sql =
      GENERATE("select replace('a', 'b', 'c')", "select 1 where 1 = 1", "select 'a' || 'b'::text",
               "select 1 is distinct from 2", "select concat_ws('a'::text, 'b'::text)",
               "select 'a'::text", "select count(*) from public.item", "select 1 from pg_roles");
  CAPTURE(sql);
  CHECK_THROWS_WITH(hostile.run(sql), Catch::Contains("hostile"));
  CHECK(hostile.called());
}

TEST_CASE(
    "postgres names: every statement that runs under somebody else's search_path names the schema "
    "of each function, operator, type and relation (hard case 39)",
    "[names]") {
  const Hostile hostile;
  postgres::migrate(hostile.url);
  for (const std::string& name : kOnOwnSessions)
    CHECK(std::ranges::any_of(postgres::sql::kStatements,
                              [&](const SqlStatement& one) { return one.name == name; }));
  pqxx::connection connection(hostile.url);
  for (const SqlStatement& statement : postgres::sql::kStatements) {
    if (kOnOwnSessions.contains(statement.name)) continue;
    CAPTURE(statement.name);
    pqxx::work work(connection);
    // The types of its parameters, as they are meant.
    work.exec("set local search_path = pg_catalog");
    work.exec(std::string("prepare p as ") + statement.text);
    const std::string parameters =
        work.exec(
                "select coalesce(string_agg('pg_catalog.' || quote_ident(t.typname), ', ' order "
                "by n), '') from pg_prepared_statements s, "
                "unnest(s.parameter_types) with ordinality p(type, n), pg_type t "
                "where t.oid = p.type and s.name = 'p'")[0][0]
            .c_str();
    work.exec("deallocate p");
    // A body that is kept parsed records what its names came to.
    work.exec("set local search_path = evil, public, pg_catalog");
    CHECK_NOTHROW(work.exec("create function public.probe(" + parameters +
                            ") returns void begin atomic " + statement.text + "; end"));
    work.exec("set local search_path = pg_catalog");
    const auto theirs = work.exec(
        "select coalesce(string_agg(pg_describe_object(d.refclassid, d.refobjid, 0), ', '), '') "
        "from pg_depend d where d.classid = 'pg_proc'::regclass and "
        "d.objid = (select oid from pg_proc where proname = 'probe') and "
        "pg_describe_object(d.refclassid, d.refobjid, 0) ~ '(evil|public)\\.'");
    CHECK(std::string(theirs[0][0].c_str()).empty());
    work.abort();
  }
}

TEST_CASE(
    "postgres names: migrating, reading, writing, the low road, the log and the doorbell call "
    "nobody else's code (hard case 39)",
    "[names]") {
  const Hostile hostile;
  REQUIRE_FALSE(postgres::migrate(hostile.url).applied.empty());
  CHECK(postgres::migrate(hostile.url).applied.empty());
  {
    PgProcess process(hostile.url, PgProcess::quick());
    PgProcess other(hostile.url, PgProcess::quick());
    await_listening(process.db);
    await_listening(other.db);
    const auto value = [](PgProcess& at) {
      return only(at.db.query("select value from public.item").tag(tag("item")).fetch_as<double>());
    };
    CHECK(value(process) == 2.5);
    const Receipt written = process.db
                                .write([](postgres::Transaction& tx) {
                                  tx.execute("update public.item set value = 3.5");
                                  tx.invalidate(tag("item"));
                                })
                                .receipt;
    CHECK(other.db.wait(written, Wait::local(10s)).satisfied());
    CHECK(value(other) == 3.5);
    CHECK(process.db.resolve(written) == postgres::WriteFate::committed);

    pqxx::connection own(hostile.url);
    Receipt staged;
    {
      pqxx::work work(own);
      IntentBatch intents;
      intents.add(tag("item"));
      Staged pending = process.db.stage(work, intents);
      work.commit();
      staged = pending.committed();
    }
    CHECK(process.db.resolve(staged) == postgres::WriteFate::committed);
    {
      pqxx::work work(own);
      auto borrowed = process.db.borrow(work, "own");
      CHECK(only(borrowed.query("select value from public.item").fetch_as<double>()) == 3.5);
    }
    process.db.catch_up();

    postgres::Log log(hostile.url, "shop");
    const ClaimResult claim = log.claims()->claim("tier", "me", 30s);
    REQUIRE(claim.status == ClaimStatus::claimed);
    CHECK(log.claims()->renew(claim.claim, 30s));
    CHECK(log.claims()->finish(claim.claim));
    log.claims()->release("tier", "me");
    CHECK(log.holds(written));
    CHECK(log.retained().epoch == log.now().epoch);
  }
  hostile.run(
      "select querymark.adopt(), querymark.adopt(null, null),"
      "querymark.invalidate('shop', 'entity', querymark.target('product', '7'), 'import'),"
      "querymark.ring('shop')");
  hostile.run("truncate querymark.incarnation");
  hostile.run("select querymark.adopt()");
  hostile.run("delete from querymark.log");
  hostile.run("truncate querymark.log");
  CHECK_FALSE(hostile.called());
}

TEST_CASE("postgres names: migrations run by psql call nobody else's code (hard case 39)",
          "[names]") {
  const Hostile hostile;
  for (const Migration& migration : postgres::sql::kMigrations) {
    const Finished psql =
        run({"/usr/bin/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", hostile.url, "-f",
             QUERYMARK_SQL_DIR "/postgres/migrations/" + std::string(migration.name)});
    CAPTURE(psql.output);
    REQUIRE(psql.code == 0);
  }
  CHECK_FALSE(hostile.called());
}

TEST_CASE("postgres names: tracking tables, and what reports their rows, call nobody else's code",
          "[names]") {
  const Hostile hostile;
  REQUIRE_FALSE(postgres::migrate(hostile.url).applied.empty());
  hostile.run(
      "set search_path = pg_catalog;"
      "create table public.part (id integer primary key, name text not null default '')");
  // The name is looked for on the session's path, and nothing else is.
  CHECK(postgres::track(hostile.url, {.tables = {"part"}}).tables.size() == 1);
  CHECK(postgres::check_tracking(hostile.url, {.tables = {"part"}}).empty());
  {
    postgres::Log log(hostile.url, "shop");
    const Cursor before = log.now();
    hostile.run("insert into public.part values (1, 'screw')");
    hostile.run("set search_path = pg_catalog; update public.part set id = 2");
    CHECK_FALSE(log.read({.from = before, .upto = {}, .after = {}, .limit = 100}).rows.empty());
  }
  CHECK(postgres::untrack(hostile.url, {.tables = {"part"}}).tables.size() == 1);
  CHECK_FALSE(hostile.called());
}
