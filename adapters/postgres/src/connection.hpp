#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connect_string.hpp"
#include "handle.hpp"
#include "pipeline.hpp"
#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/migrations.hpp"
#include "querymark/support/wake_event.hpp"
#include "sql_tokens.hpp"
#include "values.hpp"

namespace querymark::postgres {

struct SettingList;

/// One connection with client-side timeouts. Never reconnects by itself. Not thread-safe. All
/// members throw Error; one whose text would hold the password has it struck out. A statement that
/// outlives its timeout is cancelled on the server, and the connection given up.
class Connection {
 public:
  struct Settings {
    std::chrono::milliseconds connect_timeout{5000};
    std::chrono::milliseconds statement_timeout{0};  ///< Client-side, per statement; zero: none.
  };

  /// Whether a transaction is open, as the server said last.
  enum class Standing : std::uint8_t {
    none,    ///< No transaction.
    open,    ///< In a transaction.
    failed,  ///< In one that can only be rolled back.
    lost,    ///< Nobody can tell: the connection is gone.
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
  struct Apart {
    ResultSet rows;
    ResultSet left;      ///< What `leaving` answered.
    ResultSet snapshot;  ///< What `entering` did.
    // Under settings:
    ResultSet fresh;     ///< What `leaving` answers before anything is set,
    ResultSet set;       ///< and when the settings are.
    ResultSet settings;  ///< What the settings are after the statement.
  };
  /// A read-only transaction around one statement. What it names has been prepared.
  struct Around {
    const char* leaving;                    ///< Asked last, with the functions that are called.
    const SettingList* settings = nullptr;  ///< Set in the transaction, for it alone, if there are.
    /// Asked first, about the one snapshot that the transaction then has.
    const char* entering = nullptr;
    /// Prepared statements that go when it has ended; nothing is said of their failing.
    std::span<const std::string> dropped{};
  };
  /// One statement with bound parameters in a transaction of its own, which is rolled back: one
  /// round trip for all. Leaves the transaction open and failed when the statement fails.
  /// `statement`: what the session has of it; `already` is set once it has been prepared, also
  /// when it fails after that.
  [[nodiscard]] Apart query_apart(std::string_view sql, std::span<const ParameterView> values,
                                  const Around& around, Prepared& statement);
  struct First {
    bool begun = false;        ///< BEGIN and `beginning` have succeeded.
    bool prepared = false;     ///< The statement has been prepared now.
    ResultSet beginning;       ///< What `beginning` answered.
    ResultSet rows;            ///< What the statement answered.
    std::int64_t changed = 0;  ///< Rows that it changed.
  };
  /// `begin`, the statement that was prepared as `beginning`, and one statement with bound
  /// parameters: one round trip for all. Fills `first` as far as it comes; the transaction stays
  /// open.
  void begin_with(const Part& begin, const char* beginning, std::span<const Sent> sent,
                  std::string_view sql, std::span<const ParameterView> values,
                  const Prepared& statement, First& first);
  /// `begin`, the statement that was prepared as `beginning`, what was sent, and what comes behind
  /// that: returns what `beginning` has answered, while the server goes on with the rest. run_commit()
  /// is next, or the connection is given up. `first`: what the session has of the first one.
  [[nodiscard]] ResultSet begin_ahead(const Part& begin, const char* beginning,
                                      std::span<const Sent> sent, const Prepared& first,
                                      std::span<const Part> behind);
  /// Something is on its way whose answers run_commit() takes.
  [[nodiscard]] bool ahead() const noexcept { return open() && pipeline_.ahead(); }
  /// Of the last run_commit(): what begin_ahead() was to prepare has been prepared.
  [[nodiscard]] bool prepared_ahead() const noexcept { return prepared_ahead_; }
  /// Of the last of a caller's statements that was prepared on the way: which types (by their oids)
  /// the server has settled for its parameters.
  [[nodiscard]] const std::vector<unsigned>& settled_types() const noexcept {
    return settled_types_;
  }
  /// What was sent, and one more statement, in one round trip.
  [[nodiscard]] First run_after(std::span<const Sent> sent, std::string_view sql,
                                std::span<const ParameterView> values);
  struct Text {
    std::string name;
    std::string text;
  };
  /// Prepares statements, in one round trip.
  void prepare(std::span<const Text> statements);
  /// One of the adapter's named statements, prepared at its first use on this connection: planned
  /// once, not at each call. Needs a server session of its own (no pooling proxy between).
  [[nodiscard]] ResultSet query_named(const SqlStatement& sql,
                                      std::initializer_list<ParameterView> values = {});
  /// The same of a statement that only reads, for people, where a text can't be given out in UTF-8: texts come as they
  /// are stored, and bytes that are no UTF-8 are spelt out. (Some client wrote them into SQL_ASCII in another encoding;
  /// several encodings have holes.)
  [[nodiscard]] ResultSet query_named_as_stored(const SqlStatement& sql,
                                                std::initializer_list<ParameterView> values);
  std::int64_t execute_named(const SqlStatement& sql,
                             std::initializer_list<ParameterView> values = {});
  struct NamedCall {
    const SqlStatement& sql;
    std::span<const ParameterView> values{};
  };
  /// Several of them in one transaction and, once all are prepared, one round trip; the rows of each.
  [[nodiscard]] std::vector<ResultSet> query_named(std::span<const NamedCall> calls);
  /// Text of one or more statements without parameters, in one round trip; the last one's rows.
  ResultSet run(const std::string& text) { return run(text, settings_.statement_timeout); }
  ResultSet run(const std::string& text, std::chrono::milliseconds timeout);
  /// What follows a commit and is not awaited.
  struct Unawaited {
    std::span<const Part> parts{};
    /// What the column `session` of the last one's row must say; what this points into must outlive
    /// the use of the connection.
    std::string_view session{};
  };
  /// The same for statements among which is COMMIT: at its timeout the connection is cut, but nothing
  /// is cancelled, since a commit that waits for a standby would then count as done. What was sent
  /// goes out before them, if it has not. The last one's rows.
  /// The answers to `unawaited` are taken when the connection is used next, before whatever is
  /// asked then is answered: if they are not what they must be, that throws as for a connection
  /// that is lost, and nothing is committed that was begun on it.
  ResultSet run_commit(std::span<const Sent> sent, std::span<const Part> parts,
                       const Unawaited& unawaited);
  /// A rollback and what follows it, in one round trip, within two seconds; the last one's rows.
  ResultSet run_rollback(std::span<const Part> parts);
  /// The command tags ("COMMIT", "UPDATE 3") of all statements that the last call finished, also
  /// when it failed.
  [[nodiscard]] const std::vector<std::string>& tags() const noexcept { return pipeline_.tags(); }
  [[nodiscard]] bool finished(std::string_view tag) const noexcept;

