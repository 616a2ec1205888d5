#pragma once

#include <chrono>
#include <memory>
#include <pqxx/connection>
#include <pqxx/errorhandler>
#include <pqxx/result>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "connect_string.hpp"
#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/migrations.hpp"
#include "querymark/support/wake_event.hpp"
#include "sql_tokens.hpp"

namespace querymark::postgres {

/// One connection with client-side timeouts. Never reconnects by itself. Not thread-safe. All
/// members throw Error, never libpqxx's exceptions; an Error whose text would hold the password has
/// it struck out.
class Connection {
 public:
  struct Settings {
    std::chrono::milliseconds connect_timeout{5000};
    std::chrono::milliseconds statement_timeout{0};  ///< Client-side, per statement; zero: none.
  };

  Connection(const std::string& url, const Settings& settings);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// One statement with bound parameters, in a transaction of its own unless one is open.
  [[nodiscard]] ResultSet query(std::string_view sql, std::span<const ParameterView> values = {});
  [[nodiscard]] ResultSet query(std::string_view sql, std::initializer_list<ParameterView> values) {
    return query(sql, {values.begin(), values.size()});
  }
  /// Rows changed by one statement.
  std::int64_t execute(std::string_view sql, std::span<const ParameterView> values = {});
  std::int64_t execute(std::string_view sql, std::initializer_list<ParameterView> values) {
    return execute(sql, {values.begin(), values.size()});
  }
  /// One of the adapter's named statements, prepared at its first use on this connection: planned
  /// once, not at each call. Needs a server session of its own (no pooling proxy between).
  [[nodiscard]] ResultSet query_named(std::string_view name,
                                      std::initializer_list<ParameterView> values = {});
  std::int64_t execute_named(std::string_view name,
                             std::initializer_list<ParameterView> values = {});
  /// Text of one or more statements without parameters, in one round trip; the last one's rows.
  ResultSet run(const std::string& text);
  /// Prepares the statements `querymark_begin` and `querymark_append` for `run`, so that a write
  /// plans neither. Does nothing where the server refuses. Not for a proxied connection, which has
  /// no session of its own.
  void prepare_writes();
  [[nodiscard]] bool writes_prepared() const noexcept { return writes_prepared_; }
  /// Another session than the one that prepared them.
  void forget_prepared_writes() noexcept { writes_prepared_ = false; }
  /// Rolls back within two seconds, or gives the connection up. Never throws.
  void rollback() noexcept;

  /// How its session reads a backslash, at this moment.
  [[nodiscard]] Backslash backslash();
  /// A literal for the one text that travels together with COMMIT.
  [[nodiscard]] std::string literal(ParameterView value);
  /// Takes in what the server has sent on its own, calling notification receivers.
  void take_notifications();
  /// False when the connection is gone, or the server has said something unasked (it is shutting
  /// down).
  [[nodiscard]] bool usable() noexcept;
  /// False once a statement has failed with the connection.
  [[nodiscard]] bool open() const noexcept;

  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// A pooling proxy stands between: the next transaction may get another server session.
  [[nodiscard]] bool proxied() const noexcept { return proxied_; }
  [[nodiscard]] int socket() const noexcept;
  [[nodiscard]] const std::string& label() const noexcept { return url_.label; }
  [[nodiscard]] pqxx::connection& native() noexcept { return *native_; }

 private:
  template <class Action>
  auto guarded(std::string_view doing, std::chrono::milliseconds timeout, Action&& action);
  pqxx::result run_named(std::string_view name, std::span<const ParameterView> values);

  ConnectString url_;
  Settings settings_;
  std::unique_ptr<pqxx::connection> native_;
  std::unique_ptr<pqxx::quiet_errorhandler> quiet_;  // notices go to nobody's standard error
  std::unique_ptr<Descriptor> socket_;               // a duplicate, for the watchdog
  std::set<std::string, std::less<>> prepared_;      // names of the statements that are
  int pid_ = 0;
  bool proxied_ = false;
  bool lost_ = false;
  bool writes_prepared_ = false;
};

/// How migrations run on this connection, which must outlive the port.
[[nodiscard]] MigrationPort migration_port(Connection& connection);
/// Makes the connection's session one of our own (log, doorbell, migrations), whatever role and
/// database set: before anything else is asked on it.
void pin_own_session(Connection& connection, std::chrono::milliseconds statement_timeout);
/// Throws SchemaError unless the schema has this library's version.
void require_schema(Connection& connection);
/// Throws ConfigError unless texts travel as UTF-8: intents in another encoding would name other
/// targets than those that were meant.
void require_utf8(const std::string& client_encoding);
/// The adapter's named statements.
[[nodiscard]] const std::string& statement(std::string_view name);

}  // namespace querymark::postgres
