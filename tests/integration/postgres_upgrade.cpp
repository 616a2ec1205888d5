// A database of an older schema, brought up to date while programs of then still run; and who may
// migrate at all.

#include <catch2/catch.hpp>
#include <map>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>
#include <set>

#include "postgres_sql.hpp"
#include "support/daemon.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"
#include "support/sql_file.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// The rows without the columns that move on by themselves: snapshots, horizons, backends.
std::string table_of(const pqxx::result& rows, const std::set<int>& moving) {
  std::string text;
  for (const auto& row : rows) {
    for (int column = 0; column < static_cast<int>(row.size()); ++column)
      if (!moving.contains(column))
        text += (row[column].is_null() ? "NULL" : row[column].c_str()) + std::string("|");
    text += '\n';
  }
  return text;
}

// A database of an older schema: with a shop, a log, and a consumer.
struct Old {
  int version;
  PostgresServer& server = PostgresServer::shared();
  std::string name = server.create_bare_database();
  std::string url = server.url(name);
  // What programs of then say.
  SqlFile statements{
      text_of_file(QUERYMARK_TEST_DATA "/postgres_queries_" + std::to_string(version) + ".sql")};

  explicit Old(int of = 2) : version(of) {
    for (const Migration& migration : postgres::sql::kMigrations)
      if (migration.version <= version) run(std::string(migration.text));
    run("create table product (id bigint primary key, name text not null, price float8 not null, "
        "note text);"
        "insert into product values (1, 'tea', 2.5, null);"
        "select querymark.adopt();"
        "insert into querymark.log (namespace, kind, target, write_id) values "
        "('shop', 'entity', 'product:1', 5), ('shop', 'flush', '', 0), ('else', 'tag', 'x', 6);"
        "insert into querymark.consumer (namespace, name, epoch, cursor) select 'shop', 'tier', "
        "epoch, pg_current_snapshot() from querymark.meta");
    if (version < 3)
      run("insert into querymark.log (namespace, kind, target, reason) values "
          "('shop', 'tag', repeat('t', 3000), repeat('r', 900))");
  }
  void run(const std::string& sql) const {
    pqxx::connection connection(url);
    pqxx::nontransaction(connection).exec(sql);
  }
  [[nodiscard]] std::string text(const std::string& sql) const {
    pqxx::connection connection(url);
    return pqxx::nontransaction(connection).exec(sql)[0][0].c_str();
  }
};

}  // namespace

namespace {

// What the statements of then answer, each in a transaction that is rolled back. On a session that
// stands and has prepared them, as programs do; or on a new one.
std::map<std::string, std::string> answers(const Old& old, pqxx::connection& connection,
                                           bool prepare,
                                           const std::map<std::string, std::string>& calls) {
  const std::map<std::string, std::set<int>> moving{
      {"log_page", {3, 4}},         {"log_look", {3, 4}}, {"log_state", {3, 4}},
      {"load_state", {2}},          {"begin_write", {2}}, {"consumer_claim", {5}},
      {"delivery_take_row", {1, 8}}};
  std::map<std::string, std::string> found;
  for (const auto& [name, arguments] : calls) {
    pqxx::nontransaction plain(connection);
    if (prepare) plain.exec("prepare " + name + "_then as " + old.statements.get(name));
    plain.exec("begin");
    const pqxx::result rows = plain.exec("execute " + name + "_then " + arguments);
    plain.exec("rollback");
    found[name] = table_of(rows, moving.contains(name) ? moving.at(name) : std::set<int>{});
  }
  return found;
}

void find_what_they_found(const Old& old, const std::map<std::string, std::string>& calls,
                          const std::vector<std::string>& migrations) {
  pqxx::connection standing(old.url);
  const auto before = answers(old, standing, true, calls);
  const std::string meta = old.text("select database_id || epoch || floor from querymark.meta");
  CHECK(postgres::migrate(old.url).applied == migrations);
  pqxx::connection fresh(old.url);
  for (pqxx::connection* connection : {&standing, &fresh}) {
    const auto after = answers(old, *connection, connection == &fresh, calls);
    for (const auto& [name, text] : before) {
      CAPTURE(name);
      CHECK(after.at(name) == text);
    }
  }
  CHECK(old.text("select database_id || epoch || floor from querymark.meta") == meta);
}

}  // namespace

