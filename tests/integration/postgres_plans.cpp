// What the statements of workers, operators and pruners read where a million rows of the log and a
// million deliveries stand: about what they return, whichever plan the server takes.

#include <catch2/catch.hpp>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <regex>
#include <set>

#include "postgres_sql.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

struct Read {
  std::string text;
  // That scans of the log and of deliveries have met, or their filters removed.
  std::int64_t rows = 0;
  std::int64_t calls = 0;  // The same of what functions return.
};

// The number after `what`; 0 where it is not.
std::int64_t after(const std::string& line, std::string_view what) {
  const std::size_t at = line.find(what);
  return at == std::string::npos ? 0 : std::atoll(line.c_str() + at + what.size());
}

// In a transaction that is rolled back.
Read read_of(pqxx::nontransaction& plain, const std::string& call) {
  Read read;
  bool big = false;
  bool function = false;
  std::int64_t loops = 0;
  plain.exec("begin");
  for (const auto& row :
       plain.exec("explain (analyze, costs off, timing off, summary off) execute s " + call)) {
    const std::string line = row[0].c_str();
    read.text += line + '\n';
    if (line.find("actual rows") != std::string::npos || line.find("never") != std::string::npos) {
      loops = after(line, "loops=");
      big = line.find("Scan") != std::string::npos &&
            (line.find(" on log") != std::string::npos ||
             line.find(" on delivery") != std::string::npos);
      if (big) read.rows += after(line, "rows=") * loops;
      function = line.find("Function Scan") != std::string::npos;
      if (function) read.calls += after(line, "rows=") * loops;
    }
    if (function) read.calls += after(line, "Rows Removed by Filter: ") * loops;
    if (big) read.rows += after(line, "Rows Removed by Filter: ") * loops;
  }
  plain.exec("rollback");
  return read;
}

// Of each transaction three rows of the log; of three consumers 999,000 deliveries that have ended,
// 990 that wait, the last of all, and 10 that are dead.
void fill(const PgShop& shop) {
  shop.execute(
      "insert into querymark.log (xid, namespace, kind, target) select ((3000 + i) / "
      "3)::text::xid8, 'shop', 'tag', 't' || i from generate_series(0, 999999) i");
  shop.execute(
      "insert into querymark.consumer (namespace, name, epoch, cursor, token, owner, lease_until) "
      "select 'shop', 'tier' || i, epoch, '334330:334330:', i, 'me', clock_timestamp() + interval "
      "'1 hour' from generate_series(1, 3) i, querymark.meta");
  shop.execute(
      "insert into querymark.delivery (namespace, consumer, epoch, first_position, position, kind, "
      "target, state) select 'shop', 'tier' || i % 3 + 1, epoch, i::text::xid8, i::text::xid8, "
      "'tag', 't' || i, case when i <= 999000 then 'superseded' when i <= 999990 then 'pending' "
      "else 'dead' end from generate_series(1, 1000000) i, querymark.meta");
  shop.execute("update querymark.meta set pruned = '334000:334000:'");
  shop.execute("vacuum analyze querymark.log");
  shop.execute("vacuum analyze querymark.delivery");
}

}  // namespace

