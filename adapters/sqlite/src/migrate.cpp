#include "querymark/sqlite/migrate.hpp"

#include "connection.hpp"
#include "schema.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {

int schema_version() noexcept { return std::end(sql::kMigrations)[-1].version; }

const SqlCatalog& statements() {
  static const SqlCatalog catalog(sql::kQueries);
  return catalog;
}

MigrationReport migrate(const std::string& path, bool dry_run) {
  const bool missing = !identity_of(path);
  MigrationReport report{.from = 0, .to = schema_version(), .applied = {}};
  if (missing && dry_run) {
    for (const Migration& migration : sql::kMigrations) report.applied.emplace_back(migration.name);
    return report;
  }
  Connection connection(path, Connection::Use::write,
                        {.busy_timeout = std::chrono::seconds(10), .create = true});
  report.from = find_schema_version(connection, statements());
  if (report.from > schema_version()) fail_schema(path, report.from);
  report.applied = apply_migrations(connection, sql::kMigrations, statements(), dry_run);
  return report;
}

void fail_schema(const std::string& path, int found) {
  const std::string needed = std::to_string(schema_version());
  if (found > schema_version())
    throw SchemaError(path + " has querymark schema " + std::to_string(found) +
                      ", newer than this program's " + needed + "; upgrade the program");
  throw SchemaError(
      path +
      (found == 0 ? " has no querymark schema" : " has querymark schema " + std::to_string(found)) +
      ", this program needs " + needed + "; run: querymark migrate --db sqlite:" + path);
}

void require_schema(Connection& connection, const std::string& path) {
  const int found = find_schema_version(connection, statements());
  if (found != schema_version()) fail_schema(path, found);
}

}  // namespace querymark::sqlite
