#include "querymark/postgres/migrate.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <set>
#include <span>

#include "postgres_sql.hpp"
#include "querymark/support/error.hpp"
#include "sqlite_sql.hpp"
#include "support/child.hpp"
#include "support/postgres_server.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

// A database without the querymark schema.
std::string bare_database() {
  return PostgresServer::shared().url(PostgresServer::shared().create_bare_database());
}

}  // namespace

TEST_CASE("postgres migrate: each file also works alone through psql and records its version",
          "[migrate]") {
  const std::string url = bare_database();
  for (const Migration& migration : postgres::sql::kMigrations) {
    const Finished psql =
        run({"/usr/bin/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f",
             QUERYMARK_SQL_DIR "/postgres/migrations/" + std::string(migration.name)});
    CAPTURE(psql.output);
    REQUIRE(psql.code == 0);
  }
  CHECK(postgres::migrate(url).applied.empty());
}

TEST_CASE("postgres migrate: a schema of that name which another program has made is told of",
          "[migrate]") {
  const std::string url = bare_database();
  pqxx::connection connection(url);
  pqxx::nontransaction plain(connection);
  const char* const theirs =
      GENERATE("", "create table querymark.item (id int)",
               "create table querymark.schema (name text, applied_at timestamptz)",
               "create view querymark.schema as select 7 as version",
               "create table querymark.schema (version text, name text, applied_at timestamptz);"
               "insert into querymark.schema values ('seven')");
  CAPTURE(theirs);
  plain.exec(std::string("create schema querymark; ") + theirs);
  for (const bool dry_run : {true, false}) {
    CHECK_THROWS_WITH(postgres::migrate(url, dry_run),
                      Catch::Contains("another program has made") &&
                          Catch::Contains("alter schema querymark rename to"));
    CHECK_THROWS_AS(postgres::migrate(url, dry_run), SchemaError);
  }
  plain.exec("alter schema querymark rename to theirs");
  CHECK_FALSE(postgres::migrate(url).applied.empty());
}

TEST_CASE("postgres statements: every named statement prepares on a freshly migrated database",
          "[migrate]") {
  const std::string url = bare_database();
  postgres::migrate(url);
  pqxx::connection connection(url);
  for (const SqlStatement& statement : postgres::sql::kStatements) {
    CAPTURE(statement.name);
    pqxx::nontransaction plain(connection);
    CHECK_NOTHROW(plain.exec(std::string("prepare p as ") + statement.text));
    plain.exec("deallocate p");
  }
}

TEST_CASE("statements: what means the same bears the same name in both dialects", "[migrate]") {
  using Statements = std::span<const SqlStatement>;
  const auto only_in = [](Statements one, Statements other) {
    std::set<std::string> found;
    for (const SqlStatement& statement : one) found.emplace(statement.name);
    for (const SqlStatement& statement : other) found.erase(statement.name);
    return found;
  };
  // What only a file has: an inode, a boot, a rewind, a copy of the schema in each connection; and
  // transactions of several statements, where a server takes one.
  CHECK(only_in(sqlite::sql::kStatements, postgres::sql::kStatements) ==
        std::set<std::string>{"acted_on",
                              "aggregate_named",
                              "callers_settings",
                              "claim_file",
                              "consumer_forget_flush",
                              "consumer_forgive",
                              "consumer_holds",
                              "consumer_owe_flush",
                              "consumer_pay_flush",
                              "definitions",
                              "definitions_that_fail",
                              "deliveries_due",
                              "deliveries_equal",
                              "deliveries_supersede_all",
                              "deliveries_take_back",
                              "delivery_applied",
                              "delivery_leave",
                              "delivery_settle",
                              "delivery_supersede",
                              "delivery_take",
                              "delivery_taken",
                              "delivery_widen",
                              "empty_log",
                              "function_named",
                              "ids_counted",
                              "ids_forget",
                              "ids_keep_newest",
                              "log_last",
                              "log_rows",
                              "meta",
                              "module_named",
                              "replace_database_id",
                              "replace_epoch",
                              "table_columns",
                              "table_kind",
                              "table_text",
                              "table_triggers",
                              "tell_definitions",
                              "temporary_names",
                              "temporary_objects",
                              "told_definitions",
                              "tracked_candidates",
                              "trigger_owner",
                              "unique_keys",
                              "users_functions",
                              "views",
                              "write_at"});
  // What only a server has: sessions, roles, snapshots, channels, types made by users.
  CHECK(only_in(postgres::sql::kStatements, sqlite::sql::kStatements) ==
        std::set<std::string>{"adopt",
                              "analysed_database",
                              "analysed_functions",
                              "analysed_parameters",
                              "analysed_relations",
                              "analysed_types",
                              "append_one",
                              "ask_report",
                              "backend",
                              "begin_write",
                              "definitions_now",
                              "deliveries_forgive",
                              "deliveries_pay_flush",
                              "deliveries_record",
                              "deliveries_settle",
                              "deliveries_take_due",
                              "end_write",
                              "horizon_holder",
                              "leave_read",
                              "leave_read_customs",
                              "listening",
                              "load_state",
                              "lock_migrations",
                              "log_glance",
                              "pin_log_session",
                              "pin_own_session",
                              "pin_session",
                              "promised_reads",
                              "prove_session",
                              "prove_session_customs",
                              "prune_recorded",
                              "record_snapshot",
                              "ring",
                              "session",
                              "session_settings",
                              "settings_now",
                              "settled_unseen",
                              "standby_state",
                              "statements_schema",
                              "subscriber_beat",
                              "subscriber_enter",
                              "subscriber_leave",
                              "subscriber_reap",
                              "subscribers",
                              "track_all",
                              "track_columns",
                              "track_events",
                              "track_find",
                              "track_functions",
                              "track_members",
                              "track_name_in_ascii",
                              "track_report_definitions",
                              "track_silenced",
                              "type_names",
                              "write_position",
                              "write_status"});
}

