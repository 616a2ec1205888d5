#pragma once  // For users who embed the worker.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "querymark/deliver/applier.hpp"
#include "querymark/log/doorbell.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

struct WorkerOptions {
  PatienceSpan lease{std::chrono::seconds(30)};
  PatienceSpan poll_interval{std::chrono::seconds(1)};  ///< Backstop when no doorbell rings.
  PatienceSpan backoff_start{
      std::chrono::milliseconds(50)};  ///< Doubles with each failure, full jitter.
  PatienceSpan backoff_limit{std::chrono::seconds(30)};
  std::size_t page_size = 5000;
  /// Called after each round that did something, and after each failure (with its text). May be
  /// empty.
  std::function<void(const struct WorkerRound&, std::string_view error)> on_round;
  const Clock* clock = &system_clock();
};

/// The log as a worker needs it. What it refers to must outlive the worker.
struct WorkerLog {
  LogReader& reader;
  LogClaims& claims;
  Doorbell* doorbell = nullptr;  ///< Without one, the worker looks every `poll_interval`.
};

/// Rows of the log by what became of them.
struct WorkerCounts {
  std::uint64_t claimed = 0;    ///< Read under a claim.
  std::uint64_t applied = 0;    ///< Their invalidation is in the target and recorded as done.
  std::uint64_t retried = 0;    ///< Given back: the target failed, they will be read again.
  std::uint64_t malformed = 0;  ///< Replaced by a flush of the target.
};

/// What one round of the worker came to.
struct WorkerRound : WorkerCounts {
  bool flushed = false;  ///< The target was new, or the log had lost rows: it was emptied instead.
  bool standby = false;  ///< Another worker holds the lease.
  bool fenced = false;   ///< The lease was lost meanwhile: the new owner does the work again.

  [[nodiscard]] bool idle() const noexcept {
    return claimed == 0 && retried == 0 && !fenced && !flushed;
  }
};

/// Drains the log of one namespace into one shared target. Embed it, or run the daemon `querymark
/// worker`.
///
/// States of a round: claim (fresh token, then a snapshot that bounds the segment) -> read a page
/// -> apply it, equal targets coalesced -> next page -> advance the cursor, guarded by the token. A
/// crash anywhere leaves the cursor where it was: the segment is applied again, which is harmless.
///
/// `run_once` and `run` are for one thread at a time; the counters may be read from any.
class Worker {
 public:
  /// The applier must outlive it. Throws ConfigError for a lease, interval or page that is zero.
  Worker(WorkerLog log, Applier& applier, WorkerOptions options = {});

  /// One claim, applied. Returns at once when nothing is new. Throws what the log throws; a
  /// failure of the target is not thrown but counted in `retried` (the text goes to `on_round`).
  WorkerRound run_once();
  /// Rounds until `stop` is requested; then releases the lease. Never throws for a failing database
  /// or target: it reports, backs off and tries again.
  void run(const std::stop_token& stop);
  /// Releases the lease, if held. Called by `run` at its end.
  void release();

  /// Of all rounds so far. From any thread.
  [[nodiscard]] WorkerCounts totals() const;
  [[nodiscard]] const std::string& owner() const noexcept { return owner_; }

 private:
  void apply_segment(const Claim& claim, WorkerRound& round);
  void count(const WorkerRound& round, std::string_view error);
  [[nodiscard]] std::chrono::milliseconds backoff();

  WorkerLog log_;
  Applier& applier_;
  WorkerOptions options_;
  std::string owner_;
  std::string last_error_;
  unsigned failures_ = 0;
  std::atomic<std::uint64_t> claimed_{0}, applied_{0}, retried_{0}, malformed_{0};
};

}  // namespace querymark
