#include "querymark/sqlite/migrate.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <regex>
#include <set>

#include "connection.hpp"
#include "file_tier_sql.hpp"
#include "sqlite_sql.hpp"
#include "support/temp_dir.hpp"

using namespace querymark;
using querymark::test::TempDir;

TEST_CASE("migrate: each file also works alone through the sqlite3 shell and records its version",
          "[migrate]") {
  TempDir dir;
  const std::string path = dir.file("shell.db");
  for (const Migration& migration : sqlite::sql::kMigrations) {
    // Newer shells keep the schema's table from changes unless told otherwise.
    const std::string command = "sqlite3 -bail -cmd '.dbconfig defensive off' '" + path +
                                "' < '" QUERYMARK_SQL_DIR "/sqlite/migrations/" +
                                std::string(migration.name) + "'";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  CHECK(sqlite::migrate(path).applied.empty());
}

TEST_CASE("migrate: tables of these names which another program has made are told of",
          "[migrate]") {
  TempDir dir;
  const std::string path = dir.file("theirs.db");
  SQLite::Database theirs(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  const std::string name =
      GENERATE("querymark_schema", "querymark_schema_view", "querymark_log", "Querymark_Meta");
  if (name == "querymark_schema_view")
    theirs.exec("create view querymark_schema as select 7 as version");
  else
    theirs.exec("create table " + name + " (key text, value text)");
  for (const bool dry_run : {true, false}) {
    CHECK_THROWS_WITH(sqlite::migrate(path, dry_run),
                      Catch::Contains("another program has made") && Catch::Contains("rename it"));
    CHECK_THROWS_AS(sqlite::migrate(path, dry_run), SchemaError);
  }
}

TEST_CASE("statements: every named statement prepares on a freshly migrated database",
          "[migrate]") {
  TempDir dir;
  const auto check = [&](const std::string& file, std::span<const Migration> migrations,
                         std::span<const SqlStatement> statements,
                         const sqlite::SchemaQueries& schema) {
    sqlite::Connection connection(dir.file(file), sqlite::Connection::Use::write, {.create = true});
    run_migrations(migrations, sqlite::migration_port(connection, schema, file), false);
    CHECK(statements.size() > 5);
    for (const SqlStatement& statement : statements) {
      CAPTURE(statement.name);
      CHECK_NOTHROW(sqlite::prepare_checked(connection.native(), statement));
    }
  };
  check("log.db", sqlite::sql::kMigrations, sqlite::sql::kStatements,
        {sqlite::sql::schema_present, sqlite::sql::schema_version});
  check("tier.db", file_tier::sql::kMigrations, file_tier::sql::kStatements,
        {file_tier::sql::schema_present, file_tier::sql::schema_version});
}

TEST_CASE("statements: consumers read the log by ranges of ids, never by a scan", "[migrate]") {
  TempDir dir;
  sqlite::migrate(dir.file("a.db"));
  SQLite::Database database(dir.file("a.db"), SQLite::OPEN_READWRITE);
  SQLite::Statement plan(database, std::string("explain query plan ") + sqlite::sql::log_page.text);
  std::string text;
  while (plan.executeStep()) text += plan.getColumn(3).getString() + '\n';
  CHECK_THAT(text, Catch::Contains("SEARCH querymark_log USING INTEGER PRIMARY KEY"));
  CHECK_THAT(text, !Catch::Contains("TEMP B-TREE"));
}

TEST_CASE("statements: none scans the log or the deliveries, none sorts the log", "[migrate]") {
  TempDir dir;
  sqlite::migrate(dir.file("a.db"));
  SQLite::Database database(dir.file("a.db"), SQLite::OPEN_READWRITE);
  // From an end of the log, as far as a limit.
  const std::set<std::string_view> bounded{"namespaces", "inspect_database"};
  for (const SqlStatement& statement : sqlite::sql::kStatements) {
    const std::string text(statement.text);
    if (text.find("querymark_log") == std::string::npos &&
        text.find("querymark_delivery") == std::string::npos)
      continue;
    SQLite::Statement plan(database, "explain query plan " + text);
    std::string steps;
    while (plan.executeStep()) steps += plan.getColumn(3).getString() + '\n';
    CAPTURE(statement.name, steps);
    if (bounded.contains(statement.name)) {
      CHECK_THAT(text, Catch::Contains("limit"));
      continue;
    }
    static const std::regex kScan(R"(SCAN (querymark_log|querymark_delivery|l|d|e)\b)");
    CHECK_FALSE(std::regex_search(steps, kScan));
  }
  SQLite::Statement plan(database,
                         std::string("explain query plan ") + sqlite::sql::deliveries_equal.text);
  std::string steps;
  while (plan.executeStep()) steps += plan.getColumn(3).getString() + '\n';
  CAPTURE(steps);
  CHECK_THAT(steps, Catch::Contains("USING INDEX querymark_delivery_due") &&
                        Catch::Contains("LIST SUBQUERY") && !Catch::Contains("CORRELATED"));
}
