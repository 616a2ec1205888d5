#pragma once  // For writers of ports.

#include <memory>
#include <string>
#include <vector>

#include "querymark/automatic/analysis.hpp"
#include "querymark/database/core.hpp"
#include "querymark/database/read_session.hpp"
#include "querymark/database/session_settings.hpp"
#include "querymark/database/write_session.hpp"
#include "querymark/log/write_fate.hpp"
#include "querymark/read/loader.hpp"
#include "querymark/tier/stamp_proof.hpp"

namespace querymark {

/// What an adapter implements behind its Database: connections, and around them the core. Its
/// members stand in the order in which they need each other: connections, log and doorbell, the
/// core, which is started when all of them stand; so they end in reverse. Thread-safe.
class Backend : public Loader, public StampProof {
 public:
  [[nodiscard]] virtual DatabaseCore& core() noexcept = 0;
  /// Session settings as the database spells them, none of which it forgets or takes for another.
  /// Throws ConfigError for what can't be set for a transaction; where sessions have no settings,
  /// for all.
  [[nodiscard]] virtual SessionSettings checked_settings(const SessionSettings& settings) const;
  /// A load whose transaction has these checked settings, and leaves none of them behind.
  [[nodiscard]] virtual LoadedRows load_with(const SessionSettings& settings, std::string_view sql,
                                             std::span<const ParameterView> parameters);
  /// The same where a replica may be asked: see Loader::load_from_replica.
  [[nodiscard]] virtual LoadedRows load_from_replica_with(
      const SessionSettings& settings, std::string_view sql,
      std::span<const ParameterView> parameters) {
    return load_with(settings, sql, parameters);
  }
  /// On what a query's result depends when it is loaded with these checked settings: see Analyser. Where an adapter
  /// does not say, it is refused.
  [[nodiscard]] virtual Analysis analyse_with(const SessionSettings& settings, std::string_view sql,
                                              const Promises& promises);
  /// An open write transaction, under checked settings. Blocks for a connection, and for other writers
  /// where the database takes one at a time. Throws Error; ConfigError inside another write of the same
  /// thread.
  [[nodiscard]] virtual std::unique_ptr<WriteSession> begin_write(
      const SessionSettings& settings) = 0;
  /// An open transaction that can't write and whose reads share a snapshot, that of its first one, under
  /// checked settings. Blocks for a connection. Throws Error.
  [[nodiscard]] virtual std::unique_ptr<ReadSession> begin_read(
      const SessionSettings& settings) = 0;
  /// See Database::reasons_at.
  [[nodiscard]] virtual std::vector<std::string> reasons_at(Position position);
  /// See Database::resolve; the receipt is of this namespace.
  [[nodiscard]] virtual WriteFate resolve(const Receipt& receipt) = 0;
  /// Checks a stamp of this epoch that a tier has kept: a history that was rewound since it was
  /// taken becomes another epoch: then false, and the marks learn of it by the next look at the log.
  /// Nothing to do where the epoch itself tells.
  [[nodiscard]] virtual bool verify(const SharedStamp& stamp) {
    static_cast<void>(stamp);
    return true;
  }
  void prove(const SharedStamp& stamp) final;
};

}  // namespace querymark
