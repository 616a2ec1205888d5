#pragma once  // For users.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/database/database.hpp"
#include "querymark/log/memory_outbox.hpp"
#include "querymark/testing/call.hpp"

namespace querymark::testing {

struct MemoryOptions {
  std::string namespace_name = "default";
  TimeSpan default_ttl{std::chrono::minutes(5)};
  /// The log is in memory, so it is never late by itself. A test of what happens when it is sets
  /// this, moves a manual clock on, and makes the database unreachable meanwhile.
  TimeSpan max_lag{TimeSpan::max()};
  Lagging lagging = Lagging::bypass;
  bool require_intents = false;  ///< Refuse a write without intents.
  std::size_t mark_cells = 0;    ///< Zero: the default.
  LoadBudget load_budget{};
};

/// A database for tests: the whole of querymark (cache, single flight, marks, log, receipts, waits,
/// tiers), and for each SQL text an answer that the test gives. Code that takes a `Database&` runs
/// on it without a server, and no thread of its own makes a test wait.
///
///     ManualClock clock;
///     Cache cache{{.clock = &clock}};
///     testing::MemoryDatabase db(cache);
///     db.on_query("select name from product where id = $1",
///                 [&](const testing::Call& call) {
///                   return testing::Table({"name"}).row(names.at(call[0].as<int>())).rows();
///                 });
///
/// Thread-safe, as far as the answers are. They run without any lock held, and may throw what the
/// database would. One write at a time; what it ran is not undone when it fails, but for what its
/// answers say to `Call::on_rollback`.
class MemoryDatabase final : public Database {
 public:
  using Answer = std::function<ResultSet(const Call&)>;
  using Change = std::function<std::int64_t(const Call&)>;

  /// Throws ConfigError.
  explicit MemoryDatabase(Cache& cache, const MemoryOptions& options = {});
  /// Another process on the same database: the same answers and the same log, marks of its own. It
  /// sees the writes of others when it waits for their receipts, or after catch_up().
  MemoryDatabase(Cache& cache, const MemoryDatabase& other, const MemoryOptions& options = {});
  ~MemoryDatabase() override;

  /// What the query of this text answers, in reads and in writes. The text must be the same to the
  /// byte; the last answer given for it counts.
  void on_query(std::string sql, Answer answer);
  void on_query(std::string sql, const Table& table);
  /// What all queries answer that have no answer of their own. Without it they throw ConfigError.
  void on_other_queries(Answer answer);
  /// What a statement of this text does in a write, and how many rows it has changed.
  void on_execute(std::string sql, Change change);
  /// The same for all statements that have none of their own. Without it they throw ConfigError.
  void on_other_statements(Change change);

  /// How many queries went past the cache to the database, in all processes.
  [[nodiscard]] std::uint64_t loads() const;
  /// The texts of all statements of committed writes, in order.
  [[nodiscard]] std::vector<std::string> executed() const;

  /// From now on, nothing reaches the database: reads, writes and looks at the log throw Error with
  /// `connection_lost`. And back.
  void set_reachable(bool reachable);
  /// The next commit's answer is lost: the write throws CommitInDoubt, whether it took effect or
  /// not.
  void lose_next_commit(bool takes_effect);
  /// The log itself: to prune it, or to restore the database under its processes.
  [[nodiscard]] MemoryOutbox& log() noexcept;

 private:
  struct World;
  struct State;
  class Write;
  class Read;
  [[nodiscard]] World& world() const noexcept;
};

}  // namespace querymark::testing
