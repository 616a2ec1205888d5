#pragma once  // For users.

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/automatic/advice.hpp"
#include "querymark/database/database_session.hpp"
#include "querymark/database/queries.hpp"
#include "querymark/database/read_session.hpp"
#include "querymark/database/session_settings.hpp"
#include "querymark/database/write_session.hpp"
#include "querymark/log/write_fate.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "querymark/wait/wait.hpp"
#include "querymark/write/own_writes.hpp"
#include "querymark/write/transaction.hpp"
#include "querymark/write/written.hpp"

namespace querymark {

class Backend;
class UserSession;

/// A database with a cache in front: queries that are cached, writes that invalidate everywhere.
/// Adapters derive theirs, which open it; application code that takes a `Database&` runs on each of
/// them, and in tests on `testing::MemoryDatabase`.
///
/// Thread-safe, except that tiers are attached before the first read. The cache must outlive it;
/// queries, prepared queries and staged intents must not.
class Database : public Queries {
 public:
  Database(const Database&) = delete;
  /// Stops following the log and closes all connections.
  virtual ~Database();

  /// The same database under settings of the caller's, such as {{"app.tenant", "7"}}: for the
  /// transactions of its loads and writes alone, and part of their keys. So row-level security by a
  /// setting needs one Database, not one for each tenant. No settings: the database as it is. Asks
  /// nobody. Throws ConfigError for what can't be set like this: each database says what can.
  [[nodiscard]] DatabaseSession with(const SessionSettings& settings);

  /// Runs `function(tx)` in a write transaction and commits the data together with the intents.
  /// Before it returns, this process's marks include the write. If the function throws, everything
  /// is rolled back and the exception goes on. Blocks. Throws Error; CommitInDoubt when the outcome
  /// is unknown; ConfigError inside another write of the same thread. Never retried by itself.
  ///
  /// Queries are read in it by `.in(tx)`. Where each statement sees what was committed before it (READ
  /// COMMITTED), memory may answer them until the transaction has changed something or declared an
  /// intent; from then on, and at higher levels (SQLite's is the highest), the transaction does. What it
  /// reads is not kept.
  template <class Function>
  auto write(Function&& function) -> Written<std::invoke_result_t<Function&, Transaction&>> {
    const std::unique_ptr<WriteSession> session = begin_write();
    return detail::run_write(*session, function);
  }

  /// Runs `function(tx)` in a transaction that can't write and whose reads share one snapshot, that of the
  /// first of them; returns what it returns. Queries are read in it by `.in(tx)`: past the cache, since a
  /// value that memory holds is from another moment. Holds one connection until the function returns: a
  /// read of the database itself in between takes another. Blocks. Throws Error, and what the function
  /// throws.
  ///
  ///     db.read_transaction([&](qm::ReadTransaction& tx) {
  ///       return report(orders.in(tx)(7), lines.in(tx)(7));
  ///     });
  template <class Function>
  auto read_transaction(Function&& function) -> std::invoke_result_t<Function&, ReadTransaction&> {
    const std::unique_ptr<ReadSession> session = begin_read();
    return function(session->transaction());
  }

  /// One statement and its intents, as short as a write can be: what `write` does with a function
  /// that sends the statement and awaits nothing, so that COMMIT goes out while it is worked on.
  /// `.value` is the number of rows that it has changed. Throws as `write`, naming the statement.
  ///
  ///     db.write_one("update product set price = $1 where id = $2",
  ///                  qm::Parameters(12.5, 7), qm::entity("product", 7));
  Written<std::int64_t> write_one(std::string_view sql, const Parameters& parameters,
                                  const IntentBatch& intents);
  Written<std::int64_t> write_one(std::string_view sql, const Parameters& parameters,
                                  Target target);

  /// Waits until the write behind the receipt is visible as `wait` asks. A receipt of this
  /// process's own, acknowledged write returns at once from a local wait; one in doubt is looked
  /// for in the log.
  [[nodiscard]] WaitOutcome wait(const Receipt& receipt, const Wait& wait);
  /// What became of a write in doubt, by epoch, position and write id in the log. Where it was committed,
  /// reads of this process include it from now on, as if `write` had returned: what triggers have told,
  /// too. Blocks for one statement, and then for a look at the log. Throws Error.
  [[nodiscard]] WriteFate resolve(const Receipt& receipt);
  /// Why writes have invalidated, as they said (`tx.reason("price import")`), by a position that
  /// `explain` has told: of `explanation.death->position`, what the value has died of. Each once, a
  /// few at most; none where nobody said, or where the log no longer has the rows. Blocks for one
  /// statement. Throws Error.
  [[nodiscard]] std::vector<std::string> reasons_at(Position position);
  /// What one user has written, out of the text that its `str()` made in whichever process; empty for
  /// a user who is new. Asks nobody.
  [[nodiscard]] UserSession user_session(std::string_view text);
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

  /// Which columns tables should report by (`track`), so that these queries' results depend on some rows only. Runs
  /// nothing of them. Blocks, for about a millisecond each. What can't be read is told in its place. Throws Error
  /// where the database can't be asked; ConfigError for one that has no automatic tags.
  [[nodiscard]] Advice advise(std::vector<SeenQuery> queries);
  /// The same for the queries that this process has analysed so far, outside `with` and transactions of callers.
  [[nodiscard]] Advice advise();

  /// Removes everything of this namespace from this process's view, without telling others.
  void flush_local();
  [[nodiscard]] DatabaseStats stats() const;

 protected:
  explicit Database(std::unique_ptr<Backend> backend);
  [[nodiscard]] Backend& backend() const noexcept { return *backend_; }

 private:
  friend class UserSession;
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write();
  [[nodiscard]] std::unique_ptr<ReadSession> begin_read();

  std::unique_ptr<Backend> backend_;
};

}  // namespace querymark
