#pragma once  // For writers of ports.

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "querymark/support/embedded_sql.hpp"
#include "querymark/support/error.hpp"

namespace querymark {

/// What `migrate` did, or would do.
struct MigrationReport {
  int from = 0;                      ///< Version found; 0: no querymark schema.
  int to = 0;                        ///< Version after.
  std::vector<std::string> applied;  ///< Files, in order.
  /// What the database had to say: rights that it did not grant.
  std::vector<std::string> notices;
  /// What is kept as it was for programs of earlier releases, and what that costs, until it is told
  /// that none of them runs. Empty: nothing.
  std::string unfinished;
};

/// How a dialect runs migrations. Each call may block and throws Error.
struct MigrationPort {
  std::string label;  ///< The database, for people; no password.
  std::string url;    ///< What follows `--db` in the advice.
  std::string begin;  ///< The line by which a migration file begins its own transaction.
  std::function<int()> find_version;
  /// Runs `body` in a transaction that keeps other migrations out and first asks `proceed()`
  /// inside; nothing is run when that says no. Returns what it said.
  std::function<bool(const std::string& body, const std::function<bool()>& proceed)> run;
  /// Whether a later migration does the work of one that failed so, as far as the database lets it.
  /// May be empty: no.
  std::function<bool(const Migration& failed, const Error& failure)> dispensable;
};

/// Brings the schema up to the last of `migrations`. Forward only; safe when several run at once.
/// With `dry_run`, only reports. Throws SchemaError when the schema is newer than this library.
MigrationReport run_migrations(std::span<const Migration> migrations, const MigrationPort& port,
                               bool dry_run);

/// What the migration does inside its transaction. Throws ConfigError when its file has none.
[[nodiscard]] std::string body_of(const Migration& migration, const MigrationPort& port);

/// The error for a schema of another version than `needed`; names the command that mends it.
[[noreturn]] void fail_schema(const MigrationPort& port, int found, int needed);

}  // namespace querymark
