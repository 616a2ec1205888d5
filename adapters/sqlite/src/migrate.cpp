#include "querymark/sqlite/migrate.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "connection.hpp"
#include "querymark/sqlite/url.hpp"
#include "schema.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

constexpr SchemaQueries kSchema{sql::schema_present, sql::schema_version};
constexpr std::string_view kLogIds = "0007_log_ids.sql";
constexpr const char* kIdsCounted =
    "ids of the log are still counted apart, for programs of earlier releases: each write takes a "
    "page more";

Connection connect(const std::string& path) {
  return Connection(path, Connection::Use::write,
                    {.busy_timeout = std::chrono::seconds(10), .create = true});
}

void require_no_other(Connection& connection, const std::string& path) {
  const ResultSet present = connection.query(sql::schema_present, {});
  const auto other = present.row(0)["other"].as<std::optional<std::string>>();
  if (!other) return;
  throw SchemaError(
      path + " has a " + *other +
      " that another program has made (there is no table querymark_schema with "
      "version, name and applied_at): rename it, or give Querymark a file without one");
}

bool counts_ids(Connection& connection) {
  const ResultSet counted = connection.query(sql::ids_counted, {});
  return counted.row(0)["counted"].as<int>() != 0;
}

}  // namespace

int schema_version() noexcept { return std::end(sql::kMigrations)[-1].version; }

MigrationReport migrate(const std::string& where, bool dry_run) {
  const std::string path = path_of(where);
  const bool missing = !identity_of(path);
  if (missing && dry_run) {
    MigrationReport report{.from = 0, .to = schema_version(), .applied = {}};
    for (const Migration& migration : sql::kMigrations) report.applied.emplace_back(migration.name);
    return report;
  }
  Connection connection = connect(path);
  require_no_other(connection, path);
  MigrationReport report =
      run_migrations(sql::kMigrations, migration_port(connection, kSchema, path), dry_run);
  if (find_schema_version(connection, kSchema) == report.to && counts_ids(connection))
    report.unfinished = kIdsCounted;
  return report;
}

bool finish_migration(const std::string& where, bool dry_run) {
  const std::string path = path_of(where);
  Connection connection = connect(path);
  require_schema(connection, path);
  ScopedTransaction transaction(connection, ScopedTransaction::Kind::write);
  if (!counts_ids(connection)) return false;
  if (dry_run) return true;
  const auto* ids = std::ranges::find(sql::kMigrations, kLogIds, &Migration::name);
  connection.execute(sql::ids_keep_newest, {});
  connection.execute(sql::ids_forget, {});
  connection.run(body_of(*ids, migration_port(connection, kSchema, path)));
  transaction.commit();
  return true;
}

void require_schema(Connection& connection, const std::string& path) {
  require_no_other(connection, path);
  const int found = find_schema_version(connection, kSchema);
  if (found != schema_version())
    fail_schema(migration_port(connection, kSchema, path), found, schema_version());
}

}  // namespace querymark::sqlite
