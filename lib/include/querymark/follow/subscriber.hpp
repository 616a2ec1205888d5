#pragma once  // For writers of ports: each database owns one.

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "querymark/log/doorbell.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/receipt.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/mark/marks.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/support/time_span.hpp"
#include "querymark/wait/wait.hpp"

namespace querymark {

class Heartbeats;
class SharedPolls;
class Sleepers;

struct SubscriberOptions {
  TimeSpan max_lag{std::chrono::seconds(5)};  ///< Zero: freshness is never claimed.
  /// Longest pause between two polls of the thread, at most a third of max_lag: how late a write is
  /// seen while the doorbell is lost.
  TimeSpan poll_interval{std::chrono::milliseconds(1340)};
  /// Most looks at the log a second of all processes that follow it together, but for those that
  /// somebody waits for. Zero: without bound.
  std::uint64_t log_reads_per_second = 2000;
  std::size_t page_size = 5000;
  /// A backlog longer than this is not read: the marks are flushed and the cursor jumps to the end.
  std::size_t jump_after = 1'000'000;
  const Clock* clock = &system_clock();
  /// Where this process says that it follows the log, and how far it is, so that others can wait for
  /// it. It must outlive the subscriber. Null: nobody is told.
  Subscribers* subscribers = nullptr;
};

/// A process's own consumer of the log: reads what is new and feeds the marks, on a thread of its
/// own and whenever somebody asks (`catch_up`).
///
/// Thread-safe. The log, the doorbell and the marks must outlive it; its destructor stops the
/// thread.
class Subscriber {
 public:
  /// Throws ConfigError for a negative max_lag or poll_interval, and for a page_size of 0.
  Subscriber(std::string namespace_name, LogReader& log, Doorbell& doorbell, Marks& marks,
             SubscriberOptions options = {});
  Subscriber(const Subscriber&) = delete;
  Subscriber& operator=(const Subscriber&) = delete;
  ~Subscriber();

  /// Enters among the subscribers, then takes the first snapshot: the marks know nothing older. Throws what
  /// the log throws.
  void begin();
  /// The same, and starts the thread. When it throws, nothing has started.
  void start();
  /// Stops and joins the thread, and leaves the subscribers: blocks for a statement. Idempotent. Waiters
  /// return `timed_out` at their deadline.
  void stop() noexcept;

  /// Applies everything that was committed before the call. Blocks for one read of the log; callers
  /// that arrive during one share the next, its failure too (as an Error of the same traits).
  /// Throws what the log throws; the marks then stand where they stood. A log that ends before
  /// the cursor, in the same epoch, is another history that nobody has told of: the marks restart
  /// there, and Error is thrown.
  void catch_up();
  /// The same for who can do without: nothing is thrown, and while polls fail it rings the
  /// subscriber's thread instead of waiting for another failure. False: not caught up.
  bool try_catch_up() noexcept;
  /// Of a relayed log: takes in what those who hand it on have left, and waits for nobody. Throws what
  /// the log throws.
  void take_news();
  /// Has the thread read the log soon, whatever its pace. Does not wait for it.
  void ask() noexcept;
  /// Reads the retained log, so that shared-tier values older than this process can be judged.
  void read_history();

  /// Waits until the marks include the receipt's write. No polling: woken by whoever catches up. A
  /// receipt in doubt is also looked for in the log, once its transaction has ended, and refused if
  /// it is not there; one of another process is refused where the log can show that its position
  /// now belongs to another write. Throws what the log throws.
  [[nodiscard]] WaitOutcome wait(const Receipt& receipt, const Wait& wait);
  /// Waits until the marks are `enough`, or include everything that was committed before the call;
  /// at most `timeout`. False: neither. `enough` is asked under a lock, and only looks.
  [[nodiscard]] bool await(const std::function<bool(const Marks&)>& enough,
                           std::chrono::nanoseconds timeout) noexcept;
  /// An acknowledged write of this process: nobody need be asked for it.
  void remember_own(const Receipt& receipt) noexcept;