TEST_CASE("postgres upgrade: statements of the older programs find what they found", "[upgrade]") {
  const Old old;
  find_what_they_found(old,
                       {
                           {"meta", ""},
                           {"session", ""},
                           {"schema_present", ""},
                           {"log_page", "('shop', '0', '{}', null, '0', 0, 100)"},
                           {"confirm_write", "('5', 5)"},
                           {"load_state", ""},
                           {"consumer", "('shop', 'tier')"},
                           {"consumer_register", "('shop', 'another')"},
                           {"append", "('shop', '{tag,entity}', 'why', 8, '{a,product:2}')"},
                           {"consumer_claim", "('shop', 'tier', 'me', 7, 30000)"},
                           {"consumer_renew", "('shop', 'tier', 7, 30000)"},
                           {"consumer_release", "('shop', 'tier', 'me')"},
                       },
                       {"0003_identity.sql", "0004_deliveries.sql", "0005_subscribers.sql",
                        "0006_delivery_pages.sql", "0007_log_entry.sql", "0008_tracked.sql"});
  // And adopt as they did.
  CHECK(old.text("select querymark.adopt()").size() == 32);
  CHECK(old.text("select querymark.adopt() = epoch from querymark.meta") == "t");
}

TEST_CASE("postgres upgrade: statements of the release before find what they found", "[upgrade]") {
  const Old old(4);
  find_what_they_found(old,
                       {
                           {"session", ""},
                           {"log_state", ""},
                           {"log_page", "('shop', '0', '{}', null, '0', 0, 100)"},
                           {"log_look", "('shop', '0', '{}', 100)"},
                           {"confirm_write", "('5', 5)"},
                           {"begin_write", ""},
                           {"load_state", "('{}')"},
                           {"append", "('shop', '{tag,entity}', 'why', 8, '{a,product:2}')"},
                           {"adopt", "('', '0')"},
                           {"namespaces", ""},
                           {"consumer", "('shop', 'tier', 3600000)"},
                           {"consumer_register", "('shop', 'another')"},
                           {"consumer_claim", "('shop', 'tier', 'me', 7, 30000, 3600000)"},
                           {"consumer_renew", "('shop', 'tier', 7, 30000)"},
                           {"consumer_release", "('shop', 'tier', 'me')"},
                           {"deliveries_list", "('shop', 'tier', 10)"},
                       },
                       {"0005_subscribers.sql", "0006_delivery_pages.sql", "0007_log_entry.sql",
                        "0008_tracked.sql"});
  // A program of then that goes on: its claims and cursors, and a floor that it can go by.
  old.run("delete from querymark.log where kind = 'entity'");
  CHECK(old.text("select floor = pg_snapshot_xmax(pruned) from querymark.meta") == "t");
}

TEST_CASE("postgres upgrade: a program of before is refused the rows that it was refused",
          "[upgrade]") {
  const Old old(4);
  pqxx::connection standing(old.url);
  {
    pqxx::nontransaction plain(standing);
    plain.exec("prepare append_then as " + old.statements.get("append"));
    plain.exec("execute append_then('shop', '{tag}', null, 1, '{x}')");
  }
  postgres::migrate(old.url);
  const auto refusal = [&](const std::string& arguments) {
    try {
      pqxx::nontransaction(standing).exec("execute append_then(" + arguments + ")");
    } catch (const pqxx::check_violation& failure) {
      return std::string(failure.what());
    }
    return std::string();
  };
  CHECK_THAT(refusal("'shop', '{tags}', null, 1, '{x}'"), Contains("log_kind_check"));
  CHECK_THAT(refusal("'shop', '{tag,tag}', null, 1, '{x,\"\"}'"), Contains("log_check"));
  CHECK_THAT(refusal("repeat('n', 201), '{tag}', null, 1, '{x}'"), Contains("log_namespace_size"));
  CHECK_THAT(refusal("'shop', '{tag}', null, 1, array[repeat('t', 1025)]"),
             Contains("log_target_size"));
  CHECK_THAT(refusal("'shop', '{tag}', repeat('r', 501), 1, '{x}'"), Contains("log_reason_size"));
  CHECK(refusal("'shop', '{flush,entity}', 'why', 1, '{\"\",product:1}'").empty());
  CHECK(old.text("select count(*) from querymark.log where write_id = 1") == "3");
}