TEST_CASE(
    "postgres statements: the tail reads what it returns, and never scans, under both plan "
    "modes (hard case 21)",
    "[migrate]") {
  const std::string url = bare_database();
  postgres::migrate(url);
  pqxx::connection connection(url);
  pqxx::nontransaction plain(connection);
  // A million rows of three a transaction: ids 1000 to 334333.
  plain.exec(
      "insert into querymark.log (xid, namespace, kind, target) select ((3000 + i) / "
      "3)::text::xid8, "
      "'shop', 'tag', 't' || i from generate_series(0, 999999) i");
  plain.exec("analyze querymark.log");
  plain.exec("set jit = off");
  plain.exec(std::string("prepare tail (text, text, text, text, text, bigint, bigint, boolean) as ")
                 .append(postgres::sql::log_page.text));
  // The last rows read by each scan of the log, with those that a filter removed.
  const auto read = [&](const std::string& arguments, int returned) {
    std::string text;
    int seen = 0;
    bool in_log = false;
    for (const auto& row : plain.exec("explain (analyze, costs off, timing off, summary off) "
                                      "execute tail (" +
                                      arguments + ")")) {
      const std::string line = row[0].c_str();
      text += line + '\n';
      const auto count_after = [&](std::string_view what) {
        const std::size_t at = line.find(what);
        return at == std::string::npos ? 0 : std::atoi(line.c_str() + at + what.size());
      };
      if (line.find("->") != std::string::npos) {
        in_log = line.find("log_pkey on log") != std::string::npos;
        if (in_log) seen += count_after("rows=");
      }
      if (in_log) seen += count_after("Rows Removed by Filter: ");
    }
    CAPTURE(text);
    CHECK_THAT(text, !Catch::Contains("Seq Scan on log"));
    CHECK(seen <= 2 * returned);
    CHECK(seen >= returned);
  };
  for (const char* mode : {"force_generic_plan", "force_custom_plan"}) {
    plain.exec(std::string("set plan_cache_mode = ") + mode);
    // New rows at the end, and two late commits far below.
    read("'shop', '334200', '{1500,200000}', '334300:334300:', '0', 0, 5000, false", 303);
    // A page in the middle of a long catch-up.
    read("'shop', '200000', '{}', '334300:334300:', '200000', 597001, 100, false", 100);
    // Nothing new.
    read("'shop', '334400', '{334390}', '334500:334500:', '0', 0, 5000, false", 0);
  }
}

TEST_CASE(
    "postgres statements: the log's plan, made while the log is all but empty, serves a full one",
    "[migrate]") {
  const std::string url = bare_database();
  postgres::migrate(url);
  pqxx::connection connection(url);
  pqxx::nontransaction plain(connection);
  plain.exec(postgres::sql::pin_log_session.text);
  plain.exec(
      "insert into querymark.log (xid, namespace, kind, target) values ('3', 'x', 'tag', 't')");
  plain.exec("analyze querymark.log");
  plain.exec(std::string("prepare tail (text, text, text, text, text, bigint, bigint, boolean) as ")
                 .append(postgres::sql::log_page.text));
  const std::string call =
      "execute tail ('shop', '20000', '{}', '30000:30000:', '0', 0, 5000, false)";
  plain.exec(call);
  plain.exec(
      "insert into querymark.log (xid, namespace, kind, target) select (3 + i)::text::xid8, "
      "'shop', "
      "'tag', 't' from generate_series(1, 20000) i");
  std::string text;
  for (const auto& line : plain.exec("explain (analyze, costs off) " + call))
    text += std::string(line[0].c_str()) + '\n';
  CAPTURE(text);
  CHECK_THAT(text, Catch::Contains("log_pkey on log"));
  CHECK_THAT(text, !Catch::Contains("Seq Scan on log") && !Catch::Contains("Bitmap"));
  CHECK(
      plain
          .exec(
              "select generic_plans, custom_plans from pg_prepared_statements where name = 'tail'")
              [0][1]
          .as<int>() == 0);
}