  /// How many follow the database's log, of all namespaces, as this process was last told.
  [[nodiscard]] std::size_t live_subscribers() const noexcept;
  /// Callers who sleep until the marks are what they wait for.
  [[nodiscard]] std::size_t sleeping() const;
  /// The number of the last poll that went well.
  [[nodiscard]] std::uint64_t polls() const noexcept;
  /// Failed polls and doorbells.
  [[nodiscard]] std::uint64_t failures() const noexcept { return failures_.load(); }
  [[nodiscard]] std::uint64_t malformed_rows() const noexcept { return malformed_.load(); }
  /// Of the last poll; empty when that went well.
  [[nodiscard]] std::string last_error() const;
  /// Of the thread's last wait for the doorbell; empty when that went well.
  [[nodiscard]] std::string doorbell_error() const;
  /// How long the cursor's horizon has stood still below its limit, as far as polls have seen.
  [[nodiscard]] std::chrono::nanoseconds horizon_age() const;

 private:
  [[nodiscard]] WaitOutcome wait_covered(const Receipt& receipt, const Wait& wait);
  /// A poll that begins after this call, shared with others who call before it begins. False: polls
  /// fail, and `while_failing` is not set. Throws what the poll threw.
  bool poll_together(bool while_failing);
  /// Has the log read, and sleeps until `done` or the timeout, counted from `began`.
  void sleep_until(const std::function<bool()>& done, std::chrono::steady_clock::time_point began,
                   std::chrono::nanoseconds timeout);
  [[nodiscard]] bool is_own(const Receipt& receipt) const;
  [[nodiscard]] bool refuted(const Receipt& receipt) const;
  void loop(const std::stop_token& stop) noexcept;
  /// Waits until a ring may be answered, or somebody asks.
  void hold_back(std::chrono::nanoseconds delay, const std::stop_token& stop) noexcept;
  /// True if the pause ended early.
  bool sleep(std::chrono::nanoseconds pause, const std::stop_token& stop) noexcept;
  void poll() QUERYMARK_REQUIRES(poll_mutex_);
  void read_log(MonotonicTime began, bool current) QUERYMARK_REQUIRES(poll_mutex_);
  /// Returns since when nothing can be missing in the marks; nothing: that is not known.
  std::optional<MonotonicTime> follow_log(MonotonicTime began, bool current)
      QUERYMARK_REQUIRES(poll_mutex_);
  void report();
  /// Until a report is due that was asked for; nothing: none was.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> report_due() const;
  void fail_poll(std::uint64_t number, const char* what, const ErrorTraits& traits) noexcept;
  void note_failure(std::string Subscriber::* as, const char* what) noexcept;
  void note_horizon(MonotonicTime now) QUERYMARK_REQUIRES(state_mutex_);
  [[nodiscard]] std::vector<MarkUpdate> updates_of(const std::vector<LogRow>& rows);

  std::string namespace_name_;
  LogReader& log_;
  Doorbell& doorbell_;
  Marks& marks_;
  SubscriberOptions options_;

  const std::unique_ptr<SharedPolls> polls_;  // one catch-up in flight
  const std::unique_ptr<Sleepers> sleepers_;  // who waits for the marks
  Mutex poll_mutex_;  // one look at the log is being applied; what heartbeats_ tells
  const std::unique_ptr<Heartbeats> heartbeats_;
  bool report_asked_ = false;  // these two are the thread's
  MonotonicTime reported_;

  mutable Mutex state_mutex_;  // paired with stopped_
  std::condition_variable_any stopped_;
  // Somebody waits for the thread's next look.
  bool asked_ QUERYMARK_GUARDED_BY(state_mutex_) = false;
  std::string last_error_ QUERYMARK_GUARDED_BY(state_mutex_);
  std::string doorbell_error_ QUERYMARK_GUARDED_BY(state_mutex_);
  // The last own writes, in no order.
  std::array<std::pair<Epoch, WriteId>, 256> own_ QUERYMARK_GUARDED_BY(state_mutex_){};
  std::size_t own_count_ QUERYMARK_GUARDED_BY(state_mutex_) = 0;
  Position horizon_ QUERYMARK_GUARDED_BY(state_mutex_);
  // Nothing: the last poll found no gap above horizon_.
  std::optional<MonotonicTime> held_since_ QUERYMARK_GUARDED_BY(state_mutex_);
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<std::uint64_t> malformed_{0};
  std::atomic<bool> rung_{false};       // since the last look
  std::atomic<std::uint64_t> news_{0};  // rows that were read, and restarts
  std::jthread thread_;
};

}  // namespace querymark
