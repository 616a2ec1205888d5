#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <thread>

#include "backends/backend.hpp"
#include "drain_settings.hpp"
#include "exit_code.hpp"
#include "log_lines.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/log/pruner.hpp"

namespace querymark::cli {

/// A log that is drained into a shared tier, over connections and on threads of its own: one for the
/// worker, one that prunes the log.
class Drain {
 public:
  /// Opens both. `lines` must outlive it. Throws ConfigError, SchemaError, Error.
  Drain(DrainSettings settings, const LogLines& lines);
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
  [[nodiscard]] WorkerCounts totals() const { return worker_.totals(); }

 private:
  [[nodiscard]] WorkerOptions worker_options() const;
  [[nodiscard]] PrunerOptions pruner_options() const;
  [[nodiscard]] ExitCode drain(const std::stop_token& stop);
  void tell_start() const;
  void tell_end() const;

  DrainSettings settings_;
  LogEndpoint log_;
  std::unique_ptr<Applier> target_;
  LogLines lines_;
  Worker worker_;
  std::unique_ptr<Pruner> pruner_;
  std::jthread working_;
  std::jthread pruning_;
};

}  // namespace querymark::cli
