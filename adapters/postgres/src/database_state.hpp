#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "analysis/definition_watch.hpp"
#include "checked_settings.hpp"
#include "connect_string.hpp"
#include "pooled_connection.hpp"
#include "querymark/automatic/analysis.hpp"
#include "querymark/database/backend.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/postgres/database.hpp"
#include "querymark/postgres/doorbell.hpp"
#include "querymark/postgres/log.hpp"
#include "querymark/support/connection_pool.hpp"
#include "querymark/support/counted.hpp"
#include "querymark/support/mutex.hpp"
#include "session.hpp"
#include "standby.hpp"
#include "statement_text.hpp"
#include "values.hpp"

// Threads and locks:
//
//   readers, writers   take a connection from the pool, whose mutex is held for moments only
//                      (`standby` has one of its own)
//   watch              its thread looks at what tells of changed definitions, over a connection of the pool; from the
//                      first analysis on
//   subscriber         its thread sleeps in the doorbell and reads the log, over the one connection
//                      of `log`
//
//   session_mutex      guards what the first pooled connection found; taken alone
//
// A write: BEGIN, which also takes the transaction's id and the epoch, in one round trip with the
// first statement of the caller's function -> the rest of it -> intents and COMMIT in one round
// trip -> marks (apply_own) -> ring the doorbell -> catch up with the log, if somebody else in the
// transaction has put rows into it, such as a trigger.
//
// A changed history: Log finds it and calls drain(), so idle connections close and lent ones close
// at their return. Only then do the marks restart. Whoever takes a connection after that gets one
// that was opened after the change and has proved the new epoch; a load on a connection lent before
// has a stamp from before the restart.

namespace querymark::postgres {

/// Whether a statement's rows may be kept.
[[nodiscard]] constexpr Stored keep_of(Reading reading) noexcept {
  return reading == Reading::rows ? Stored::yes : Stored::uncacheable;
}

struct Database::State final : Backend, Analyser {
  using Lease = ConnectionPool<PooledConnection>::Lease;

  State(std::string where, Cache& cache, Options opts)
      : options(checked(std::move(opts))),
        clock(cache.clock()),
        url(std::move(where)),
        log_url(options.direct_url.empty() ? url : options.direct_url),
        label(parse_url(url, {}).label),
        pool({.limit = options.connections,
              .patience = options.patience,
              .exhausted = all_of(options.connections, "connection") + " to " + label +
                           " stayed busy: raise `connections`, or look for slow queries"},
             [this] { return open_session(); }),
        log(log_url, options.namespace_name,
            {.statement_timeout = options.log_timeout,
             .connect_timeout = options.connect_timeout,
             .on_history_change = [this] { pool.drain(); },
             .connect_first = options.feed == nullptr}),
        doorbell(log),
        core_(cache, log, log, subscribers.get(), doorbell, core_options(cache)) {
    core_.start();
    following.store(true);
    if (!options.replica_url.empty())
      standby.emplace(options, clock, [this] { return as_primary(); });
    require_one_database();
    pool.drain();  // what its sessions are is known; they are opened when somebody reads or writes
  }

  [[nodiscard]] DatabaseCore& core() noexcept override { return core_; }
  /// Tells others of a write. A follower has no connection to ring over: by the question that it asks
  /// it wakes the worker, which tells all followers.
  void ring() noexcept {
    if (core_.feed_log)
      core_.subscriber.ask();
    else
      doorbell.ring();
  }
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write(
      const SessionSettings& settings) override {
    return begin_write(Isolation::read_committed, settings);
  }
  [[nodiscard]] std::unique_ptr<WriteSession> begin_write(Isolation isolation,
                                                          const SessionSettings& settings);
  [[nodiscard]] std::unique_ptr<ReadSession> begin_read(const SessionSettings& settings) override;
  [[nodiscard]] Analysis analyse(std::string_view sql, const Promises& promises) override {
    return analyse_with({}, sql, promises);
  }
  [[nodiscard]] Analysis analyse_with(const SessionSettings& settings, std::string_view sql,
                                      const Promises& promises) override;
  /// While a caller's transaction is open: waits for no locks that it may be in the way of.
  [[nodiscard]] Analysis analyse_for_borrowed(std::string_view sql, const Promises& promises);
  [[nodiscard]] Analysis analyse_under(const SettingList& list, std::string_view sql,
                                       const Promises& promises);
  [[nodiscard]] Advice advise(std::vector<SeenQuery> queries) override;
  /// A connection that leads to one server session, for `action(connection, settings)` in which what is set under
  /// `list` holds, and is forgotten.
  template <class Action>
  auto on_analysing(const SettingList& list, Action&& action);
  /// Tells all who read the log, and those who come later to a shared tier, what nothing has reported. Where the role
  /// may not, each process finds out for itself.
  void report_definitions() noexcept;
  /// What definitions are at this moment, in a text that is equal as long as they are.
  [[nodiscard]] std::string definitions_now();
  [[nodiscard]] Analyser* analyser() noexcept override { return this; }
  [[nodiscard]] std::vector<std::string> reasons_at(Position position) override {
    return log.reasons_at(position);
  }
  [[nodiscard]] WriteFate resolve(const Receipt& receipt) override;
  [[nodiscard]] bool is_given(const std::string& position);
  // Who follows a feed may not read the log; there the epoch tells.
  [[nodiscard]] bool verify(const SharedStamp& stamp) override {
    return options.feed != nullptr || log.verify(stamp);
  }

