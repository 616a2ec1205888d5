#pragma once  // For users.

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "querymark/observe/metric.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

class Metrics;

/// What becomes of a task that runs for longer than it should.
enum class WhenLate : std::uint8_t {
  tell,  ///< It is counted and told of, and runs on.
  stop,  ///< Its stop_token is told as well. What does not look at that runs on, too.
};

/// A task as others see it.
struct OffloadEntry {
  std::string kind{};
  std::string key{};
  bool running = false;              ///< Else it waits.
  std::chrono::nanoseconds since{};  ///< For how long it has done so.
};

struct OffloadOptions {
  std::size_t threads = 2;   ///< At least one.
  std::size_t queue = 1000;  ///< Tasks that wait at most, besides those that run.
  /// How long a task may run that says nothing of it; see OffloadTask. Zero: for as long as it takes.
  TimeSpan longest{};
  WhenLate when_late = WhenLate::tell;
  /// Told of each task that is late, once, on a thread of the offload's own. Must not throw.
  std::function<void(const OffloadEntry&)> on_late{};
};

/// Something to be done by an Offload.
struct OffloadTask {
  /// What it is counted under: one of a few words, such as "refresh". Of the 33rd on: "(other)".
  std::string_view kind = "task";
  /// While one of that key waits or runs there is no second. Empty: it gets one of its own.
  std::string key{};
  /// Whom `leave` means.
  const void* owner = nullptr;
  std::function<void(std::stop_token)> work;
  /// How long it may run, from when it begins. Nothing: as the offload's options say. Zero: for ever.
  std::optional<TimeSpan> longest{};
  std::optional<WhenLate> when_late{};
};

/// What became of a task.
enum class Offloaded : std::uint8_t {
  accepted,
  duplicate,  ///< One of the same key waits or runs.
  full,       ///< The queue is.
  stopped,    ///< Being drained, or destroyed.
  disabled,   ///< By choice: see Offload::disabled.
};
[[nodiscard]] std::string_view to_string(Offloaded offloaded) noexcept;

/// The same with the key that the task goes by: its own, or the one it was given.
struct OffloadTicket {
  Offloaded became = Offloaded::disabled;
  std::string key{};
};

/// Counters since the start, and gauges of now. A plain value.
struct OffloadStats {
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;   ///< Full, stopped or disabled.
  std::uint64_t completed = 0;  ///< Those that failed included.
  std::uint64_t failed = 0;     ///< They threw.
  std::uint64_t cancelled = 0;  ///< They waited, and never ran.
  std::uint64_t late = 0;       ///< They ran for longer than they should.
  std::size_t waiting = 0;
  std::size_t running = 0;
};

template <>
struct MetricsOf<OffloadStats> {
  static constexpr std::string_view kGroup = "offload";
  template <class Visit>
  static void visit(const OffloadStats& stats, Visit&& visit) {
    using enum MetricKind;
    visit({"accepted", "Tasks that were taken."}, stats.accepted);
    visit({"duplicates", "Tasks whose key was waiting or running."}, stats.duplicates);
    visit({"rejected", "Tasks for which there was no room, or no executor."}, stats.rejected);
    visit({"completed", "Tasks that ended, those that failed included."}, stats.completed);
    visit({"failed", "Tasks that threw."}, stats.failed);
    visit({"cancelled", "Tasks that never ran."}, stats.cancelled);
    visit({"late", "Tasks that ran for longer than they should."}, stats.late);
    visit({"waiting", "Tasks that wait.", gauge}, stats.waiting);
    visit({"running", "Tasks that run.", gauge}, stats.running);
  }
};

/// Where queries load in the background: some threads, and a queue with a bound. Give one to a cache
/// (`CacheOptions::offload`); several may share it. Thread-safe.
class Offload {
 public:
  /// Starts its threads. Throws ConfigError for none or a negative time, std::system_error.
  explicit Offload(OffloadOptions options = {});
  /// For who wants policies that load in the background not to do so: it refuses and counts each task.
  [[nodiscard]] static std::shared_ptr<Offload> disabled();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;
  /// Cancels what waits, blocks until what runs has ended. In a task of its own it ends the process.
  ~Offload();

