#pragma once

#include <memory>

#include "querymark/database/core.hpp"
#include "querymark/database/write_session.hpp"
#include "querymark/log/write_fate.hpp"
#include "querymark/read/loader.hpp"

namespace querymark {

/// What an adapter implements behind its Database: connections, and around them the core. Its
/// members stand in the order in which they need each other: connections, log and doorbell, the
/// core, which is started when all of them stand; so they end in reverse. Thread-safe.
class Backend : public Loader {
 public:
  [[nodiscard]] virtual DatabaseCore& core() noexcept = 0;
  /// An open write transaction. Blocks for a connection, and for other writers where the database
  /// takes one at a time. Throws Error; ConfigError inside another write of the same thread.
  [[nodiscard]] virtual std::unique_ptr<WriteSession> begin_write() = 0;
  /// See Database::resolve; the receipt is of this namespace.
  [[nodiscard]] virtual WriteFate resolve(const Receipt& receipt) = 0;
  /// Checks a stamp of this epoch that a tier has kept over a time in which nobody watched the
  /// log; a history that was rewound meanwhile becomes another epoch. Nothing to do where the
  /// epoch itself tells.
  virtual void verify(const SharedStamp& stamp) { static_cast<void>(stamp); }
};

}  // namespace querymark