  static Options checked(Options options);
  // What the core is made of; opens the first pooled connection.
  [[nodiscard]] CoreOptions core_options(const Cache& cache);
  // Whether somebody has looked at the log since the history became another, and before the pool's
  // first connection did.
  [[nodiscard]] bool adopted();
  // Opens the first pooled connection: what it finds is what all others must find.
  Scope first_scope();
  std::unique_ptr<PooledConnection> open_session();
  // Whether definitions are known to have changed since `generation`, which becomes the present one.
  [[nodiscard]] bool redefined(std::uint64_t& generation) const;
  // Pins the session and checks where the connection leads. False: to another epoch than this
  // process's.
  bool prove_own(PooledConnection& connection);
  // The same for a server session that a proxy lends for this transaction.
  bool prove_lent(PooledConnection& connection);
  bool leads_here(PooledConnection& connection);
  [[nodiscard]] ConfigError changed(const std::string& what) const;
  // The first connection was opened before there was a history to compare it with.
  void require_one_database();
  // What the pool's sessions are.
  [[nodiscard]] SessionState own_session();
  [[nodiscard]] Standby::Primary as_primary();
  // Whether a query gives on the caller's session what it gives on the pool's.
  [[nodiscard]] bool is_like_ours(const SessionState& callers, std::string_view encoding);
  // A caller's own connection must lead to this database.
  void require_same(std::string_view id);

  [[nodiscard]] SessionSettings checked_settings(const SessionSettings& settings) const override {
    return postgres::checked_settings(settings);
  }
  LoadedRows load(std::string_view sql, std::span<const ParameterView> parameters) override {
    return load_with({}, sql, parameters);
  }
  LoadedRows load_from_replica(std::string_view sql,
                               std::span<const ParameterView> parameters) override {
    return load_from_replica_with({}, sql, parameters);
  }
  LoadedRows load_from_replica_with(const SessionSettings& settings, std::string_view sql,
                                    std::span<const ParameterView> parameters) override {
    if (standby)
      if (auto loaded = standby->load(list_of(settings), sql, parameters))
        return *std::move(loaded);
    return load_with(settings, sql, parameters);
  }
  [[nodiscard]] bool has_replica() const noexcept override { return !options.replica_url.empty(); }
  LoadedRows load_with(const SessionSettings& settings, std::string_view sql,
                       std::span<const ParameterView> parameters) override;
  LoadedRows read(PooledConnection& connection, const SettingList& settings, std::string_view sql,
                  std::span<const ParameterView> parameters);
  std::optional<LoadedRows> read_proxied(PooledConnection& connection, const SettingList& settings,
                                         std::string_view sql,
                                         std::span<const ParameterView> parameters);
  // Sets them for the transaction that is open on a server session which a proxy lends. It goes to
  // others afterwards, so they must be settings that each of us pins.
  void set_on_lent(PooledConnection& connection, const SettingList& settings) const;

  // Runs `action` on a lent connection, and again on another as long as it fails because the
  // connection is gone: the server may have closed any number of idle ones. It must be safe to
  // repeat.
  // `first`: the connection to begin with, if one is lent already.
  template <class Action>
  auto on_standing(Action&& action, std::optional<Lease> first = std::nullopt) {
    for (std::size_t tries = 0;; ++tries) {
      // Failing to open is no loss.
      Lease connection = first ? *std::exchange(first, std::nullopt) : pool.acquire();
      try {
        return action(connection);
      } catch (const ConfigError&) {
        throw;
      } catch (const Error& failure) {
        if (!failure.connection_lost() || failure.native_code() == "timeout" ||
            tries > options.connections)
          throw;
      }
    }
  }

  [[nodiscard]] Error leads_elsewhere() const;

  Options options;
  const Clock& clock;
  std::string url;
  std::string log_url;
  std::string label;
  Mutex session_mutex;
  std::string database_id QUERYMARK_GUARDED_BY(session_mutex);
  std::optional<SessionState> session QUERYMARK_GUARDED_BY(session_mutex);
  std::string client_encoding QUERYMARK_GUARDED_BY(session_mutex);  // of the same session
  // Of a proxy's session: what the settings are.
  std::optional<std::string> lent_look QUERYMARK_GUARDED_BY(session_mutex);
  std::atomic<bool> following{false};
  ConnectionPool<PooledConnection> pool;
  Log log;
  NotifyDoorbell doorbell;
  const std::unique_ptr<Subscribers> subscribers = log.subscribers();
  std::optional<Standby> standby;
  DatabaseCore core_;
  SharedTypeNames type_names;  // of the low road
  DefinitionWatch watch{options.ddl.pause().count() > 0 ? options.ddl.pause() : options.max_lag,
                        {[this] { return definitions_now(); },
                         [this] {
                           const MarkUpdate changed = MarkUpdate::of(schema_of_all());
                           core_.source.marks().apply_unconfirmed({&changed, 1});
                           if (options.ddl.pause().count() == 0) report_definitions();
                         }}};
};

inline Database::State& Database::state() const noexcept { return static_cast<State&>(backend()); }

}  // namespace querymark::postgres
