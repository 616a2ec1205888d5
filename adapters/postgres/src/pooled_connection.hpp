#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "callers_statements.hpp"
#include "connection.hpp"
#include "querymark/postgres/options.hpp"
#include "querymark/support/clock.hpp"
#include "session.hpp"

namespace querymark::postgres {

struct Append;

/// What becomes of callers' statements that come again.
enum class CallersTexts : bool { sent, prepared };
[[nodiscard]] inline CallersTexts texts_of(const Options& options) noexcept {
  return options.prepare_statements ? CallersTexts::prepared : CallersTexts::sent;
}

/// Whether definitions of the database are known to have changed since `generation`, of the marks, which becomes
/// the present one.
using Redefined = std::function<bool(std::uint64_t& generation)>;

/// A connection of the pool: its session is pinned, and comes back to the pool as it was lent, or
/// not at all. Behind a proxy, pins last for one transaction. Not thread-safe.
///
/// What a read leaves is undone by the rollback of its transaction, but for locks of the session.
/// What a write leaves (settings, temporary tables, cursors, LISTEN) is cleared right behind its
/// COMMIT, and the session compared with what it was; nobody waits for that, since the server does it
/// while its client goes on. The answer is taken before that to anything else. Only a write may go
/// out before it: where the session was not what it should be, that write's BEGIN goes with the
/// connection, and it begins anew on another one.
///
/// A load's statement, and a write's first one, is prepared when it comes for the second time, under the
/// session's own settings, as CallersStatements says, unless it was settled otherwise. What a text would find now that was not
/// there when it was prepared is not found by its name, if a schema of the path hides another, and a
/// policy goes on hiding rows from who has become a member of a role: so nothing is prepared where tables
/// are looked for in more than one schema, or where there are policies, which each load and write proves.
/// Each load proves, too, that nothing else bears the names of the functions that it calls; a write that
/// calls such functions travels as a text.
/// Where the schema has changed since, and it fails, it is run anew as a text: a load reads only, and
/// before a write's first statement nothing has been written.
class PooledConnection final : public Connection {
 public:
  /// `clock`, which outlives it, tells how long loads take and what has been prepared for long; `redefined`, when
  /// all of that is to be prepared anew. Null: nothing tells.
  PooledConnection(const std::string& url, const Settings& settings,
                   const Clock& clock = system_clock(), Redefined redefined = nullptr)
      : Connection(url, settings), clock_(clock), redefined_(std::move(redefined)) {}

  /// Sets `settings`. Throws Error on a standby.
  void pin(const SettingList& settings);
  /// The same on a standby; throws Error elsewhere.
  void pin_standby(const SettingList& settings);
  /// The row of `session`: where the connection leads.
  [[nodiscard]] ResultSet find_history();
  /// What the session is, after `pinned` was set. Costs milliseconds: looks at all settings,
  /// functions and policies.
  [[nodiscard]] SessionState find_session(const SettingList& pinned);
  /// The row of `load_state`, with what the settings `names` are.
  [[nodiscard]] ResultSet look(const std::vector<std::string>& names);
  /// From now on the session is brought back to `settings`, which it has, and to what it came with.
  /// `customs`: names of custom settings that must stay what they are. Not for a proxied
  /// connection.
  void settle(const SettingList& settings, const std::vector<std::string>& customs,
              CallersTexts callers);

