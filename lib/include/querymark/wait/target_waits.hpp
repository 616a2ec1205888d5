#pragma once  // For writers of ports: each database owns one.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "querymark/log/coverage.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/reaper.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/wait/wait.hpp"

namespace querymark {

/// How often the database is asked while somebody waits.
struct TargetWaitPace {
  std::chrono::nanoseconds shortest = std::chrono::milliseconds(5);
  std::chrono::nanoseconds longest = std::chrono::milliseconds(50);  ///< When nothing comes of it.
  /// Between two rings at which all who follow the log say how far they are.
  std::chrono::nanoseconds reports = std::chrono::milliseconds(100);
};

/// Callers who wait until shared targets, or all who follow the log, have a write. However many they are,
/// one thread asks the database for all of them, by one look each time; it starts with the first of them,
/// and asks nothing while nobody waits.
///
/// Thread-safe. The log and what is asked must outlive it.
class TargetWaits {
 public:
  /// Without `subscribers` nobody can wait for the scope `cluster`.
  TargetWaits(std::string namespace_name, LogReader& log, Coverage& coverage,
              Subscribers* subscribers, TargetWaitPace pace = {},
              const Clock& clock = system_clock());
  TargetWaits(const TargetWaits&) = delete;
  TargetWaits& operator=(const TargetWaits&) = delete;
  /// Nobody may be waiting.
  ~TargetWaits();

  /// Waits for the scopes `shared` and `cluster`. Blocks for the wait's timeout at most; with a
  /// timeout of zero, for one look. While the database can't be asked, it goes on waiting. Throws
  /// Timeout for a strict wait, ConfigError where nobody knows who follows the log, and Error when a
  /// receipt that is covered can't be looked up in the log, or the one look of a timeout of zero fails.
  [[nodiscard]] WaitOutcome wait(const Receipt& receipt, const Wait& wait);

  /// Callers who wait now.
  [[nodiscard]] std::size_t waiting() const;
  /// How often the database was asked.
  [[nodiscard]] std::uint64_t looks() const;

 private:
  struct Waiter;
  using Waiters = std::list<Waiter*>;
  using Lock = std::unique_lock<std::mutex>;

  [[nodiscard]] WaitOutcome wait_covered(const Receipt& receipt, const Wait& wait);
  // What one look has found.
  struct Found {
    LogCoverage log;
    std::optional<std::vector<SubscriberRow>> followers;  // nothing: not asked for
  };
  static void judge(Waiter& waiter, const Found& found, std::uint64_t look);
  [[nodiscard]] Found look(Position from, Position to, bool everybody);
  void loop(const std::stop_token& stop) noexcept;
  // One look for all who wait, without the lock; true if it has decided for anybody.
  [[nodiscard]] bool ask(Lock& lock) noexcept;

  const std::string namespace_name_;
  LogReader& log_;
  Coverage& coverage_;
  const TargetWaitPace pace_;

  Subscribers* const subscribers_;

  Mutex asking_;  // held while the database is asked who follows
  std::optional<Reaper> reaper_ QUERYMARK_GUARDED_BY(asking_);
  std::chrono::steady_clock::time_point rung_ QUERYMARK_GUARDED_BY(asking_);

  mutable std::mutex mutex_;  // guards what follows
  Waiters waiters_;
  std::uint64_t looks_ = 0;
  bool arrived_ = false;  // somebody has since the last look
  std::condition_variable_any changed_;
  std::jthread thread_;
};

}  // namespace querymark
