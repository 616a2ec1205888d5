#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "querymark/read/queryable.hpp"
#include "querymark/sqlite/file_tier.hpp"
#include "querymark/sqlite/options.hpp"
#include "querymark/sqlite/transaction.hpp"
#include "querymark/wait/wait.hpp"
#include "querymark/write/own_writes.hpp"
#include "querymark/write/staged.hpp"
#include "querymark/write/written.hpp"

namespace SQLite {
class Database;
}

namespace querymark::sqlite {

using querymark::DatabaseStats;
using querymark::Staged;
using querymark::Written;

class Borrowed;

/// A SQLite database with a cache in front: queries that are cached, writes that invalidate
/// everywhere.
///
/// Thread-safe, except that tiers are attached before the first read. Opens its own connections: up
/// to `readers` for reading, one for writing, two for the log; a thread of its own follows the log.
/// The cache must outlive it; queries, prepared queries and staged intents must not.
class Database final : public Queryable {
 public:
  /// `where` is a path or `sqlite:PATH`. Blocks for a few reads. Throws SchemaError (missing, older
  /// or newer schema: the text names the command that mends it), ConfigError, Error.
  Database(const std::string& where, Cache& cache, Options options = {});
  /// Stops following the log and closes all connections.
  ~Database();

  /// Runs `function(tx)` in a write transaction (BEGIN IMMEDIATE) and commits the data together
  /// with the intents. Before it returns, this process's marks include the write. If the function
  /// throws, everything is rolled back and the exception goes on. If SQLite itself has rolled back
  /// on the way (see Transaction), the write fails with the error that did it, also when the
  /// function has caught that. Blocks while another writer holds the lock, up to `busy_timeout`.
  /// Throws Error; CommitInDoubt when the outcome is unknown; ConfigError inside another write of
  /// the same thread to the same file. Never retried by itself.
  template <class Function>
  auto write(Function&& function) -> Written<std::invoke_result_t<Function&, Transaction&>> {
    WriteSession session(*this);
    return detail::run_write(session, function);
  }

  /// Waits until the write behind the receipt is visible as `wait` asks. A receipt of this
  /// process's own, acknowledged write returns at once.
  [[nodiscard]] WaitOutcome wait(const Receipt& receipt, const Wait& wait);
  /// Applies everything that was committed before the call. Blocks for one read of the log.
  void catch_up();

  /// Puts a file tier below memory. Reads the retained log first, so that what the file holds from
  /// before this process can be judged. Call before the first read.
  void attach(FileTier tier);

  // --- the low road: a caller's own connection
  // ---------------------------------------------------------
  /// Writes the intents in the caller's open transaction. Throws ConfigError when no transaction is
  /// open, when the connection is to another file (also one that was at this path before), or when
  /// it has attached files (a commit over several WAL files is not atomic).
  [[nodiscard]] Staged stage(SQLite::Database& connection, const IntentBatch& intents);
  /// Cached queries that load on the caller's connection. Throws as `stage` does, except for the
  /// transaction, and so does each load: the connection is looked at anew each time.
  [[nodiscard]] Borrowed borrow(SQLite::Database& connection);

  /// Removes everything of this namespace from this process's view, without telling others.
  void flush_local();
  [[nodiscard]] DatabaseStats stats() const;
  [[nodiscard]] Source& source() noexcept override;
  [[nodiscard]] const std::string& path() const noexcept;

 private:
  friend class Borrowed;
  struct State;

  /// Holds the writer's connection and an open transaction; rolls back unless committed.
  class WriteSession {
   public:
    explicit WriteSession(Database& database);
    WriteSession(const WriteSession&) = delete;
    WriteSession& operator=(const WriteSession&) = delete;
    ~WriteSession();
    [[nodiscard]] Transaction& transaction() noexcept;
    [[nodiscard]] Receipt commit();

   private:
    struct Open;
    std::unique_ptr<Open> open_;
  };

  [[nodiscard]] Loader& loader() noexcept override;

  std::unique_ptr<State> state_;
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
/// settings for LIKE or uncommitted reads. Own functions and collations that stand in for built-in
/// ones are the caller's to keep equal. Only queries and EXPLAIN run; anything else throws
/// ConfigError.
class Borrowed final : public Loader {
 public:
  template <BindableParameter... Args>
  [[nodiscard]] Query query(std::string sql, const Args&... args) {
    return {database_.source(), *this, std::move(sql), detail::ParameterList(args...)};
  }
  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override;
  [[nodiscard]] bool isolated() const override;

 private:
  friend class Database;
  Borrowed(Database& database, SQLite::Database& connection)
      : database_(database), connection_(connection) {}
  Database& database_;
  SQLite::Database& connection_;
};

}  // namespace querymark::sqlite
