#pragma once  // For users who embed the worker.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "querymark/deliver/applier.hpp"
#include "querymark/deliver/retry_policy.hpp"
#include "querymark/log/deliveries.hpp"
#include "querymark/log/doorbell.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/observe/metric.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

struct WorkerMemory;

struct WorkerOptions {
  PatienceSpan lease{std::chrono::seconds(30)};
  PatienceSpan poll_interval{std::chrono::seconds(1)};  ///< Backstop when no doorbell rings.
  /// For deliveries, for probes of a target that is down, and for a database that does not answer.
  RetryPolicy retry;
  /// The largest TTL in use, which the worker can't know: what is older than it hits nothing, so
  /// deliveries expire by it.
  PatienceSpan largest_ttl{std::chrono::hours(24)};
  /// Whether the namespace is flushed on the target once in place of a delivery that dies.
  OnDeath on_death = OnDeath::flush;
  std::size_t page_size = 5000;
  /// Called after each round that did something, and after each failure (with its text). What it
  /// throws is lost. May be empty.
  std::function<void(const struct WorkerRound&, std::string_view error)> on_round;
  const Clock* clock = &system_clock();
};

/// The log as a worker needs it. What it refers to must outlive the worker.
struct WorkerLog {
  LogReader& reader;
  LogClaims& claims;
  Deliveries& deliveries;
  Doorbell* doorbell = nullptr;  ///< Without one, the worker looks every `poll_interval`.
};

/// Rows of the log by what became of them; of equal targets that failed together, one counts.
struct WorkerCounts {
  std::uint64_t claimed = 0;    ///< Read under a claim.
  std::uint64_t applied = 0;    ///< Their invalidation is in the target and recorded as done.
  std::uint64_t retried = 0;    ///< Given back: the target failed, they will be read again.
  std::uint64_t malformed = 0;  ///< Replaced by a flush of the target.
  std::uint64_t left = 0;       ///< Failed attempts of invalidations that will be tried again.
  std::uint64_t recovered = 0;  ///< Of these, applied since.
  std::uint64_t died = 0;       ///< Given up: a flush stands in for them.
};

template <>
struct MetricsOf<WorkerCounts> {
  static constexpr std::string_view kGroup = "worker";
  template <class Visit>
  static void visit(const WorkerCounts& stats, Visit&& visit) {
    visit({"claimed", "Rows of the log that were read under a claim."}, stats.claimed);
    visit({"applied", "Rows of the log whose invalidation is in the target."}, stats.applied);
    visit({"retried", "Rows of the log that were given back: the target failed."}, stats.retried);
    visit({"malformed", "Rows of the log in place of which the target was flushed."},
          stats.malformed);
    visit({"left", "Failed attempts of invalidations that will be tried again."}, stats.left);
    visit({"recovered", "Of these, invalidations that were applied since."}, stats.recovered);
    visit({"died", "Invalidations that were given up: a flush stands in for them."}, stats.died);
  }
};

/// What a worker has counted since its start, and how it is now. A plain value.
struct WorkerStats : WorkerCounts {
  std::uint64_t claims = 0;    ///< Rounds in which the log was asked for a claim.
  std::uint64_t flushes = 0;   ///< Of the namespace on the target.
  std::uint64_t fenced = 0;    ///< Claims that were lost before their end.
  std::uint64_t outages = 0;   ///< Rounds in which the target took nothing.
  std::uint64_t failures = 0;  ///< Rounds that the log did not answer.
  // Gauges.
  bool standby = false;               ///< Another worker held the lease when it was last asked for.
  std::chrono::nanoseconds down{};    ///< How long the breaker has been open; zero: it is closed.
  std::chrono::nanoseconds silent{};  ///< See Worker::silent_for.
};

