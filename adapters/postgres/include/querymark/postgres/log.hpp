#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "querymark/log/coverage.hpp"
#include "querymark/log/deliveries.hpp"
#include "querymark/log/inspector.hpp"
#include "querymark/log/log_claims.hpp"
#include "querymark/log/log_reader.hpp"
#include "querymark/log/pruning.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/mark/stamp.hpp"

namespace querymark::postgres {

class LogConnection;

struct LogOptions {
  /// For each statement: a server that stays silent longer counts as lost; the server itself gives
  /// the statement up, too.
  std::chrono::milliseconds statement_timeout{5000};
  std::chrono::milliseconds connect_timeout{5000};
  /// Called before a changed history is reported: close what is open to the old one.
  std::function<void()> on_history_change;
  /// At once, so that whoever can't be reached, or lacks a right, is known; else at the first use.
  bool connect_first = true;
};

/// Whose log it is: what a connection elsewhere must find, too, to be on the same data.
struct LogIdentity {
  std::string database_id;
  Epoch epoch;
  friend bool operator==(const LogIdentity&, const LogIdentity&) = default;
};

/// The outbox table of one namespace in a PostgreSQL database. One connection to the primary, which
/// all that is made of this log and its doorbell share, one mutex; thread-safe. Reconnects when
/// asked after a loss.
///
/// Each connection adopts the history first: another system identifier, timeline, database, server
/// start or incarnation than the epoch's starts a new epoch, and so does a server that has yet to
/// give out ids that a consumer's cursor knows. Each statement of the tail returns epoch, whether
/// it is still this server's, floor, snapshot and backend pid together with the rows, so a change
/// is never taken for silence.
///
/// Its statements are prepared, so `url` leads to the server itself, not to a proxy that lends
/// server sessions per transaction.
class Log final : public LogReader, public Coverage {
 public:
  /// Connects, checks the schema, adopts the history. Throws SchemaError, ConfigError, Error.
  Log(std::string url, std::string namespace_name, LogOptions options = {});
  ~Log() override;

  /// The database and its history, as the log's connection finds them now. Blocks for a statement.
  [[nodiscard]] LogIdentity identity();
  [[nodiscard]] Cursor now() override;
  [[nodiscard]] TailPage read(const TailRequest& request) override;
  [[nodiscard]] Cursor retained() override;
  [[nodiscard]] bool holds(const Receipt& receipt) override;
  [[nodiscard]] LogCoverage coverage(Position first, Position last) override;
  /// True when the stamp is of this history. Starts a new epoch when the server has yet to give out
  /// positions below its horizon: it was put back to an earlier state. Throws Error.
  [[nodiscard]] bool verify(const SharedStamp& stamp);

  /// The namespaces of the log's newest rows, at most twenty: for operators. Throws Error.
  [[nodiscard]] std::vector<std::string> namespaces();
  /// See Database::reasons_at. Throws Error.
  [[nodiscard]] std::vector<std::string> reasons_at(Position position);
  /// What workers claim of this log, over the same connection, which stands as long as either.
  [[nodiscard]] std::unique_ptr<LogClaims> claims() const;
  /// What did not reach their targets at once. Likewise.
  [[nodiscard]] std::unique_ptr<Deliveries> deliveries() const;
  /// Who follows this log, and what may go of it, over the same connection. Likewise.
  [[nodiscard]] std::unique_ptr<Subscribers> subscribers() const;
  [[nodiscard]] std::unique_ptr<Pruning> pruning() const;
  /// What operators look at. Likewise.
  [[nodiscard]] std::unique_ptr<Inspector> inspector() const;
  /// From now on no connection is opened any more: what would need one throws Error at once. For whoever ends, so that
  /// nobody waits for a server that hangs but for what is under way. Over a connection that stands all goes on.
  void connect_no_more() noexcept;
  /// The server process that serves the log's connection now; 0 when there is none.
  [[nodiscard]] int backend_pid() const;

 private:
  friend class NotifyDoorbell;
  [[nodiscard]] std::shared_ptr<LogConnection> connection() const noexcept { return log_; }

  std::shared_ptr<LogConnection> log_;
};

}  // namespace querymark::postgres
