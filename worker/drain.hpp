#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>

#include "backends/backend.hpp"
#include "drain_settings.hpp"
#include "exit_code.hpp"
#include "log_lines.hpp"
#include "log_watch.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/log/pruner.hpp"
#include "querymark/observe/metrics.hpp"

namespace querymark::cli {

/// Whether somebody will ask how far a drain is: then a thread of its own looks.
enum class Watched : bool { no, yes };

/// A log that is drained into a shared tier, over connections and on threads of its own: one for the
/// worker, one that prunes the log, and one that looks how far the target is if it is watched.
class Drain {
 public:
  /// Opens both. `lines` must outlive it. Throws ConfigError, SchemaError, Error.
  Drain(DrainSettings settings, const LogLines& lines, Watched watched = Watched::no);
  Drain(const Drain&) = delete;
  Drain& operator=(const Drain&) = delete;
  /// Stops, and waits for what is in hand.
  ~Drain();

  /// Begins to drain, until `stop`.
  void start();
  /// No new segment is begun from now on. Does not wait.
  void request_stop();
  /// Drains what is there, without threads, and releases the lease.
  [[nodiscard]] ExitCode once(const std::stop_token& stop);

  [[nodiscard]] const DrainSettings& settings() const noexcept { return settings_; }
  /// For how long its worker has not come on with what it does; see Worker::silent_for.
  [[nodiscard]] std::chrono::nanoseconds silent_for() const { return worker_.silent_for(); }
  [[nodiscard]] WorkerStats stats() const { return worker_.stats(); }
  /// The database, without a password.
  [[nodiscard]] std::string database() const;
  /// The namespace and the target, by which it is told apart from others of the same database.
  [[nodiscard]] MetricLabels labels() const;
  /// Adds what its worker, its target's relay and the log tell, under these labels.
  void add_metrics(Metrics& metrics, const MetricLabels& labels) const;
  /// What keeps invalidations from the target, in a line; empty: nothing that is known. All three are
  /// for a drain that is watched and has started, from any thread.
  [[nodiscard]] std::string illness() const;

 private:
  [[nodiscard]] WorkerOptions worker_options() const;
  [[nodiscard]] PrunerOptions pruner_options() const;
  [[nodiscard]] ExitCode drain(const std::stop_token& stop);
  void tell_start() const;
  void tell_end() const;

  DrainSettings settings_;
  Watched watched_;
  LogEndpoint log_;
  std::unique_ptr<Applier> target_;
  LogLines lines_;
  Worker worker_;
  std::unique_ptr<Pruner> pruner_;
  std::jthread working_;
  std::jthread pruning_;
  std::unique_ptr<LogWatch> watch_;
};

}  // namespace querymark::cli
