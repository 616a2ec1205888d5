#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bell.hpp"
#include "connection.hpp"
#include "querymark/postgres/log.hpp"
#include "querymark/support/embedded_sql.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark::postgres {

/// Where the log stands, with the proof of whose log it is.
struct LogState {
  Epoch epoch;
  bool adopted = false;  // the epoch is this server's and its incarnation's
  Snapshot pruned;       // what it covers may be gone
  Snapshot snapshot;
  int pid = 0;
  std::string database_id;

  [[nodiscard]] Cursor cursor() const { return {epoch, snapshot, {}}; }
  /// Nothing that a consumer with this cursor has not seen may be gone. An id that was running for
  /// both does not count: its rows come with its commit.
  [[nodiscard]] bool whole(const Cursor& consumer) const {
    return consumer.snapshot.contains(pruned);
  }
};

/// What a statement has shown of the log: its state, and rows behind a cursor.
struct LogPage {
  LogState state;
  std::vector<LogRow> rows;
  std::optional<Beaten> beaten{};  // of a heartbeat that travelled along
};

/// Throws Error.
[[nodiscard]] Snapshot snapshot_of(const Field& field);
/// Of the columns `epoch` and `cursor`; nothing where they are null.
[[nodiscard]] std::optional<Cursor> cursor_of(const Row& row);
/// Of a row that says where the log stands, as that of `log_state` does.
[[nodiscard]] LogState state_of(const Row& row);
/// Of the rows of `log_page`; SchemaError when there are none.
[[nodiscard]] LogPage page_of(const ResultSet& set);
/// Of the row of `subscriber_beat`.
[[nodiscard]] Beaten beaten_of(const ResultSet& set);
/// The ids that were in progress for a cursor, above `after`, and the last one that had been given
/// out: the bounds of what it does not cover.
[[nodiscard]] std::vector<std::string> in_progress_of(const Cursor& cursor, Position after = {});
[[nodiscard]] std::uint64_t last_of(const Cursor& cursor);

/// The server has yet to give out ids that the cursor knows: it was put back to an earlier state.
[[nodiscard]] bool rewound(const Cursor& known, const LogState& found);

[[nodiscard]] inline std::int64_t stored(WriteId id) noexcept {
  return static_cast<std::int64_t>(id.value);
}

/// The one connection to the log that a process has: over it `Log` reads, `Claims` moves consumers,
/// and the doorbell listens and rings, all under its mutex. A session at the primary, opened anew
/// when somebody asks after a loss, which adopts the history first.
class LogConnection {
 public:
  /// Connects, checks the schema, adopts. Throws SchemaError, ConfigError, Error.
  LogConnection(std::string url, std::string namespace_name, LogOptions options);

  [[nodiscard]] const std::string& namespace_name() const noexcept { return namespace_name_; }

  [[nodiscard]] Mutex& mutex() noexcept QUERYMARK_RETURNS(mutex_) { return mutex_; }

  ResultSet query(const SqlStatement& sql, std::initializer_list<ParameterView> values = {})
      QUERYMARK_REQUIRES(mutex_);
  /// The same for statements that only read what people are to see: texts that can't be given out in UTF-8 are spelt.
  ResultSet query_for_people(const SqlStatement& sql,
                             std::initializer_list<ParameterView> values = {})
      QUERYMARK_REQUIRES(mutex_);
  std::int64_t execute(const SqlStatement& sql, std::initializer_list<ParameterView> values = {})
      QUERYMARK_REQUIRES(mutex_);
  /// The server process at the other end; 0 when there is none.
  [[nodiscard]] int backend_pid() const noexcept QUERYMARK_REQUIRES(mutex_);

  /// The state, after making sure that the epoch is this history's, and that of whoever has
  /// `known`.
  [[nodiscard]] LogState state(const std::optional<Cursor>& known = std::nullopt)
      QUERYMARK_REQUIRES(mutex_);
  /// Whether the server that answered is the one that the connection was opened to, and the epoch
  /// its own: behind a proxy that switches servers the backend changes under a standing connection.
  [[nodiscard]] bool proves(const LogState& found) const QUERYMARK_REQUIRES(mutex_);

