#pragma once  // For users.

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "querymark/automatic/analysis.hpp"
#include "querymark/database/database.hpp"
#include "querymark/sqlite/options.hpp"
#include "querymark/sqlite/transaction.hpp"
#include "querymark/write/staged.hpp"

namespace SQLite {
class Database;
}

namespace querymark::sqlite {

using querymark::DatabaseStats;
using querymark::Staged;
using querymark::WriteFate;
using querymark::Written;

class Borrowed;

/// A SQLite database with a cache in front: queries that are cached, writes that invalidate
/// everywhere.
///
/// Thread-safe, except that tiers are attached before the first read. Opens its own connections: up
/// to `readers` for reading, one for writing, two for the log; a thread of its own follows the log.
/// The cache must outlive it; queries, prepared queries and staged intents must not.
///
/// A write begins with BEGIN IMMEDIATE and blocks while another writer holds the lock, up to
/// `busy_timeout`. If SQLite itself has rolled back on the way (see Transaction), it fails with the
/// error that did it, also when the function has caught that.
class Database final : public querymark::Database {
 public:
  /// `where` is a path or `sqlite:PATH`. Blocks for a few reads. Throws SchemaError (missing, older
  /// or newer schema: the text names the command that mends it), ConfigError, Error.
  Database(const std::string& where, Cache& cache, Options options = {});

  /// SQLite's sessions have no settings that a query could read: bind the tenant as a parameter, or
  /// keep results apart by `.scope()`. (Through a `querymark::Database&`, it throws ConfigError.)
  void with(const SessionSettings& settings) = delete;

  /// On which rows of which tables the result of a query can depend, made of its text and the schema of
  /// the moment; `str()` of it is for people. Runs nothing of it. Blocks for a connection. Throws as the
  /// query would before it is run.
  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& promises = {});

  // --- the low road: a caller's own connection
  /// Writes the intents in the caller's open transaction. Throws ConfigError when no transaction is
  /// open, when the connection is to another file (also one that was at this path before), or when
  /// it has attached files (a commit over several WAL files is not atomic).
  [[nodiscard]] Staged stage(SQLite::Database& connection, const IntentBatch& intents);
  /// Cached queries that load on the caller's connection. Throws as `stage` does, except for the
  /// transaction, and so does each load: the connection is looked at anew each time.
  [[nodiscard]] Borrowed borrow(SQLite::Database& connection);

  [[nodiscard]] const std::string& path() const noexcept;

 private:
  friend class Borrowed;
  struct State;
  class Session;
  class Read;
  [[nodiscard]] State& state() const noexcept;
};

/// Cached queries whose loads run on a caller's own connection, for one thread at a time. Outside a
/// transaction they hit and fill like the database's own. Inside a transaction they always read the
/// database; what they read is kept if the transaction has written nothing and its snapshot is new
/// enough. While another statement of the connection is unfinished (and so pins an old snapshot)
/// nothing is kept.
///
/// What is kept goes to everybody, so it must be what the database's own connections would have
/// read. While the connection has temporary tables or views, or was opened `immutable`, its queries
/// always read it and keep nothing; neither do queries that only this connection can answer (its
/// own functions), that ask for its state (`last_insert_rowid()`), or that run under its own
/// settings for LIKE, uncommitted reads or the names of columns. Own functions and collations that
/// stand in for built-in ones, and an authorizer that hides columns (SQLITE_IGNORE), are the caller's
/// to keep equal. Only queries and EXPLAIN run; anything else throws
/// ConfigError.
class Borrowed final : public Loader {
 public:
  template <HasParameterTraits... Args>
  [[nodiscard]] Query query(std::string sql, const Args&... args) {
    return {Route(database_.source(), *this), std::move(sql), Parameters(args...)};
  }
  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override;
  [[nodiscard]] bool isolated() const override;
  [[nodiscard]] bool borrowed() const noexcept override { return true; }
  [[nodiscard]] Analyser* analyser() noexcept override;

 private:
  friend class Database;
  Borrowed(Database& database, SQLite::Database& connection)
      : database_(database), connection_(connection) {}
  Database& database_;
  SQLite::Database& connection_;
};

}  // namespace querymark::sqlite