  struct Read {
    ResultSet rows;
    bool wrote = false;       ///< It has taken a transaction id; what it wrote is undone.
    bool proved = false;      ///< The session was what it should be when it ended.
    ResultSet state{};        ///< Of a standby: the row of `standby_state`, in the rows' snapshot.
    bool same_path = true;    ///< The search path leads where it did when the session was fresh.
    bool overloaded = false;  ///< Something else bears the name of a function that it calls.
  };
  /// One statement with bound parameters in a read-only transaction of its own; one round trip.
  /// Settings are part of what is proved; none stays behind, or the connection does not. Requires a
  /// settled session.
  [[nodiscard]] Read read(const SettingList& settings, std::string_view sql,
                          std::span<const ParameterView> values) {
    return read(settings, sql, values, nullptr);
  }
  /// The same on a standby. Requires settle_standby() after settle().
  [[nodiscard]] Read read_standby(const SettingList& settings, std::string_view sql,
                                  std::span<const ParameterView> values);
  void settle_standby();
  /// Begins a transaction that writes; returns the row of `begin_write`.
  [[nodiscard]] ResultSet begin(Isolation isolation);
  /// Whether BEGIN can travel with a write's first statement.
  [[nodiscard]] bool begins_along() const noexcept { return prepared_ && !proxied(); }
  /// The same together with the write's first statement, in one round trip; fills `first` as far as
  /// it comes. False when what the session has prepared no longer serves, and nothing has begun.
  /// Requires begins_along().
  [[nodiscard]] bool begin_with(Isolation isolation, std::span<const Sent> sent,
                                std::string_view sql, std::span<const ParameterView> values,
                                First& first);
  /// Begins together with what was sent and, unless null, the intents, all of which commit() awaits:
  /// the row of `begin_write`. Requires begins_along(). Throws as begin() does.
  [[nodiscard]] ResultSet begin_ahead(Isolation isolation, std::span<const Sent> sent,
                                      const Append* append);
  /// After commit() has thrown: what begin_ahead() has sent was prepared before, and may have failed
  /// for that alone. It is not run by its name any more.
  [[nodiscard]] bool was_outdated(const Error& failure, std::span<const Sent> sent);
  /// The same under settings, which end with it.
  [[nodiscard]] ResultSet begin_under(const SettingList& settings, Isolation isolation);
  /// Begins a transaction that only reads, all of it in one snapshot, under settings, which end with it.
  void begin_reading(const SettingList& settings);
  /// Puts intents into the log, if any, commits, and has the session cleared. Returns when the commit
  /// is known to stand: how many rows the session has counted then that it has put into the log, if it
  /// has. Throws what failed; then the transaction is rolled back, unless the connection is lost.
  /// What was `sent` goes before; neither goes if begin_ahead() has begun.
  [[nodiscard]] std::optional<std::int64_t> commit(const Append* append,
                                                   std::span<const Sent> sent);
  /// Rolls back, and clears the session. Never throws.
  void abandon() noexcept;
  /// The caller's SQL may have prepared statements, or deallocated this connection's: it is closed
  /// when it is given back.
  void distrust_prepared() noexcept { prepared_ = false; }
  /// The caller's SQL may have set these custom settings; the same, unless a reset brings them
  /// back.
  void distrust_customs(const std::vector<std::string>& names);
  /// Whether a reset brings all of these custom settings back to what they were, so that the session
  /// can forget that they were set.
  [[nodiscard]] bool forgets(const std::vector<std::string>& names) const;

 private:
  [[nodiscard]] bool pin_anywhere(const SettingList& settings);
  [[nodiscard]] Read read(const SettingList& settings, std::string_view sql,
                          std::span<const ParameterView> values, const char* entering);
  [[nodiscard]] Read read_once(const SettingList& settings, std::string_view sql,
                               std::span<const ParameterView> values, const char* entering,
                               CallersStatements::Use& use);
  // What the session has of a statement that runs under its own settings.
  [[nodiscard]] CallersStatements::Use use_of(std::string_view sql,
                                              std::span<const ParameterView> values);
  // The same for a write, of which nobody asks what it calls. What a domain has for a default nothing tells
  // when it changes, nor that a rule went which has had the server do nothing instead.
  [[nodiscard]] CallersStatements::Use write_use_of(std::string_view sql,
                                                    std::span<const ParameterView> values);
  // What neither fails nor shows in what a load or write proves.
  void look_for_unseen();
  [[nodiscard]] bool same_path(const ResultSet& answer);
  [[nodiscard]] bool proves(const Apart& apart, const SettingList& settings) const;
  // The statement that sets them until the transaction ends.
  [[nodiscard]] std::string set_locally(const SettingList& settings);
  [[nodiscard]] ResultSet begin_text(const std::string& begin);
  [[nodiscard]] Part append_part(const Append& append);
  void check(const ResultSet& answer) noexcept;

  const Clock& clock_;
  const Redefined redefined_;
  bool prepared_ = false;
  std::vector<std::string> resettable_;  // custom settings with a value to which they are reset
  std::vector<Part> clearing_;           // bring the session back, after a COMMIT or ROLLBACK
  CallersStatements statements_;
  // Of the one statement that the open transaction has begun with by begin_ahead(), if it has.
  CallersStatements::Use ahead_use_;
  std::string settled_;     // what `prove_session` answers on the fresh session
  std::string left_;        // what `leave_read` answers on it
  std::string path_;        // the schemas of its search path, and whether there are policies
  bool prepares_ = false;   // callers' statements, as long as these let it
  bool domains_ = false;    // the database has some of its own
  bool instead_ = false;    // or rules by which something else is done instead
  MonotonicTime looked_{};  // when it was looked for these
  std::optional<std::uint64_t> generation_;  // up to which definitions have been heeded
};

}  // namespace querymark::postgres
