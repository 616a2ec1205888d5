#pragma once  // For users.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/automatic/analysis.hpp"
#include "querymark/database/database.hpp"
#include "querymark/observe/metric.hpp"
#include "querymark/postgres/options.hpp"
#include "querymark/postgres/transaction.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/write/staged.hpp"

namespace pqxx {
class transaction_base;
}

namespace querymark::postgres {

using querymark::DatabaseStats;
using querymark::Staged;
using querymark::WriteFate;
using querymark::Written;

class Borrowed;

/// What a database's standby did for it (Options::replica_url).
struct ReplicaStats {
  std::uint64_t loads = 0;  ///< Answered by it; some of them refused (CacheStats::replica_stale).
  std::uint64_t failures = 0;  ///< It could not answer, and the primary did.
  std::string last_problem;    ///< The last of these, for people.
};

}  // namespace querymark::postgres

namespace querymark {

template <>
struct MetricsOf<postgres::ReplicaStats> {
  static constexpr std::string_view kGroup = "replica";
  template <class Visit>
  static void visit(const postgres::ReplicaStats& stats, Visit&& visit) {
    using enum MetricKind;
    visit({"loads", "Loads that the replica answered."}, stats.loads);
    visit({"failures", "Loads that the replica could not answer, and the primary did."},
          stats.failures);
    visit({"last_problem", "The last of these.", text}, stats.last_problem);
  }
};

}  // namespace querymark

namespace querymark::postgres {

/// A PostgreSQL database with a cache in front: queries that are cached, writes that invalidate
/// everywhere.
///
/// Thread-safe, except that tiers are attached before the first read. Opens its own connections to
/// the primary: one for the log, which also listens, and up to `connections` in a pool once somebody
/// reads or writes; a thread of its own follows the log. The cache must outlive it; queries,
/// prepared queries and staged intents must not.
///
/// `with` takes custom settings, those with a dot in their names, of at most 64 KiB in all; the
/// server's own (role, search_path, TimeZone...) are pinned in Options::session. They are set for
/// the transaction of each load and write, in the round trip that it takes anyway. A session never
/// forgets that a custom setting was set in it, so a connection is closed after a load under one
/// that `Options::session.settings` does not pin: pin it there, to '' if need be. Behind a pooling
/// proxy it must be. What a load finds changed when it ends is not kept.
///
/// A write's intents travel in one round trip with COMMIT. It is in doubt when the connection is
/// lost during COMMIT. The statement that a write begins with is prepared on its connection when it
/// comes there for the second time, but for behind a pooling proxy; where the schema has changed
/// since and it fails, it is run as a text.
class Database final : public querymark::Database {
 public:
  /// `url` is `postgresql://…` or a libpq keyword string. Blocks for a few round trips. Throws
  /// SchemaError (missing, older or newer schema: the text names the command that mends it),
  /// ConfigError, Error; none of them shows a password.
  Database(const std::string& url, Cache& cache, Options options = {});

  using querymark::Database::write;
  /// A write at another isolation level, under session settings, or one that is repeated as
  /// `options.retries` asks.
  template <class Function>
  auto write(Function&& function, const WriteOptions& options)
      -> Written<std::invoke_result_t<Function&, Transaction&>> {
    for (unsigned tries = 0;; ++tries) {
      try {
        const std::unique_ptr<WriteSession> session = begin_write(options);
        return detail::run_write(*session, function);
      } catch (const Error& failure) {
        const bool repeat = failure.native_code() == "40001" || failure.native_code() == "40P01";
        if (!repeat || failure.outcome_unknown() || tries >= options.retries) throw;
      }
    }
  }

  /// On which rows of which tables a query's result depends, as the server understands its text in
  /// the sessions of this database; what can't be judged is refused, with the reason. Runs nothing of
  /// it. Blocks for some round trips, in a transaction that is rolled
  /// back. Needs the right to make temporary functions, and the primary. Throws Error where the
  /// server refuses the text.
  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& promises = {});

  // --- the low road: a caller's own libpqxx transaction
  /// Writes the intents in the caller's open transaction. Throws ConfigError when the transaction
  /// is an autocommitting one or on another database.
  [[nodiscard]] Staged stage(pqxx::transaction_base& transaction, const IntentBatch& intents);
  /// Cached queries that load in the caller's transaction. Its session is the caller's own. Where
  /// its users, settings and encoding are those of this database's sessions, they share its cache:
  /// they are served from what others have loaded and keep what they load for others. Elsewhere
  /// what the session is belongs to the key, and each read asks the database. What it reads after
  /// that has changed, or beside temporary tables, is neither. `scope` adds what else the key must
  /// say, which sets it apart; a query's own `.scope()`, such as a tenant, is added to both. Blocks
  /// for two statements; throws Error.
  [[nodiscard]] Borrowed borrow(pqxx::transaction_base& transaction, std::string scope = {});

  /// Why the doorbell does not listen; empty when it does. Without it, polls find the writes.
  [[nodiscard]] std::string doorbell_problem() const;
  /// What the standby did; all zero without one.
  [[nodiscard]] ReplicaStats replica() const;
  /// The database, for people: no password.
  [[nodiscard]] const std::string& label() const noexcept;

 private:
  friend class Borrowed;
  friend class WriteStart;
  struct State;
  class Session;
  class Read;
  [[nodiscard]] State& state() const noexcept;
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write(const WriteOptions& options);
};

/// Cached queries whose loads run in a caller's own transaction, for one thread at a time.
///
/// A hit costs one small statement on the caller's connection, which tells that the session is
/// still what it was when it was borrowed, and that the transaction is READ COMMITTED and has
/// written nothing: otherwise there is no hit. What is read from the database is kept if the
/// transaction has written nothing and its snapshot is new enough. Queries that read settings
/// themselves (`current_setting`) are never served or kept; and where a function or a view reads
/// some by names that can't be found out, the session counts as another one.
///
/// Automatic tags are found out on the database's own connections, for sessions like theirs; in other sessions what
/// has them is not kept.
class Borrowed final : public Loader, private Analyser {
 public:
  template <HasParameterTraits... Args>
  [[nodiscard]] Query query(std::string sql, const Args&... args) {
    return {Route(database_.source(), *this), std::move(sql), Parameters(args...)};
  }
  [[nodiscard]] LoadedRows load(std::string_view sql,
                                std::span<const ParameterView> parameters) override;
  [[nodiscard]] bool isolated() const override { return true; }
  [[nodiscard]] bool borrowed() const noexcept override { return true; }
  [[nodiscard]] bool may_hit(std::string_view sql) override;
  [[nodiscard]] const std::string* session() const noexcept override {
    return like_ours_ && !scoped_ ? nullptr : &session_;
  }
  /// Null where the transaction has written, or its session is no longer what was borrowed.
  [[nodiscard]] Analyser* analyser() noexcept override;

 private:
  friend class Database;
  Borrowed(Database& database, pqxx::transaction_base& transaction, std::string session)
      : database_(database), transaction_(transaction), session_(std::move(session)) {}
  Database& database_;
  pqxx::transaction_base& transaction_;
  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& promises) override;
  /// The state of log and session, as the caller's transaction sees it.
  [[nodiscard]] ResultSet look();
  /// Whether what was read in that state may be kept, as far as the state tells.
  [[nodiscard]] Stored judged(const ResultSet& looked) const;

  std::string session_;
  bool like_ours_ = false;  // a query gives what it gives on the database's own sessions
  bool scoped_ = false;
  std::vector<std::string> settings_;  // names of what the session was asked for
  std::string answer_;                 // what it said
};

}  // namespace querymark::postgres
