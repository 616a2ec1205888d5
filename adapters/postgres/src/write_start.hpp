#pragma once

#include <optional>
#include <span>
#include <string_view>

#include "pooled_connection.hpp"
#include "querymark/postgres/database.hpp"
#include "querymark/support/connection_pool.hpp"
#include "querymark/write/own_writes.hpp"

namespace querymark::postgres {

/// How one write begins, and on which connection of the pool: BEGIN travels with its first
/// statement, or alone where that can't be: behind a proxy, where no statement comes, and where the
/// connection turns out to be gone, or under settings of the caller's. Rolls back in the end unless
/// released(). Not thread-safe.
class WriteStart {
 public:
  using First = Connection::First;

  /// Lends a connection. The database must outlive the object. Throws Error.
  WriteStart(Database::State& state, Isolation isolation, SettingList settings);
  WriteStart(const WriteStart&) = delete;
  WriteStart& operator=(const WriteStart&) = delete;
  ~WriteStart();

  /// BEGIN has been sent.
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  /// Begins without a statement. Throws Error; there is no connection then.
  void begin();
  /// Begins together with what was sent and one statement. Nothing: it has begun without them.
  /// Throws Error.
  [[nodiscard]] std::optional<First> begin_with(std::span<const Sent> sent, std::string_view sql,
                                                std::span<const ParameterView> values);
  /// Begins together with what was sent and, unless null, the intents, for a commit that is next and
  /// takes their answers; or without them. Throws Error.
  void begin_ahead(std::span<const Sent> sent, const Append* append);
  /// What was sent ahead has failed at the commit, for having been prepared: nothing has come of
  /// it, and it has begun anew without it. False: not for that. Throws Error.
  [[nodiscard]] bool begin_anew(const Error& failure, std::span<const Sent> sent);
  /// By which the log will know it.
  [[nodiscard]] WriteId write() const noexcept { return write_; }
  /// The write as it has begun; null while it has not.
  [[nodiscard]] PendingWrite* pending() noexcept { return pending_ ? &*pending_ : nullptr; }
  /// How many rows its session had counted when it began that it has put into the log.
  [[nodiscard]] std::optional<std::int64_t> logged() const noexcept { return logged_; }
  /// Null once it could not begin.
  [[nodiscard]] PooledConnection* connection() noexcept { return lease_ ? &**lease_ : nullptr; }
  /// The transaction has ended, or nobody knows: it is not rolled back.
  void released() noexcept { released_ = true; }

 private:
  void take(const ResultSet& begun);

  Database::State& state_;
  Isolation isolation_;
  SettingList settings_;
  WriteId write_;
  std::optional<ConnectionPool<PooledConnection>::Lease> lease_;
  std::optional<PendingWrite> pending_;
  std::optional<std::int64_t> logged_;
  bool begun_ = false;
  bool released_ = false;
};

}  // namespace querymark::postgres
