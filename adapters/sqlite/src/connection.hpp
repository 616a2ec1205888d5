#pragma once

#include <SQLiteCpp/Database.h>

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
#include "statement.hpp"

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

/// One connection with its statements. Not thread-safe. All members throw Error, never
/// SQLite::Exception.
class Connection {
 public:
  enum class Use : std::uint8_t { read, write, log };
  struct Settings {
    std::chrono::milliseconds busy_timeout{5000};
    Synchronous synchronous = Synchronous::full;
    bool write_ahead_log = false;  ///< Switch the file to WAL.
    bool create = false;           ///< When missing; readable and writable by its owner alone.
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
  /// The same for one statement that is run often: prepared once.
  void run_again(std::string_view sql);
  /// The statement, from those that are prepared; valid until many others have been.
  [[nodiscard]] PreparedStatement& statement(std::string_view sql);
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
  /// True when the path that was opened, with its symbolic links resolved then, leads to another
  /// file now, or to none.
  [[nodiscard]] bool moved() const noexcept;

 private:
  struct Cached {
    std::string sql;
    PreparedStatement prepared;
  };
  static int wait_for_lock(void* connection, int attempt);
  struct Opened {
    SQLite::Database database;
    FileIdentity identity;
  };
  static Opened open(const std::string& path, const Settings& settings);
  Connection(const std::string& path, Opened opened, Use use, const Settings& settings);

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
