#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/postgres/options.hpp"
#include "querymark/postgres/transaction.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/read/queryable.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "querymark/wait/wait.hpp"
#include "querymark/write/own_writes.hpp"
#include "querymark/write/staged.hpp"
#include "querymark/write/written.hpp"

namespace pqxx {
class transaction_base;
}

namespace querymark::postgres {

using querymark::DatabaseStats;
using querymark::Staged;
using querymark::Written;

/// What became of a write whose receipt is in doubt.
enum class WriteFate : std::uint8_t {
  committed,    ///< Its rows are in the log.
  rolled_back,  ///< Its transaction has ended and left no rows.
  running,      ///< Its transaction is still open (or prepared): ask again.
  unknown,      ///< Another epoch, or the log is pruned past it: nobody can tell any more.
};

class Borrowed;

/// A PostgreSQL database with a cache in front: queries that are cached, writes that invalidate
/// everywhere.
///
/// Thread-safe, except that tiers are attached before the first read. Opens its own connections to
/// the primary: up to `connections` in a pool, one for the log, one that listens; a thread of its
/// own follows the log. The cache must outlive it; queries, prepared queries and staged intents
/// must not.
class Database final : public Queryable {
 public:
  /// `url` is `postgresql://…` or a libpq keyword string. Blocks for a few round trips. Throws
  /// SchemaError (missing, older or newer schema: the text names the command that mends it),
  /// ConfigError, Error; none of them shows a password.
  Database(const std::string& url, Cache& cache, Options options = {});
  /// Stops following the log and closes all connections.
  ~Database();

  /// Runs `function(tx)` in a write transaction and commits the data together with the intents,
  /// which travel in one statement with COMMIT. Before it returns, this process's marks include the
  /// write. If the function throws, everything is rolled back and the exception goes on. Throws
  /// Error; CommitInDoubt when the connection is lost during COMMIT. Repeated only as
  /// `options.retries` asks.
  template <class Function>
  auto write(Function&& function, const WriteOptions& options = {})
      -> Written<std::invoke_result_t<Function&, Transaction&>> {
    for (unsigned tries = 0;; ++tries) {
      try {
        WriteSession session(*this, options.isolation);
        return detail::run_write(session, function);
      } catch (const Error& failure) {
        const bool repeat = failure.native_code() == "40001" || failure.native_code() == "40P01";
        if (!repeat || failure.outcome_unknown() || tries >= options.retries) throw;
      }
    }
  }

  /// Waits until the write behind the receipt is visible as `wait` asks. A receipt of this
  /// process's own, acknowledged write returns at once; one in doubt is looked for in the log.
  [[nodiscard]] WaitOutcome wait(const Receipt& receipt, const Wait& wait);
  /// What became of a write in doubt, by epoch, position and write id in the log. One statement.
  [[nodiscard]] WriteFate resolve(const Receipt& receipt);
  /// Applies everything that was committed before the call. Blocks for one read of the log.
  void catch_up();

  /// Puts a shared tier below memory. Reads the retained log first, so that what the tier holds
  /// from before this process can be judged. Call before the first read.
  void attach(std::shared_ptr<SharedTier> tier);
  template <class Tier>
    requires std::is_base_of_v<SharedTier, Tier>
  void attach(Tier tier) {
    attach(std::shared_ptr<SharedTier>(std::make_shared<Tier>(std::move(tier))));
  }

  // --- the low road: a caller's own libpqxx transaction
  // ----------------------------------------------------
  /// Writes the intents in the caller's open transaction. Throws ConfigError when the transaction
  /// is an autocommitting one or on another database.
  [[nodiscard]] Staged stage(pqxx::transaction_base& transaction, const IntentBatch& intents);
  /// Cached queries that load in the caller's transaction. Its session is the caller's own: the
  /// settings and users that it has now are part of the key, and what it reads after they have
  /// changed, or beside temporary tables, is not kept. `scope` adds what else the key must say; a
  /// query's own `.scope()`, such as a tenant, is added to both. Blocks for two statements; throws
  /// Error.
  [[nodiscard]] Borrowed borrow(pqxx::transaction_base& transaction, std::string scope);

  /// Removes everything of this namespace from this process's view, without telling others.
  void flush_local();
  [[nodiscard]] DatabaseStats stats() const;
  /// Why the doorbell does not listen; empty when it does. Without it, polls find the writes.
  [[nodiscard]] std::string doorbell_problem() const;
  [[nodiscard]] Source& source() noexcept override;
  /// The database, for people: no password.
  [[nodiscard]] const std::string& label() const noexcept;

 private:
  friend class Borrowed;
  struct State;

  /// Holds a pooled connection and an open transaction; rolls back unless committed.
  class WriteSession {
   public:
    WriteSession(Database& database, Isolation isolation);
    WriteSession(const WriteSession&) = delete;
    WriteSession& operator=(const WriteSession&) = delete;
    ~WriteSession();
    [[nodiscard]] Transaction& transaction() noexcept;
    [[nodiscard]] Receipt commit();

   private:
    struct Open;
    std::shared_ptr<void> writing_;  // this thread is inside write()
    std::unique_ptr<Open> open_;
  };

  [[nodiscard]] Loader& loader() noexcept override;

  std::unique_ptr<State> state_;
};

/// Cached queries whose loads run in a caller's own transaction, for one thread at a time. They
/// always read the database; what they read is kept if the transaction has written nothing and its
/// snapshot is new enough.
class Borrowed final : public Loader {
 public:
  template <BindableParameter... Args>
  [[nodiscard]] Query query(std::string sql, const Args&... args) {
    return {database_.source(), *this, std::move(sql), detail::ParameterList(args...)};
  }
  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override;
  [[nodiscard]] bool isolated() const override { return true; }
  [[nodiscard]] const std::string* session() const noexcept override { return &session_; }

 private:
  friend class Database;
  Borrowed(Database& database, pqxx::transaction_base& transaction, std::string session)
      : database_(database), transaction_(transaction), session_(std::move(session)) {}
  Database& database_;
  pqxx::transaction_base& transaction_;
  /// The state of log and session, as the caller's transaction sees it.
  [[nodiscard]] ResultSet look();

  std::string session_;
  std::vector<std::string> settings_;  // names of what the session was asked for
  std::string answer_;                 // what it said
};

}  // namespace querymark::postgres