template <>
struct MetricsOf<WorkerStats> {
  static constexpr std::string_view kGroup = "worker";
  template <class Visit>
  static void visit(const WorkerStats& stats, Visit&& visit) {
    using enum MetricKind;
    using enum MetricUnit;
    MetricsOf<WorkerCounts>::visit(stats, visit);
    visit({"claims", "Rounds in which the log was asked for a claim."}, stats.claims);
    visit({"flushes", "Flushes of the namespace on the target."}, stats.flushes);
    visit({"fenced", "Claims that were lost before their end."}, stats.fenced);
    visit({"outages", "Rounds in which the target took nothing."}, stats.outages);
    visit({"failures", "Rounds that the log did not answer."}, stats.failures);
    visit({"standby", "1 while another worker holds the lease.", gauge}, stats.standby);
    visit({"down", "How long the target's breaker has been open; 0 while it is closed.", gauge,
           seconds},
          stats.down);
    visit({"silent", "For how long the worker has not come on with what it does.", gauge, seconds},
          stats.silent);
  }
};

/// What one round of the worker came to.
struct WorkerRound : WorkerCounts {
  bool flushed = false;  ///< The target was emptied: it was new, the log had lost rows, or a
                         ///< delivery has died.
  bool standby = false;  ///< Another worker holds the lease.
  bool fenced = false;   ///< The lease was lost meanwhile: the new owner does the work again.
  bool down = false;     ///< The target takes nothing: its breaker is open.
  /// When the next delivery is due, from now; nothing: none waits.
  std::optional<std::chrono::milliseconds> next_due;

  [[nodiscard]] bool idle() const noexcept {
    return claimed == 0 && left == 0 && recovered == 0 && died == 0 && !fenced && !flushed && !down;
  }
};

/// Drains the log of one namespace into one shared target. Embed it, or run the daemon `querymark
/// worker`.
///
/// States of a round: claim (fresh token, then a snapshot that bounds the segment) -> read a page
/// -> apply it, equal targets coalesced -> record, with the cursor, what the target did not take ->
/// next page -> what is due of earlier deliveries. A crash anywhere leaves the cursor where it was:
/// the segment is applied again, which is harmless.
///
/// A target that takes nothing opens its breaker: until a probe succeeds nothing is claimed, and no
/// attempt is used up. An invalidation that fails while others succeed becomes a delivery; after
/// its last attempt, or past its deadline, it is dead, and the namespace is flushed once instead.
///
/// `run_once` and `run` are for one thread at a time; the counters may be read from any.
class Worker {
 public:
  /// The applier must outlive it. Throws ConfigError for a lease, interval, page or TTL that is zero,
  /// and for a backoff that makes no sense.
  Worker(WorkerLog log, Applier& applier, WorkerOptions options = {});
  ~Worker();

  /// One claim, applied. Returns at once when nothing is new and nothing due, or while the target's
  /// breaker is open. Throws what the log throws; a failure of the target is not thrown but counted
  /// (the text goes to `on_round`).
  WorkerRound run_once();
  /// Rounds until `stop` is requested; then releases the lease. Never throws for a failing database
  /// or target: it reports, backs off and tries again.
  void run(const std::stop_token& stop);
  /// Releases the lease, if held. Called by `run` at its end.
  void release();

  /// Of all rounds so far, and of now. From any thread.
  [[nodiscard]] WorkerStats stats() const;
  /// For how long it has not come on with what it does: a statement, a page, a target that hangs.
  /// Zero while it waits for something to do. For watchdogs, from any thread.
  [[nodiscard]] std::chrono::nanoseconds silent_for() const noexcept;
  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

 private:
  WorkerRound look(const std::stop_token& stop);
  [[nodiscard]] bool target_is_up(WorkerRound& round);
  // Whether the target's relay, if it has one, took it; else its breaker opens.
  bool relayed(WorkerRound& round, const std::function<void(Relay&)>& work);
  void count(const WorkerRound& round, std::string_view error);
  void failed(const std::exception& failure);

  WorkerLog log_;
  Applier& applier_;
  WorkerOptions options_;
  std::string owner_;
  std::string last_error_;
  unsigned failures_ = 0;  // of the database, in a row
  bool given_up_ = false;  // the lease, to whom the target may answer
  std::unique_ptr<WorkerMemory> memory_;
  std::atomic<std::uint64_t> claimed_{0}, applied_{0}, retried_{0}, malformed_{0}, left_{0},
      recovered_{0}, died_{0}, claims_{0}, flushes_{0}, fenced_{0}, outages_{0}, lost_rounds_{0};
  std::atomic<bool> standby_{false};
  std::atomic<std::int64_t> down_since_{0};  // in nanoseconds of the clock; zero: it is up
};

}  // namespace querymark