TEST_CASE(
    "postgres upgrade: the data stays the same, in another epoch; a long target of before is a "
    "flush, and is not fetched",
    "[upgrade]") {
  const Old old;
  const std::string before = old.text("select database_id from querymark.meta");
  postgres::migrate(old.url);
  postgres::Log log(old.url, "shop");
  CHECK(log.identity().database_id == before);
  CHECK(old.text("select count(*) from querymark.consumer") == "1");
  // The adoption has emptied the log; such a row may still come from a session that was open.
  old.run(
      "alter table querymark.log drop constraint log_entry;"
      "insert into querymark.log (namespace, kind, target) values ('shop', 'tag', repeat('t', "
      "100000)), ('shop', 'tag', 'next')");
  const TailPage page =
      log.read({.from = log.retained(), .upto = std::nullopt, .after = std::nullopt, .limit = 10});
  REQUIRE(page.rows.size() == 2);
  CHECK_FALSE(page.rows[0].target);
  pqxx::connection connection(old.url);
  pqxx::nontransaction plain(connection);
  plain.exec(std::string("prepare tail as ") + postgres::sql::log_page.text);
  CHECK(plain.exec("execute tail('shop', '0', '{}', null, '0', 0, 10, false)")[1][9].is_null());
  CHECK(page.rows[1].target == tag("next"));
}

TEST_CASE(
    "postgres upgrade: a transaction that has written keeps a migration from its locks, which says "
    "so and holds nobody up for long",
    "[upgrade]") {
  const Old old;
  pqxx::connection own(old.url);
  {
    pqxx::work work(own);
    work.exec("select querymark.invalidate('shop', 'tag', 'open')");
    const std::string said = message_of([&] { postgres::migrate(old.url); });
    CHECK_THAT(said, Contains("open transactions") && Contains("run it again") &&
                         Contains("Nothing was changed"));
    CHECK(old.text("select max(version) from querymark.schema") == "2");
    work.commit();
  }
  postgres::migrate(old.url);
  CHECK(old.text("select count(*) from querymark.log where target = 'open'") == "1");
}

TEST_CASE("postgres upgrade: who holds the lock of migrations holds them up for seconds only",
          "[upgrade]") {
  const Old old;
  pqxx::connection own(old.url);
  pqxx::work work(own);
  work.exec("select pg_advisory_lock(hashtextextended('querymark migrate', 0))");
  CHECK_THAT(message_of([&] { postgres::migrate(old.url); }),
             Contains("another migration") && Contains("run it again"));
}

TEST_CASE("postgres upgrade: who may not create a schema is told what is missing", "[upgrade]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string name = server.create_bare_database();
  {
    pqxx::connection connection(server.url(name));
    pqxx::nontransaction(connection)
        .exec(
            "do $$ begin create role plain login; exception when duplicate_object then null; end "
            "$$");
  }
  CHECK_THAT(message_of([&] { postgres::migrate(server.url(name, "plain")); }),
             Contains("needs CREATE on the database") && Contains("permission denied"));
}

TEST_CASE(
    "postgres upgrade: a plain owner migrates where the group roles are another's, or missing",
    "[upgrade]") {
  PostgresServer server;
  const bool exist = GENERATE(true, false);
  CAPTURE(exist);
  {
    pqxx::connection connection(server.url("postgres"));
    pqxx::nontransaction plain(connection);
    plain.exec("create role owner login");
    plain.exec("create database owned owner owner");
  }
  if (exist) {
    const std::string first = server.create_bare_database();
    postgres::migrate(server.url(first));
  }
  const std::string url = server.url("owned", "owner");
  const MigrationReport report = postgres::migrate(url);
  CHECK(report.to == postgres::schema_version());
  CHECK(postgres::migrate(url).applied.empty());
  if (!exist) {
    REQUIRE(report.notices.size() >= 3);
    CHECK_THAT(report.notices.front(), Contains("may not create the role"));
    PgProcess process(url, PgProcess::quick());
    CHECK(only(process.db.query("select 1").fetch_as<std::int64_t>()) == 1);
    return;
  }
  {
    pqxx::connection connection(server.url("postgres"));
    pqxx::nontransaction plain(connection);
    plain.exec("create role daemon login in role querymark_worker");
    plain.exec("create role shop login in role querymark_writer, querymark_subscriber");
  }
  PgProcess process(server.url("owned", "shop"), PgProcess::quick());
  const Receipt receipt =
      process.db.write([](postgres::Transaction& tx) { tx.invalidate(tag("x")); }).receipt;
  postgres::Log log(server.url("owned", "daemon"), "shop");
  CHECK(log.holds(receipt));
  CHECK(log.claims()->claim("tier", "me", 30s).status == ClaimStatus::claimed);
}
