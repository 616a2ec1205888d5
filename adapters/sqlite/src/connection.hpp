#pragma once

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/sqlite/options.hpp"
#include "querymark/support/migrations.hpp"
#include "querymark/support/sql_catalog.hpp"

namespace querymark::sqlite {

/// Which file a path leads to at the moment: device and inode. Another one means another database.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  [[nodiscard]] std::string str() const;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};
/// Nothing when there is no such file.
[[nodiscard]] std::optional<FileIdentity> identity_of(const std::string& path) noexcept;

/// A prepared statement with what it takes to find once per preparation.
struct PreparedStatement {
  SQLite::Statement statement;
  bool reads_only = false;
  std::vector<std::pair<std::string, std::string>> columns;  // name, declared type
};

/// One connection with its statements. Not thread-safe. All members throw Error, never
/// SQLite::Exception.
class Connection {
 public:
  enum class Use : std::uint8_t { read, write, log };
  struct Settings {
    std::chrono::milliseconds busy_timeout{5000};
    Synchronous synchronous = Synchronous::full;
    bool write_ahead_log = false;  ///< Switch the file to WAL.
    bool create = false;
  };

  Connection(const std::string& path, Use use, const Settings& settings);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Runs SQL that must be one statement that reads; checks it and the parameter count.
  [[nodiscard]] ResultSet query(std::string_view sql, std::span<const ParameterView> parameters);
  /// Runs one statement that writes and returns rows (RETURNING).
  [[nodiscard]] ResultSet query_writing(std::string_view sql,
                                        std::span<const ParameterView> parameters);
  /// Runs one statement; rows changed by it.
  std::int64_t execute(std::string_view sql, std::span<const ParameterView> parameters);
  /// Runs fixed SQL without parameters or result (BEGIN, PRAGMA, a migration's statements).
  void run(const std::string& sql);
  /// Switches the file to write-ahead logging; waits for others that do, up to the busy timeout.
  void write_ahead();
  /// First column of the single row, as text; for PRAGMAs.
  std::string pragma(const std::string& sql);

  /// Longest wait for a lock. Waits in small, growing, jittered steps: SQLite's own handler sleeps
  /// for milliseconds where another process holds the lock for microseconds.
  void set_busy_timeout(std::chrono::milliseconds timeout);
  [[nodiscard]] bool in_transaction() const noexcept;
  /// Rolls back if a transaction is open. Never throws: SQLite itself rolls back when the
  /// connection closes.
  void rollback() noexcept;
  [[nodiscard]] SQLite::Database& native() noexcept { return database_; }
  /// The file that was opened.
  [[nodiscard]] const FileIdentity& identity() const noexcept { return identity_; }

 private:
  struct Cached {
    std::string sql;
    PreparedStatement prepared;
  };
  PreparedStatement& statement(std::string_view sql);

  static int wait_for_lock(void* connection, int attempt);

  static constexpr std::size_t kMaxStatements = 128;
  std::chrono::steady_clock::duration busy_timeout_{};
  std::chrono::steady_clock::time_point busy_since_;
  std::string path_;
  FileIdentity identity_;
  SQLite::Database database_;
  std::list<Cached>
      recent_;  // most recently used first; after database_, so that it goes before it
  std::unordered_map<std::string_view, std::list<Cached>::iterator> by_sql_;
};

/// Prepares `sql`; throws ConfigError when it is empty, more than one statement, or not valid.
[[nodiscard]] PreparedStatement prepare_checked(SQLite::Database& database, std::string_view sql);
/// Throws ConfigError for a statement that writes.
void require_reading(PreparedStatement& prepared);
/// Binds and runs a prepared statement, and takes all its rows.
[[nodiscard]] ResultSet run_query(PreparedStatement& prepared,
                                  std::span<const ParameterView> parameters);

/// Rolls back at the end of its scope unless `commit()` succeeded.
class ScopedTransaction {
 public:
  enum class Kind : std::uint8_t { read, write };
  ScopedTransaction(Connection& connection, Kind kind);
  ScopedTransaction(const ScopedTransaction&) = delete;
  ScopedTransaction& operator=(const ScopedTransaction&) = delete;
  ~ScopedTransaction() { connection_.rollback(); }
  void commit() { connection_.run("commit"); }

 private:
  Connection& connection_;
};

/// How migrations run on this connection, which must outlive the port; `path` is for messages.
[[nodiscard]] MigrationPort migration_port(Connection& connection, const SqlCatalog& sql,
                                           const std::string& path);
/// The schema's version, 0 when there is none.
[[nodiscard]] int find_schema_version(Connection& connection, const SqlCatalog& sql);

}  // namespace querymark::sqlite
