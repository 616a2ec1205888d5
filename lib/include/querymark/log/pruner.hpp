#pragma once  // For users who embed the worker, and its program.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string_view>

#include "querymark/log/pruning.hpp"
#include "querymark/log/reaper.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

struct PrunerOptions {
  /// Rows, and deliveries that have ended, stay this long, whoever has read them: shared tiers and
  /// processes that start judge by them what is older than they are. At least the largest TTL in use makes
  /// all of a tier useful.
  TimeSpan retention{std::chrono::hours(1)};
  /// Most rows that stay, whoever has yet to read them: who has not flushes. Zero: no such bound.
  std::uint64_t most_rows = 10'000'000;
  /// Rows removed in one transaction.
  std::size_t chunk = 5000;
  /// Between two runs of `run`, and two recorded snapshots.
  PatienceSpan interval{std::chrono::minutes(1)};
  /// Called after each run of `run`, and after each failure (with its text). What it throws is
  /// lost. May be empty.
  std::function<void(const struct PruneRound&, std::string_view error)> on_round;
  const Clock* clock = &system_clock();
};

/// What may go of the log, and why no more.
struct PrunePlan {
  /// Nothing: no more than what may be gone already.
  std::optional<Snapshot> upto;
  /// Who keeps rows that are older than the retention. Nothing: nobody.
  std::optional<LogHolder> held_by;
  bool over_bound = false;  ///< There are more than `most_rows`: nobody holds anything.
};

[[nodiscard]] PrunePlan plan_pruning(const LogExtent& log, const PrunerOptions& options);

/// What one run came to.
struct PruneRound {
  std::uint64_t removed = 0;
  std::uint64_t deliveries = 0;  ///< Removed, which had ended.
  bool busy = false;             ///< Another pruner is at it; this one has left it to that.
  bool more = false;             ///< It was stopped before the end.
  PrunePlan plan;
};

/// Removes from a database's log what nobody needs: bounded transactions, at most half of the time.
/// However many run, one removes at a time. A dead subscriber holds nothing, and neither does a
/// transaction that stays open: its own rows stay, those around it go.
///
/// For one thread at a time.
class Pruner {
 public:
  /// Both ports must outlive it. Throws ConfigError for a retention below zero, and for a chunk or an
  /// interval of zero.
  Pruner(Pruning& log, Subscribers& subscribers, PrunerOptions options = {});

  /// Records a snapshot when one is due, reaps, decides, and removes what may go. Throws what the
  /// ports throw; what is removed then stays removed.
  PruneRound run_once(const std::stop_token& stop = {});
  /// Runs until `stop` is requested. Never throws for a failing database: it reports and tries again
  /// at the next interval.
  void run(const std::stop_token& stop);

 private:
  void tell(const PruneRound& round, std::string_view error) const noexcept;

  Pruning& log_;
  PrunerOptions options_;
  Reaper reaper_;
};

}  // namespace querymark
