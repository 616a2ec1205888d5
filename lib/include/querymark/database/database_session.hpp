#pragma once  // For users.

#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include "querymark/automatic/analysis.hpp"
#include "querymark/database/queries.hpp"
#include "querymark/database/read_session.hpp"
#include "querymark/database/session_settings.hpp"
#include "querymark/database/write_session.hpp"
#include "querymark/write/transaction.hpp"
#include "querymark/write/written.hpp"

namespace querymark {

class Backend;

/// A database as it is under settings of the caller's, such as a tenant's: what `Database::with`
/// returns. Its queries load, and its writes run, in transactions that have these settings, and are
/// kept under keys that say so; invalidations reach them as they reach all others.
///
/// A light handle: making one costs a digest, no connection. Its queries may outlive it, but not the
/// database. Thread-safe.
class DatabaseSession final : public Queries {
 public:
  // A move is a copy, so a handle that was moved from is one like any other.
  DatabaseSession(const DatabaseSession&) = default;
  DatabaseSession& operator=(const DatabaseSession&) = default;
  ~DatabaseSession() = default;

  /// See Database::write.
  template <class Function>
  auto write(Function&& function) const -> Written<std::invoke_result_t<Function&, Transaction&>> {
    const std::unique_ptr<WriteSession> session = begin_write();
    return detail::run_write(*session, function);
  }
  /// See Database::read_transaction.
  template <class Function>
  auto read_transaction(Function&& function) const
      -> std::invoke_result_t<Function&, ReadTransaction&> {
    const std::unique_ptr<ReadSession> session = begin_read();
    return function(session->transaction());
  }
  /// On which rows of which tables a query's result depends, as the database understands its text under these
  /// settings. Runs nothing of it. Blocks. Throws Error where the database refuses the text.
  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& promises = {}) const;
  /// As the database spells them.
  [[nodiscard]] const SessionSettings& settings() const noexcept { return settings_; }

 private:
  friend class Database;
  DatabaseSession(Backend& backend, SessionSettings settings);
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write() const;
  [[nodiscard]] std::unique_ptr<ReadSession> begin_read() const;

  Backend* backend_;
  SessionSettings settings_;
};

}  // namespace querymark
