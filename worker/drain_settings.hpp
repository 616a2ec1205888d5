#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "querymark/deliver/worker.hpp"
#include "querymark/log/pruner.hpp"
#include "querymark/tier/sealing_keys.hpp"

namespace querymark::cli {

/// What a feed is sealed with, or that it is not. Equal where the keys are, wherever they stand.
struct FeedKeys {
  std::shared_ptr<const SealingKeys> keys;

  /// Of a file. Throws ConfigError.
  [[nodiscard]] static FeedKeys in_file(const std::string& path);
  friend bool operator==(const FeedKeys& a, const FeedKeys& b) {
    return a.keys == b.keys || (a.keys && b.keys && *a.keys == *b.keys);
  }
};

/// One log that is drained into one shared tier, and how.
struct DrainSettings {
  std::string db;  ///< A URL.
  std::string namespace_name = "default";
  std::string target;  ///< A URL.
  /// Of a target that hands the log on. Nothing: nobody has said.
  std::optional<FeedKeys> feed_keys;
  std::chrono::milliseconds lease = WorkerOptions().lease;
  std::chrono::milliseconds poll = WorkerOptions().poll_interval;
  std::optional<std::chrono::milliseconds> largest_ttl;  ///< Nothing: nobody has said.
  std::uint64_t page_size = WorkerOptions().page_size;
  bool flush_on_death = true;
  // Retries:
  std::chrono::milliseconds retry_start = RetryPolicy().start;
  double retry_factor = RetryPolicy().factor;
  std::chrono::milliseconds retry_cap = RetryPolicy().cap;
  std::uint64_t attempts = RetryPolicy().max_attempts;
  std::chrono::milliseconds deadline_margin = RetryPolicy().deadline_margin;
  // The log's pruning:
  bool prune = true;
  /// At least; what is said of the largest TTL counts, too: a process that starts judges what a
  /// shared tier holds from before by the log.
  std::chrono::milliseconds retention =
      std::chrono::duration_cast<std::chrono::milliseconds>(PrunerOptions().retention);
  std::uint64_t most_rows = PrunerOptions().most_rows;
  std::uint64_t prune_chunk = PrunerOptions().chunk;
  std::chrono::milliseconds prune_interval = PrunerOptions().interval;

  friend bool operator==(const DrainSettings&, const DrainSettings&) = default;

  /// Of the same log into the same tier.
  [[nodiscard]] bool same_as(const DrainSettings& other) const {
    return db == other.db && namespace_name == other.namespace_name && target == other.target;
  }
  /// Throws ConfigError for what makes no sense together, or is missing.
  void require_sane() const;
  [[nodiscard]] WorkerOptions worker_options() const;
  [[nodiscard]] PrunerOptions pruner_options() const;
};

/// What a worker process is to do.
struct WorkerConfig {
  std::vector<DrainSettings> drains;
  bool json = false;
  std::string metrics;  ///< Where a MetricsServer listens; empty: there is none.
};

/// Reads the file of --config. Throws ConfigError with its line.
[[nodiscard]] WorkerConfig read_config(const std::string& path);

}  // namespace querymark::cli
