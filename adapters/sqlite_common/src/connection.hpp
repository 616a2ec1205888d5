#pragma once

#include <SQLiteCpp/Database.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "checkpoints.hpp"
#include "guard.hpp"
#include "querymark/key/parameter.hpp"
#include "querymark/read/loader.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/embedded_sql.hpp"
#include "querymark/support/migrations.hpp"
#include "statement_cache.hpp"

namespace querymark::sqlite {

/// Which file a path leads to at the moment. Another one means another database.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  /// When the inode was made, in nanoseconds since 1970: a number that is given out again is
  /// another file. Zero where the filesystem does not keep it.
  std::int64_t birth = 0;
  /// device:inode.
  [[nodiscard]] std::string str() const;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
/// Nothing when there is no such file.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::string& path) noexcept;
/// True when the path by which `database` was opened leads to another file now, or to none.
[[nodiscard]] bool has_moved(sqlite3* database) noexcept;

/// A wait as long as the clocks' arithmetic can do with: at least nothing, at most a day.
[[nodiscard]] constexpr std::chrono::milliseconds bounded(std::chrono::milliseconds wait) noexcept {
  constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24);
  return std::clamp(wait, std::chrono::milliseconds(0), kLongest);
}

/// One connection with its statements. Not thread-safe. All members throw Error, never
/// SQLite::Exception.
///
/// The library's own SQL and what callers wrote are kept apart: each has its own prepared
/// statements, so that a caller's text is always judged by the guard, also where it equals one of
/// ours.
class Connection {
 public:
  enum class Use : std::uint8_t { read, write, log };
  struct Settings {
    std::chrono::milliseconds busy_timeout{5000};
    bool synchronous_full = true;  ///< Each commit is on disk before it returns.
    bool write_ahead_log = false;  ///< Switch the file to WAL.
    bool create = false;           ///< When missing; readable and writable by its owner alone.
    bool foreign_keys = true;      ///< Enforce them.
  };

  Connection(const std::string& path, Use use, const Settings& settings);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // --- callers' SQL: judged by the guard, checked to be one statement with that many parameters
  /// Runs what only reads and leaves the connection as it is; says whether the rows may be kept.
  [[nodiscard]] LoadedRows load(std::string_view sql, std::span<const ParameterView> parameters);
  /// Whether `load` would run this, and its rows could be kept. Throws Error when it would not run.
  [[nodiscard]] bool can_keep(std::string_view sql);
  struct Described {
    Mentions mentions{};
    std::size_t parameters = 0;
    bool can_keep = false;  ///< As `can_keep` says.
  };
  /// What `load` would read, running nothing of it. Throws Error when it would not run.
  [[nodiscard]] Described describe(std::string_view sql);
  /// Runs what may stand inside a write transaction; its rows.
  [[nodiscard]] ResultSet query_inside(std::string_view sql,
                                       std::span<const ParameterView> parameters);
  /// The same; rows changed by it.
  std::int64_t execute_inside(std::string_view sql, std::span<const ParameterView> parameters);

  // --- the library's own SQL
  /// Runs one statement that reads.
  [[nodiscard]] ResultSet query(std::string_view sql, std::span<const ParameterView> parameters);
  /// Runs one statement that writes and returns rows (RETURNING).
  [[nodiscard]] ResultSet query_writing(std::string_view sql,
                                        std::span<const ParameterView> parameters);
  /// Runs one statement; rows changed by it.
  std::int64_t execute(std::string_view sql, std::span<const ParameterView> parameters);
  /// Runs fixed SQL without parameters or result (BEGIN, PRAGMA, a migration's statements).
  void run(const std::string& sql);
  /// The same for one statement that is run often: prepared once.
  void run_again(std::string_view sql);
  /// The library's own statement, from those that are prepared; valid until two others have been
  /// asked for.
  [[nodiscard]] PreparedStatement& statement(std::string_view sql);
  /// Switches the file to write-ahead logging; waits for others that do, up to the busy timeout.
  void write_ahead();
  /// First column of the single row, as text; for PRAGMAs.
  std::string pragma(const std::string& sql);

  /// Longest wait for a lock. Waits in small, growing, jittered steps: SQLite's own handler sleeps
  /// for milliseconds where another process holds the lock for microseconds.
  void set_busy_timeout(std::chrono::milliseconds timeout);
  [[nodiscard]] std::chrono::milliseconds busy_timeout() const noexcept { return busy_timeout_; }
  [[nodiscard]] bool in_transaction() const noexcept;
  /// The connection is as it was opened: no transaction, no unfinished statement, no temporary
  /// object, no setting of a caller's, and the last failure was not its own.
  [[nodiscard]] bool usable() const noexcept;
  /// Rolls back if a transaction is open. Never throws: SQLite itself rolls back when the
  /// connection closes.
  void rollback() noexcept;
  [[nodiscard]] SQLite::Database& native() noexcept { return database_; }
  /// The file that was opened.
  [[nodiscard]] const FileIdentity& identity() const noexcept { return identity_; }
  /// True when the path that was opened, with its symbolic links resolved then, leads to another
  /// file now, or to none.
  [[nodiscard]] bool moved() const noexcept;

 private:
  static int wait_for_lock(void* connection, int attempt);
  struct Opened {
    SQLite::Database database;
    FileIdentity identity;
  };
  static Opened open(const std::string& path, const Settings& settings);
  Connection(const std::string& path, Opened opened, Use use, const Settings& settings);

  template <class Run>
  decltype(auto) with_callers(Guard::Rules rules, std::string_view sql, Run run);

  std::chrono::milliseconds busy_timeout_{};
  std::chrono::steady_clock::time_point busy_since_;
  std::string path_;
  FileIdentity identity_;
  SQLite::Database database_;
  Guard guard_;
  std::optional<Checkpoints> checkpoints_;
  StatementCache own_;  // these two after database_, so that they go before it
  StatementCache callers_;
  bool lost_ = false;
};

/// Rolls back at the end of its scope unless `commit()` succeeded.
class ScopedTransaction {
 public:
  enum class Kind : std::uint8_t { read, write };
  ScopedTransaction(Connection& connection, Kind kind);
  ScopedTransaction(const ScopedTransaction&) = delete;
  ScopedTransaction& operator=(const ScopedTransaction&) = delete;
  ~ScopedTransaction() { connection_.rollback(); }
  void commit() { connection_.run_again("commit"); }

 private:
  Connection& connection_;
};

/// What tells a schema's version: whether it is there, and which.
struct SchemaQueries {
  SqlStatement present;
  SqlStatement version;
};

/// How migrations run on this connection, which must outlive the port; `path` is for messages.
[[nodiscard]] MigrationPort migration_port(Connection& connection, const SchemaQueries& schema,
                                           const std::string& path);
/// The schema's version, 0 when there is none.
[[nodiscard]] int find_schema_version(Connection& connection, const SchemaQueries& schema);

}  // namespace querymark::sqlite