  /// For what must not block for long, such as a destructor's rollback.
  static constexpr std::chrono::milliseconds kRollbackPatience{2000};
  /// Rolls back within two seconds, or gives the connection up. Never throws.
  void rollback() noexcept;
  /// It is closed, not kept, when whoever has it gives it back.
  void give_up() noexcept { lost_ = true; }

  /// How its session reads a backslash, at this moment.
  [[nodiscard]] Backslash backslash();
  /// A literal for a text of several statements, or one that is to be prepared.
  [[nodiscard]] std::string literal(ParameterView value);
  /// Sends a small statement without waiting for its end, which take_notifications() takes in;
  /// until then nothing else may be asked.
  void send(const char* sql, std::initializer_list<ParameterView> values);
  struct Notification {
    std::string_view channel;
    std::string_view payload;
    int pid = 0;  ///< The backend that sent it.
  };
  /// Takes in what the server has sent, and waits for nothing; `notified` gets each notification.
  /// False while the end of what was sent has not come; throws when
  /// it failed.
  bool take_notifications(const std::function<void(const Notification&)>& notified);
  /// Waits for the end of what was sent. Throws when it failed.
  void finish_sent();
  /// Notifications that came with the answers of other calls.
  void hand_out_notifications(const std::function<void(const Notification&)>& notified);
  /// From now on, adds the text of what the server notes to `notices`, which must outlive it.
  void collect_notices(std::vector<std::string>& notices);
  /// False when the connection is gone, given up, or in a transaction, or when the server has said
  /// something unasked (it is shutting down).
  [[nodiscard]] bool usable() noexcept;
  /// False once a statement has failed with the connection.
  [[nodiscard]] bool open() const noexcept;
  [[nodiscard]] Standing standing() const noexcept;

