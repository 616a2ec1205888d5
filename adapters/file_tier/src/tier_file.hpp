#pragma once

#include <array>
#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include "connection.hpp"
#include "held_snapshot.hpp"
#include "querymark/file_tier/file_tier.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark::file_tier {

using sqlite::Connection;
using sqlite::FileIdentity;

/// A file tier's connection with its statements, for one thread at a time.
class TierConnection {
 public:
  TierConnection(const std::string& path, Connection::Use use, const Connection::Settings& settings)
      : connection_(path, use, settings) {}

  ResultSet query(const SqlStatement& sql, std::initializer_list<ParameterView> values = {}) {
    return connection_.query(sql, {values.begin(), values.size()});
  }
  /// A run of a statement that reads, for its rows in place. The values must live as long.
  [[nodiscard]] sqlite::Run start(const SqlStatement& sql,
                                  std::initializer_list<ParameterView> values) {
    return {connection_.statement(sql), {values.begin(), values.size()}};
  }
  ResultSet query_writing(const SqlStatement& sql, std::initializer_list<ParameterView> values) {
    return connection_.query_writing(sql, {values.begin(), values.size()});
  }
  std::int64_t execute(const SqlStatement& sql, std::initializer_list<ParameterView> values = {}) {
    return connection_.execute(sql, {values.begin(), values.size()});
  }
  std::uint64_t number(const SqlStatement& sql, std::initializer_list<ParameterView> values = {}) {
    const ResultSet set = query(sql, values);
    return set.row(0)[0].as<std::uint64_t>();
  }
  /// Sum of the entries' bytes as the counter says.
  std::uint64_t total_bytes();
  /// The same; counted anew when the size of the file shows that the counter can't be right.
  std::uint64_t checked_total_bytes();
  /// Deletes the oldest entries until they take at most `limit` bytes; returns how many.
  std::uint64_t make_room(std::uint64_t limit, WallTime now);
  [[nodiscard]] Connection& connection() noexcept { return connection_; }
  [[nodiscard]] const Connection& connection() const noexcept { return connection_; }
  [[nodiscard]] HeldSnapshot& snapshot() noexcept { return snapshot_; }

 private:
  std::uint64_t recount();

  Connection connection_;
  HeldSnapshot snapshot_{connection_};  // after it
};

/// Which file the tier is: opens connections to it, and proves first that it is a tier, of a known
/// schema, of an owner that may be trusted, and whose identity it bears. Thread-safe.
class TierFile {
 public:
  explicit TierFile(std::string path);

  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// A connection to what the path leads to now. Where that is no file any more, or another one, it
  /// is created, migrated and claimed first; `wait` for another thread that does the same, or throw
  /// a retryable Error. Throws as the constructor of FileTier does.
  enum class Wait : bool { no, yes };
  [[nodiscard]] std::unique_ptr<TierConnection> open(Connection::Use use,
                                                     std::chrono::milliseconds busy_timeout,
                                                     Wait wait);
  /// Whether the connection still leads to what the path leads to.
  [[nodiscard]] bool current(TierConnection& connection) const noexcept {
    return sqlite::identity_of(path_) == connection.connection().identity();
  }
  /// A call has failed by `why`, on the connection `by`; null: there was none yet. Where that says that the file is
  /// broken, somebody has cut it or its log, say, it is removed, if the path still leads to it and it was proved
  /// to be the tier: what `open` finds next is none, in all processes.
  void failed(const std::exception& why, const TierConnection* by) noexcept;
  /// As of the last `open`.
  [[nodiscard]] std::string id() const;
  /// Times that another file was found.
  [[nodiscard]] std::uint64_t replaced() const noexcept { return replaced_.load(); }

 private:
  void prepare(std::chrono::milliseconds busy_timeout) QUERYMARK_REQUIRES(prepare_mutex_);
  [[nodiscard]] bool prepared(const std::optional<FileIdentity>& file) const;

  std::string path_;
  Mutex prepare_mutex_;        // one thread prepares; before state_mutex_
  mutable Mutex state_mutex_;  // held for moments
  std::optional<FileIdentity> prepared_ QUERYMARK_GUARDED_BY(state_mutex_);
  std::string id_ QUERYMARK_GUARDED_BY(state_mutex_);
  std::atomic<std::uint64_t> replaced_{0};
};

}  // namespace querymark::file_tier
