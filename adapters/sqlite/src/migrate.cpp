#include "querymark/sqlite/migrate.hpp"

#include "connection.hpp"
#include "querymark/sqlite/url.hpp"
#include "schema.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

constexpr SchemaQueries kSchema{sql::schema_present, sql::schema_version};

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
  Connection connection(path, Connection::Use::write,
                        {.busy_timeout = std::chrono::seconds(10), .create = true});
  return run_migrations(sql::kMigrations, migration_port(connection, kSchema, path), dry_run);
}

void require_schema(Connection& connection, const std::string& path) {
  const int found = find_schema_version(connection, kSchema);
  if (found != schema_version())
    fail_schema(migration_port(connection, kSchema, path), found, schema_version());
}

}  // namespace querymark::sqlite
