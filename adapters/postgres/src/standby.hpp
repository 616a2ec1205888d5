#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pooled_connection.hpp"
#include "querymark/postgres/database.hpp"
#include "querymark/read/loader.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/connection_pool.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/tier/breaker.hpp"
#include "session.hpp"

namespace querymark::postgres {

/// Loads from a hot standby, for whoever judges their snapshots. A pool of its own, opened when it is
/// needed. Thread-safe.
class Standby {
 public:
  /// What the primary's sessions are, which those of the standby must be, too.
  struct Primary {
    std::string database_id;
    SessionState session;
  };

  /// Asks nobody. `primary` is called when a session opens, `clock` outlives it.
  Standby(const Options& options, const Clock& clock, std::function<Primary()> primary);

  /// The rows of a query, under these settings, with the stamp of their snapshot. Nothing: the primary must
  /// be asked, since the standby could not answer, whatever the reason, or its rows could not be kept.
  /// Blocks.
  [[nodiscard]] std::optional<LoadedRows> load(const SettingList& settings, std::string_view sql,
                                               std::span<const ParameterView> parameters) noexcept;
  [[nodiscard]] ReplicaStats stats() const;

 private:
  std::unique_ptr<PooledConnection> open() const;
  [[nodiscard]] std::optional<LoadedRows> ask(PooledConnection& connection,
                                              const SettingList& settings, std::string_view sql,
                                              std::span<const ParameterView> parameters);
  void note(std::string_view problem) noexcept;

  const Options& options_;
  const Clock& clock_;
  std::function<Primary()> primary_;
  ConnectionPool<PooledConnection> pool_;
  Breaker breaker_;  // of the server, not of queries that fail there
  std::atomic<std::uint64_t> loads_{0};
  std::atomic<std::uint64_t> failures_{0};
  mutable Mutex mutex_;  // taken alone
  std::string problem_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark::postgres