  [[nodiscard]] int pid() const noexcept { return pid_; }
  /// A pooling proxy stands between: the next transaction may get another server session.
  [[nodiscard]] bool proxied() const noexcept { return proxied_; }
  [[nodiscard]] int socket() const noexcept;
  [[nodiscard]] const std::string& label() const noexcept { return url_.label; }
  /// What the server reports unasked of its session: "standard_conforming_strings",
  /// "client_encoding"... Empty for what it does not report.
  [[nodiscard]] std::string_view reported(const char* setting) const noexcept;
  /// The option `options` as it came to be, from the URL, a service file or PGOPTIONS.
  [[nodiscard]] std::string startup_options() const;

 private:
  struct Call {
    std::string_view doing;
    std::chrono::milliseconds timeout;
    bool cancellable = true;
    std::string_view sql{};     ///< A caller's: messages name it.
    std::size_t given = 0;      ///< Parameters.
    const char* own = nullptr;  ///< The name of a statement of the library's own.
    bool behind_late = false;   ///< Takes what is late itself.
  };
  /// To run a statement of the caller's, which outlives what is returned.
  [[nodiscard]] Call callers_call(std::string_view doing, std::string_view sql,
                                  std::size_t given) const;
  template <class Talk>
  void guarded(const Call& call, Talk&& talk);
  template <class Send>
  ResultHandle ask(const Call& call, Send&& send);
  ResultSet run_parts(const Call& call, std::span<const Sent> sent, std::span<const Part> parts,
                      const Unawaited& unawaited);
  void take_sent(std::span<const Sent> sent, std::span<ResultHandle> results,
                 const ResultHandle& failed);
  void take_first(const Call& call, std::span<const Sent> sent, std::span<ResultHandle> results,
                  const ResultHandle& failed, First& first);
  void fill(First& first, const PGresult* result);
  [[nodiscard]] bool take_late(std::size_t answers);
  void settle_late();
  [[nodiscard]] bool pipeline(std::span<const Step> steps, std::span<ResultHandle> results,
                              ResultHandle& failed);
  [[nodiscard]] std::string what(const Call& call) const;
  [[noreturn]] void fail(const Call& call, const PGresult* result);
  ResultHandle ask_bound(std::string_view doing, std::string_view sql,
                         std::span<const ParameterView> values);
  ResultHandle run_named(const SqlStatement& sql, std::span<const ParameterView> values);
  void prepare(const Call& call, const SqlStatement& sql);
  template <class Run>
  decltype(auto) with_prepared(Run&& run);
  [[nodiscard]] ResultSet named_rows(const PGresult* result);

  ConnectString url_;
  Settings settings_;
  ConnectionHandle native_;
  Pipeline pipeline_{nullptr};
  std::shared_ptr<PGcancel> cancel_;
  std::unique_ptr<Descriptor> socket_;           // a duplicate, for the watchdog
  std::set<std::string, std::less<>> prepared_;  // names of the statements that are
  TypeNames type_names_;  // of this database, as far as its results have shown them
  int pid_ = 0;
  bool proxied_ = false;
  bool lost_ = false;
  std::size_t behind_ahead_ = 0;  // parts that went out behind what was sent, ahead
  bool prepared_ahead_ = false;
  std::vector<unsigned> settled_types_;
  std::string_view late_session_;  // what late answers must end with
  bool unproved_ = false;          // they did not
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
void require_utf8(std::string_view client_encoding);

}  // namespace querymark::postgres
