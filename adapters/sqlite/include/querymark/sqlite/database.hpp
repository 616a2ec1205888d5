#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include "querymark/log/receipt.hpp"
#include "querymark/log/subscriber.hpp"
#include "querymark/log/wait.hpp"
#include "querymark/read/get_or_load.hpp"
#include "querymark/read/prepared.hpp"
#include "querymark/read/query.hpp"
#include "querymark/sqlite/file_tier.hpp"
#include "querymark/sqlite/options.hpp"
#include "querymark/sqlite/staged.hpp"
#include "querymark/sqlite/transaction.hpp"

namespace querymark::sqlite {

/// What a write came to: the receipt, and the function's value if it returns one.
template <class T>
struct Written {
  Receipt receipt;
  T value;
};
template <>
struct Written<void> {
  Receipt receipt;
};

struct DatabaseStats {
  std::uint64_t writes = 0;
  std::uint64_t writes_without_intents = 0;
  std::uint64_t in_doubt = 0;  ///< Commits and staged intents whose outcome stayed unknown.
  std::uint64_t polls = 0;     ///< Of the log.
  std::uint64_t poll_failures = 0;
  std::uint64_t malformed_rows = 0;  ///< Log rows that were applied as a flush.
  std::uint64_t restarts = 0;        ///< Of the marks: start, new epochs, jumps.
  std::string last_error;            ///< Of the subscriber; empty when none.
};

class Borrowed;

/// A SQLite database with a cache in front: queries that are cached, writes that invalidate
/// everywhere.
///
/// Thread-safe, except that tiers are attached before the first read. Opens its own connections: up
/// to `readers` for reading, one for writing, two for the log; a thread of its own follows the log.
/// The cache must outlive it; queries, prepared queries and staged intents must not.
class Database {
 public:
  /// `where` is a path or `sqlite:PATH`. Blocks for a few reads. Throws SchemaError (missing, older
  /// or newer schema: the text names the command that mends it), ConfigError, Error.
  Database(const std::string& where, Cache& cache, Options options = {});
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  /// Stops following the log and closes all connections.
  ~Database();

  /// A query with its parameters: `.tag(...)`, `.ttl(...)`, then `.fetch()` or `.fetch_as<T>()`.
  /// The SQL goes to the database verbatim, parameters are bound in order. It must be one statement
  /// that reads.
  template <BindableParameter... Args>
  [[nodiscard]] Query query(std::string sql, const Args&... args) {
    return {source(), loader(), std::move(sql), detail::ParameterList(args...)};
  }
  /// A query to be called many times, with rows as a `Result`.
  [[nodiscard]] Prepared<ResultSet, detail::NoMapper> prepare(std::string sql) {
    return {source(), loader(), std::move(sql), {}};
  }
  /// A query to be called many times, with rows as objects.
  template <class T>
  [[nodiscard]] Prepared<T, detail::AutoMapper<T>> prepare(std::string sql) {
    return {source(), loader(), std::move(sql), {}};
  }
  /// The same with a mapper of your own: a class without state, called with a Row.
  template <class T, class Mapper>
  [[nodiscard]] Prepared<T, Mapper> prepare(std::string sql, Mapper mapper) {
    static_assert(std::is_empty_v<Mapper>, "a mapper with state could map one key in two ways");
    return {source(), loader(), std::move(sql), mapper};
  }
  /// A value by the caller's own key name, made stale by this database's log. See `get_or_load`.
  template <class T, class Load>
  [[nodiscard]] Cached<T> get_or_load(std::string_view name, const GetOrLoadOptions& options,
                                      Load&& load) {
    return querymark::get_or_load<T>(source(), name, options, std::forward<Load>(load));
  }

  /// Runs `function(tx)` in a write transaction (BEGIN IMMEDIATE) and commits the data together
  /// with the intents. Before it returns, this process's marks include the write. If the function
  /// throws, everything is rolled back and the exception goes on. Blocks while another writer holds
  /// the lock, up to `busy_timeout`. Throws Error; CommitInDoubt when the outcome is unknown. Never
  /// retried by itself.
  template <class Function>
  auto write(Function&& function) -> Written<std::invoke_result_t<Function&, Transaction&>> {
    using Value = std::invoke_result_t<Function&, Transaction&>;
    WriteSession session(*this);
    if constexpr (std::is_void_v<Value>) {
      function(session.transaction());
      return {session.commit()};
    } else {
      Value value = function(session.transaction());
      Receipt receipt = session.commit();
      return {std::move(receipt), std::move(value)};
    }
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
  /// open, when the connection is to another file, or when it has attached files (a commit over
  /// several WAL files is not atomic).
  [[nodiscard]] Staged stage(SQLite::Database& connection, const IntentBatch& intents);
  /// Cached queries that load on the caller's connection. Throws as `stage` does, except for the
  /// transaction.
  [[nodiscard]] Borrowed borrow(SQLite::Database& connection);

  /// Removes everything of this namespace from this process's view, without telling others.
  void flush_local();
  [[nodiscard]] DatabaseStats stats() const;
  [[nodiscard]] Source& source() noexcept;
  [[nodiscard]] const std::string& path() const noexcept;

 private:
  friend class Staged;
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

  [[nodiscard]] Loader& loader() noexcept;

  std::unique_ptr<State> state_;
};

/// Cached queries whose loads run on a caller's own connection, for one thread at a time. Outside a
/// transaction they hit and fill like the database's own. Inside a transaction they always read the
/// database; what they read is kept if the transaction has written nothing and its snapshot is new
/// enough. While another statement of the connection is unfinished (and so pins an old snapshot)
/// nothing is kept.
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
