#include "querymark/postgres/migrate.hpp"

#include "connection.hpp"
#include "postgres_sql.hpp"

namespace querymark::postgres {
namespace {

int find_version(Connection& connection) {
  const ResultSet present = connection.query(statement("schema_present"));
  if (present.row(0)[0].as<int>() == 0) return 0;
  const ResultSet version = connection.query(statement("schema_version"));
  return version.row(0)[0].as<int>();
}

}  // namespace

int schema_version() noexcept { return std::end(sql::kMigrations)[-1].version; }

const std::string& statement(std::string_view name) {
  static const SqlCatalog catalog(sql::kQueries);
  return catalog.get(name);
}

void pin_own_session(Connection& connection, std::chrono::milliseconds statement_timeout) {
  const std::string milliseconds = std::to_string(statement_timeout.count());
  static_cast<void>(connection.query(statement("pin_own_session"), {as_parameter(milliseconds)}));
}

MigrationPort migration_port(Connection& connection) {
  return {.label = connection.label(),
          .url = connection.label(),
          .begin = "begin;",
          .find_version = [&] { return find_version(connection); },
          .run =
              [&connection](const std::string& body, const std::function<bool()>& proceed) {
                connection.run("begin isolation level read committed read write");
                try {
                  static_cast<void>(connection.query(statement("lock_migrations")));
                  const bool wanted = proceed();
                  if (wanted) connection.run(body);
                  connection.run(wanted ? "commit" : "rollback");
                  return wanted;
                } catch (...) {  // rolled back, and the error goes on
                  connection.rollback();
                  throw;
                }
              }};
}

void require_schema(Connection& connection) {
  const int found = find_version(connection);
  if (found != schema_version()) fail_schema(migration_port(connection), found, schema_version());
}

MigrationReport migrate(const std::string& url, bool dry_run) {
  Connection connection(url, {.connect_timeout = std::chrono::seconds(10)});
  pin_own_session(connection, std::chrono::milliseconds(0));
  return run_migrations(sql::kMigrations, migration_port(connection), dry_run);
}

}  // namespace querymark::postgres
