#pragma once  // For users.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "querymark/observe/metric.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

struct OffloadOptions {
  std::size_t threads = 2;   ///< At least one.
  std::size_t queue = 1000;  ///< Tasks that wait at most, besides those that run.
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

/// Counters since the start, and gauges of now. A plain value.
struct OffloadStats {
  std::uint64_t accepted = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t rejected = 0;   ///< Full, stopped or disabled.
  std::uint64_t completed = 0;  ///< Those that failed included.
  std::uint64_t failed = 0;     ///< They threw.
  std::uint64_t cancelled = 0;  ///< They waited, and never ran.
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
    visit({"waiting", "Tasks that wait.", gauge}, stats.waiting);
    visit({"running", "Tasks that run.", gauge}, stats.running);
  }
};

/// Where queries load in the background: some threads, and a queue with a bound. Give one to a cache
/// (`CacheOptions::offload`); several may share it. Thread-safe.
class Offload {
 public:
  /// Starts its threads. Throws ConfigError for none, std::system_error.
  explicit Offload(OffloadOptions options = {});
  /// For who wants policies that load in the background not to do so: it refuses and counts each task.
  [[nodiscard]] static std::shared_ptr<Offload> disabled();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;
  /// Cancels what waits; blocks until what runs has ended.
  ~Offload();

  /// Has `task` run. While one of that key waits or runs there is no second; an empty key equals no
  /// other. `owner`: whom `leave` means. What the task throws is counted. Does not block.
  [[nodiscard]] Offloaded submit(std::string key, const void* owner, std::function<void()> task);
  /// One of that key waits or runs.
  [[nodiscard]] bool has(const std::string& key) const;
  /// Those of that key that wait never run; returns how many. What runs is not interrupted.
  std::size_t cancel(const std::string& key);
  std::size_t cancel_all();
  /// The owner goes: cancels his tasks, and blocks until those that run have ended. Not for tasks.
  void leave(const void* owner) noexcept;
  /// Takes no more tasks; blocks until all have ended, for that long at most. Returns how many are
  /// left, of which those that wait are cancelled.
  std::size_t drain(TimeSpan longest);

  [[nodiscard]] OffloadStats stats() const;

 private:
  struct Task {
    std::string key;
    const void* owner;
    std::function<void()> work;
  };
  enum class State : std::uint8_t { open, stopped, disabled };
  struct Disabled {};
  explicit Offload(Disabled /*choice*/) noexcept : state_(State::disabled) {}

  void run();
  template <class Which>
  std::size_t cancel_those(Which which);
  [[nodiscard]] bool busy_for(const void* owner) const QUERYMARK_REQUIRES(mutex_);

  const std::size_t queue_ = 0;
  mutable Mutex mutex_;
  std::condition_variable work_;   // there is some, or it is over
  std::condition_variable ended_;  // some task has
  State state_ QUERYMARK_GUARDED_BY(mutex_) = State::open;
  bool over_ QUERYMARK_GUARDED_BY(mutex_) = false;
  std::list<Task> waiting_ QUERYMARK_GUARDED_BY(mutex_);
  std::list<Task> running_ QUERYMARK_GUARDED_BY(mutex_);
  std::unordered_set<std::string> keys_ QUERYMARK_GUARDED_BY(mutex_);  // of both
  OffloadStats counts_ QUERYMARK_GUARDED_BY(mutex_);                   // but for the gauges
  std::vector<std::jthread> threads_;
};

}  // namespace querymark
