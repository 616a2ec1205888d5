#pragma once  // For users.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "querymark/read/source.hpp"

namespace querymark::sqlite {

/// `PRAGMA synchronous` of the connections that write.
enum class Synchronous : std::uint8_t {
  normal,  ///< Fast; a power loss may lose the last commits. A reboot then starts a new epoch.
  full,    ///< Each commit is on disk before it returns.
};

struct Options {
  std::string namespace_name = "default";  ///< Keys, intents and receipts stay within it.
  TimeSpan max_lag{std::chrono::seconds(5)};
  Lagging lagging = Lagging::bypass;
  TimeSpan default_ttl{std::chrono::minutes(5)};
  /// Longest pause between two looks at the log, at most a third of max_lag: how late a write is
  /// seen while the doorbell is lost. Looks come more often while rows come that nobody rang for.
  TimeSpan poll_interval{std::chrono::milliseconds(1340)};
  /// Most looks at the log a second of all processes on the database together, but for those that
  /// somebody waits for: the more processes, the more writes one look takes in. Zero: without bound.
  std::uint64_t log_reads_per_second = 2000;
  PatienceSpan busy_timeout{std::chrono::milliseconds(5000)};
  Synchronous synchronous = Synchronous::full;
  std::size_t readers = 4;    ///< Most read connections; more callers wait.
  bool require_tags = false;  ///< Refuse a cached query without tags.
  /// Who says what makes a result stale: the queries, or the database (docs/automatic.md).
  Tags tags = Tags::declared;
  /// Hits that are checked against the database, by sampling.
  AuditOptions audit{};
  bool require_intents = false;  ///< Refuse a write without intents.
  /// `PRAGMA foreign_keys` of the library's connections. Off, as SQLite itself has it by default,
  /// where the schema declares keys that must not be enforced, or while a migration rebuilds a
  /// table that others refer to: inside a write it can't be switched.
  bool foreign_keys = true;
  bool write_ahead_log = true;   ///< Switch the file to WAL mode. Off: leave its journal mode.
  std::size_t mark_cells = 0;    ///< Zero: the default.
  LoadBudget load_budget{};      ///< No bound by default.
  const Clock* clock = nullptr;  ///< Null: the cache's.
};

}  // namespace querymark::sqlite