TEST_CASE(
    "postgres plans: workers, operators and waits read about what they return of a million "
    "deliveries and a million rows",
    "[plans]") {
  const PgShop shop;
  fill(shop);
  const std::string epoch = shop.text("select epoch from querymark.meta");
  namespace sql = postgres::sql;
  struct Case {
    const SqlStatement& statement;
    std::string types;
    std::string call;
    std::int64_t most;
  };
  const std::string page = "(text, text[], bigint, text, text, bigint)";
  const std::string holder = "'shop', 'tier1', 1, ";
  const std::vector<Case> cases{
      // A page of operators: of few that wait behind all that have ended, of many, of two states.
      {sql::deliveries_list, page, "('shop', '{pending}', 0, '', '', 100)", 2 * 100},
      {sql::deliveries_list, page, "('shop', '{dead}', 0, '', '', 100)", 2 * 10},
      {sql::deliveries_list, page, "('shop', '{dead}', 0, 'tier1', '', 100)", 2 * 10},
      {sql::deliveries_list, page, "('shop', '{superseded}', 500000, '', '', 100)", 2 * 100},
      {sql::deliveries_list, page, "('shop', '{pending,dead}', 0, '', '', 1000)", 2 * 1000},
      {sql::deliveries_list, page, "('else', '{superseded}', 0, '', '', 1000)", 0},
      // A worker's.
      {sql::consumer, "(text, text, bigint)", "('shop', 'tier1', 3600000)", 2 * 330},
      {sql::consumer_claim, "(text, text, text, bigint, bigint, bigint)",
       "('shop', 'tier1', 'me', 7, 30000, 3600000)", 2 * 330},
      {sql::deliveries_take_due, "(text, text, bigint, text, bigint)",
       "(" + holder + "'" + epoch + "', 50)", 4 * 50},
      {sql::deliveries_settle, "(text, text, bigint, bigint[], text[], bigint[], text[], boolean)",
       "(" + holder + "array[999500], '{applied}', '{0}', '{null}', true)", 4},
      {sql::deliveries_record,
       "(text, text, bigint, text, text, text[], text[], text[], text[], text[], bigint[], text[], "
       "bigint, text, text[], text[], text[], text)",
       "(" + holder + "'" + epoch +
           "', '334331:334331:', '{tag}', '{new}', '{334330}', '{334330}', '{pending}', '{0}', "
           "'{refused}', 1000, null, '{tag}', '{t999003}', '{999999}', null)",
       2 * 330},
      {sql::deliveries_forgive, "(text, text, bigint, text)", "(" + holder + "'refused')", 0},
      {sql::consumer_advance, "(text, text, bigint, text, text)",
       "(" + holder + "'" + epoch + "', '334331:334331:')", 0},
      {sql::deliveries_pay_flush, "(text, text, bigint, text, text)",
       "(" + holder + "'5', '334000')", 2 * 330},
      {sql::delivery_take_row, "(text, text, bigint, text, text, text, text, text, bigint)",
       "(" + holder + "'" + epoch + "', 'tag', 'new', '2000000', '2000000', 1000)", 2},
      {sql::deliveries_decide, "(text, bigint[], text[], text)",
       "('shop', '{999995,999996}', '{dead,dead}', 'pending')", 2 * 2},
      // A pruner's: found by one index, removed by another.
      {sql::prune_extent, "", "", 3},
      {sql::prune_remove, "(bigint)", "(100)", 2 * 100},
      {sql::prune_deliveries, "(bigint, bigint)", "(0, 100)", 2 * 100},
      {sql::prune_deliveries, "(bigint, bigint)", "(3600000, 100)", 0},
      // What operators and waits look at.
      {sql::inspect_consumers, "(text)", "('shop')", 2 * (990 + 10 + 3 * 12)},
      {sql::inspect_behind, "(text, text, bigint)", "('shop', '334200:334300:334200', 100000)",
       2 * 96},
      {sql::inspect_behind, "(text, text, bigint)", "('shop', '1000:1000:', 1000)", 2 * 1000},
      {sql::inspect_database, "", "", 1},
      {sql::inspect_rows, "(text[], bigint[])", "('{1000,2000}', '{1,3002}')", 2 * 2},
      {sql::confirm_write, "(text, bigint)", "('2000', 0)", 2 * 3},
      {sql::reasons_at, "(text, text)", "('shop', '2000')", 3},
      {sql::namespaces, "", "", 10000},
      {sql::coverage, "(text, text, text, bigint)", "('shop', '999980', '1000000', 1000)", 2 * 21},
  };
  // None is forgotten: what else names the two tables has a test of its own, or only adds rows.
  std::set<std::string_view> looked_at{sql::log_page.name, sql::append.name, sql::append_one.name,
                                       sql::track_report_definitions.name};
  for (const Case& each : cases) looked_at.insert(each.statement.name);
  for (const SqlStatement& statement : sql::kStatements) {
    CAPTURE(statement.name);
    static const std::regex kReads(
        R"((from|join|update|into|using)\s+querymark\.(log|delivery)\b)");
    const std::string text(statement.text);
    if (std::regex_search(text, kReads)) CHECK(looked_at.contains(statement.name));
  }
  pqxx::connection connection(shop.url());
  pqxx::nontransaction plain(connection);
  plain.exec("set search_path = pg_catalog, pg_temp");
  plain.exec(sql::pin_log_session.text);
  for (const char* mode : {"force_generic_plan", "force_custom_plan"}) {
    plain.exec(std::string("set plan_cache_mode = ") + mode);
    for (const Case& each : cases) {
      plain.exec("prepare s " + each.types + " as " + std::string(each.statement.text));
      const Read read = read_of(plain, each.call);
      CAPTURE(mode, each.statement.name, each.call, read.text);
      CHECK(read.rows <= each.most);
      CHECK_THAT(read.text,
                 !Catch::Contains("Seq Scan on log") && !Catch::Contains("Seq Scan on delivery"));
      plain.exec("deallocate s");
    }
  }
}

TEST_CASE(
    "postgres plans: what a page supersedes costs what waits and what was applied, not the product",
    "[plans]") {
  const PgShop shop;
  fill(shop);
  namespace sql = postgres::sql;
  pqxx::connection connection(shop.url());
  pqxx::nontransaction plain(connection);
  plain.exec("set search_path = pg_catalog, pg_temp");
  plain.exec(sql::pin_log_session.text);
  plain.exec(
      "prepare s (text, text, bigint, text, text, text[], text[], text[], text[], text[], "
      "bigint[], text[], bigint, text, text[], text[], text[], text) as " +
      std::string(sql::deliveries_record.text));
  std::string kinds = "{tag";
  std::string targets = "{t999003";  // which waits
  std::string positions = "{2000000";
  for (int i = 1; i < 5000; ++i) {
    kinds += ",tag";
    targets += ",other" + std::to_string(i);
    positions += ",2000000";
  }
  const std::string applied = '\'' + kinds + "}', '" + targets + "}', '" + positions + "}', null)";
  const std::string epoch = shop.text("select epoch from querymark.meta");
  const std::string left = "'{}', '{}', '{}', '{}', '{}', '{}', '{}', 1000, null, ";
  const Read read =
      read_of(plain, "('shop', 'tier1', 1, '" + epoch + "', '334331:334331:', " + left + applied);
  CAPTURE(read.text);
  CHECK(read.rows <= 2 * 330);
  CHECK(read.calls <= 2 * 5000);
}