  /// Has the task run. What it throws is counted. Does not block. Throws ConfigError for a negative time,
  /// std::bad_alloc; then it was not taken.
  [[nodiscard]] OffloadTicket submit(OffloadTask task);
  /// The same for a task that nobody would stop or time.
  [[nodiscard]] Offloaded submit(std::string key, const void* owner, std::function<void()> task,
                                 std::string_view kind = "task");
  /// One of that key waits or runs.
  [[nodiscard]] bool has(const std::string& key) const;
  /// Those that wait never run; returns how many. What runs goes on: `stop` asks it not to.
  std::size_t cancel(const std::string& key);
  std::size_t cancel_all();
  /// The same, and asks those that run to stop, by their stop_token; returns how many it was in all.
  std::size_t stop(const std::string& key);
  std::size_t stop_all();
  /// The owner goes: cancels his tasks, asks those that run to stop, and blocks until they have ended, and what
  /// they hold has gone. One of them that runs must not: that ends the process with a message.
  void leave(const void* owner) noexcept;
  /// Takes no more tasks; blocks until all have ended, for that long at most. Returns what is left: those
  /// that wait are cancelled, those that run go on.
  std::vector<OffloadEntry> drain(TimeSpan longest);

  /// What waits and what runs, the oldest first.
  [[nodiscard]] std::vector<OffloadEntry> tasks() const;
  [[nodiscard]] OffloadStats stats() const;
  /// The same of each kind.
  [[nodiscard]] std::map<std::string, OffloadStats> stats_by_kind() const;
  /// Adds them under the label `kind`.
  void add_metrics(Metrics& metrics) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Task {
    std::string kind;
    std::string key;
    const void* owner;
    std::function<void(std::stop_token)> work;
    TimeSpan longest{};  // zero: for ever
    WhenLate when_late = WhenLate::tell;
    Clock::time_point since{};  // when it came, then when it began
    std::stop_source stop{};
    bool was_late = false;
  };
  enum class State : std::uint8_t { open, stopped, disabled };
  struct Disabled {};
  explicit Offload(Disabled /*choice*/) noexcept : state_(State::disabled) {}

  void run();
  void watch();
  [[nodiscard]] std::optional<Clock::time_point> next_late() const QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] static OffloadEntry entry_of(const Task& task, bool running);
  [[nodiscard]] OffloadStats& counts(std::string_view kind) QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] std::vector<OffloadEntry> listed() const QUERYMARK_REQUIRES(mutex_);
  template <class Which>
  std::size_t cancel_those(Which which);
  template <class Which>
  std::size_t stop_those(Which which);
  [[nodiscard]] bool busy_for(const void* owner) const QUERYMARK_REQUIRES(mutex_);

  const OffloadOptions options_{.threads = 0, .queue = 0};
  mutable Mutex mutex_;
  std::condition_variable work_;   // there is some, or it is over
  std::condition_variable ended_;  // some task has
  std::condition_variable timed_;  // a task has begun that may be late, or it is over
  State state_ QUERYMARK_GUARDED_BY(mutex_) = State::open;
  bool over_ QUERYMARK_GUARDED_BY(mutex_) = false;
  std::uint64_t last_given_ QUERYMARK_GUARDED_BY(mutex_) = 0;  // of the keys that were given
  std::list<Task> waiting_ QUERYMARK_GUARDED_BY(mutex_);
  std::list<Task> running_ QUERYMARK_GUARDED_BY(mutex_);
  std::list<Task> cancelled_ QUERYMARK_GUARDED_BY(mutex_);             // and not destroyed yet
  std::unordered_set<std::string> keys_ QUERYMARK_GUARDED_BY(mutex_);  // of both
  std::map<std::string, OffloadStats, std::less<>> counts_
      QUERYMARK_GUARDED_BY(mutex_);  // no gauges
  std::vector<std::jthread> threads_;
  std::jthread watcher_ QUERYMARK_GUARDED_BY(mutex_);  // once a task may be late
};

}  // namespace querymark