  /// Rows that `from` does not cover, at most `limit`, and the state in the same snapshot.
  [[nodiscard]] LogPage page(const Cursor& from, const std::optional<Cursor>& upto,
                             const std::optional<LogRow>& after, std::size_t limit,
                             const std::optional<Heartbeat>& beat = {}) QUERYMARK_REQUIRES(mutex_);
  /// What was read and proved last is all there is: nothing has been committed on this server since
  /// it stood at `from`. Asked in a fraction of the time of a page; false also where it is not worth
  /// asking.
  [[nodiscard]] bool unchanged(const Cursor& from) QUERYMARK_REQUIRES(mutex_);
  /// A page from `from` that is proved to be whole and this server's, up to `found`.
  void remember(const Cursor& from, const LogState& found) QUERYMARK_REQUIRES(mutex_);
  /// Of the last page that was remembered.
  [[nodiscard]] Position floor() const QUERYMARK_REQUIRES(mutex_) { return known_.floor; }
  /// Whoever has connections to the old history closes them.
  void tell_history_changed() const;

  /// See Log::connect_no_more. Needs no mutex: who holds it may be waiting for the server.
  void connect_no_more() noexcept { connects_.store(false, std::memory_order_relaxed); }

  /// Where the doorbell sleeps.
  [[nodiscard]] Bell& bell() noexcept { return bell_; }
  /// For the doorbell: takes in what the server has said unasked, rings the others if that is asked
  /// for, begins to listen at the first call, and asks whether the server is still there when it
  /// was silent for `probe_interval`. Waits for no answer but to LISTEN, and not for whoever uses
  /// the connection at the moment. False: somebody does.
  bool attend(std::chrono::nanoseconds probe_interval);

 private:
  using Clock = std::chrono::steady_clock;
  // `ask` on the connection, which the doorbell does not watch meanwhile; what was rung for during
  // the answer is told to it.
  template <class Ask>
  auto over(Ask&& ask) QUERYMARK_REQUIRES(mutex_);
  void listen(Connection& connection) QUERYMARK_REQUIRES(mutex_);
  void note(Connection& connection, const Connection::Notification& notification)
      QUERYMARK_REQUIRES(mutex_);
  void finish_sent(Connection& connection) QUERYMARK_REQUIRES(mutex_);
  void send_ring(Connection& connection) QUERYMARK_REQUIRES(mutex_);
  void sent_failed(const Error& failure) QUERYMARK_REQUIRES(mutex_);
  void resume(Connection& connection) noexcept QUERYMARK_REQUIRES(mutex_);
  void lost(std::string_view why) QUERYMARK_REQUIRES(mutex_);
  void close() QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] Connection& standing(const std::optional<Cursor>& known = std::nullopt)
      QUERYMARK_REQUIRES(mutex_);
  [[nodiscard]] LogState look() QUERYMARK_REQUIRES(mutex_);
  enum class Targets : bool { all, ascii };
  [[nodiscard]] LogPage page_with(Targets targets, const Cursor& from,
                                  const std::optional<Cursor>& upto,
                                  const std::optional<LogRow>& after, std::size_t limit,
                                  const std::optional<Heartbeat>& beat) QUERYMARK_REQUIRES(mutex_);

  std::string url_;
  std::string namespace_name_;
  std::atomic<bool> connects_{true};  // orders nothing
  LogOptions options_;
  Bell bell_;
  Mutex mutex_;
  std::unique_ptr<Connection> connection_ QUERYMARK_GUARDED_BY(mutex_);
  bool listens_ QUERYMARK_GUARDED_BY(mutex_) = false;  // each connection is to
  // What was sent last without waiting for its end, if that has not come.
  std::optional<Clock::time_point> sent_ QUERYMARK_GUARDED_BY(mutex_);
  Clock::time_point heard_ QUERYMARK_GUARDED_BY(mutex_);  // when the server last answered, or rang
  // What this connection has shown of the server, as of its last page.
  struct Known {
    std::optional<Cursor> end;
    Position floor;
    bool quiet = false;   // the page before it ended there, too
    std::string started;  // the server; empty: not asked yet
  };
  Known known_ QUERYMARK_GUARDED_BY(mutex_);
};

/// Throws SchemaError when the answer of a statement that reads querymark.meta is empty.
void require_meta(const ResultSet& set);

}  // namespace querymark::postgres
