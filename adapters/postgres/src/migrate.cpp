#include "querymark/postgres/migrate.hpp"

#include "connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/support/error.hpp"

namespace querymark::postgres {
namespace {

int find_version(Connection& connection) {
  const ResultSet present = connection.query(sql::schema_present);
  if (present.row(0)["other"].as<bool>())
    throw SchemaError(
        connection.label() +
        " has a schema \"querymark\" that another program has made (it has no table "
        "querymark.schema with version, name and applied_at): rename it (alter schema "
        "querymark rename to ...), or give Querymark a database without one");
  if (present.row(0)["present"].as<int>() == 0) return 0;
  const ResultSet version = connection.query(sql::schema_version);
  return version.row(0)["version"].as<int>();
}

// A transaction of its own for `action`, committed when that says so. What is pinned behind a
// pooling proxy, which lends a server session per transaction, holds for the transaction alone.
template <class Action>
bool in_transaction(Connection& connection, Action&& action) {
  connection.run("begin isolation level read committed read write");
  try {
    if (connection.proxied()) pin_own_session(connection, std::chrono::milliseconds(0));
    const bool keep = action();
    connection.run(keep ? "commit" : "rollback");
    return keep;
  } catch (...) {  // rolled back, and the error goes on
    connection.rollback();
    throw;
  }
}

// A migration needs other rights than a program, and its locks are everybody's.
[[noreturn]] void explain(const Connection& connection, const Error& failure) {
  const std::string& state = failure.native_code();
  const std::string begin = "cannot migrate " + connection.label() + ": ";
  const std::string end = ". Nothing was changed. (" + std::string(failure.what()) + ')';
  if (state == "42501")
    throw Error(begin +
                    "the role needs CREATE on the database (grant create on database ... to ...), "
                    "and must own the schema querymark where there is one" +
                    end,
                {.native_code = state});
  if (state == "55P03" || state == "40P01")
    throw Error(
        begin +
            "open transactions (or another migration) keep querymark's tables busy, and every "
            "write would have queued behind this one; end them (select pid, xact_start, query from "
            "pg_stat_activity order by 2), then run it again" +
            end,
        {.retryable = true, .native_code = state});
  throw;
}

}  // namespace

int schema_version() noexcept { return std::end(sql::kMigrations)[-1].version; }

void pin_own_session(Connection& connection, std::chrono::milliseconds statement_timeout) {
  const std::string milliseconds = std::to_string(statement_timeout.count());
  static_cast<void>(connection.query(
      sql::pin_own_session, {as_parameter(milliseconds), as_parameter(connection.proxied())}));
}

MigrationPort migration_port(Connection& connection) {
  return {.label = connection.label(),
          .url = connection.label(),
          .begin = "begin;",
          .find_version =
              [&connection] {
                int version = 0;
                const auto look = [&] {
                  version = find_version(connection);
                  return false;
                };
                if (connection.proxied() && connection.standing() == Connection::Standing::none)
                  in_transaction(connection, look);
                else
                  look();
                return version;
              },
          .run =
              [&connection](const std::string& body, const std::function<bool()>& proceed) {
                return in_transaction(connection, [&] {
                  try {
                    static_cast<void>(connection.query(sql::lock_migrations));
                    if (!proceed()) return false;
                    connection.run(body);
                  } catch (const Error& failure) {
                    explain(connection, failure);
                  }
                  return true;
                });
              },
          // 0003 grants what 0002 does as far as it may, for owners who may not grant all of it.
          .dispensable =
              [](const Migration& migration, const Error& failure) {
                return migration.version == 2 && failure.native_code() == "42501";
              }};
}

void require_schema(Connection& connection) {
  const int found = find_version(connection);
  if (found != schema_version()) fail_schema(migration_port(connection), found, schema_version());
}

MigrationReport migrate(const std::string& url, bool dry_run) {
  Connection connection(url, {.connect_timeout = std::chrono::seconds(10)});
  std::vector<std::string> notices;
  connection.collect_notices(notices);
  if (!connection.proxied()) pin_own_session(connection, std::chrono::milliseconds(0));
  MigrationReport report = run_migrations(sql::kMigrations, migration_port(connection), dry_run);
  report.notices = std::move(notices);
  return report;
}

}  // namespace querymark::postgres
