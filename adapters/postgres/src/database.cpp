#include "database_state.hpp"

#include <algorithm>

#include "append.hpp"
#include "passing.hpp"
#include "postgres_sql.hpp"
#include "querymark/database/check_options.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/postgres/url.hpp"
#include "querymark/support/ascii.hpp"

namespace querymark::postgres {

Ddl Ddl::polled(TimeSpan pause) {
  detail::require_time(pause, "Ddl::polled");
  return Ddl(pause);
}

Options Database::State::checked(Options options) {
  detail::require_shared_options(options);
  detail::require_some(options.connections, "connections");
  detail::require_time(options.connect_timeout, "connect_timeout");
  detail::require_time(options.log_timeout, "log_timeout");
  if (!options.replica_url.empty())
    static_cast<void>(
        parse_url(options.replica_url, options.connect_timeout));  // throws for a bad one
  return options;
}

bool Database::State::adopted() {
  return on_standing([this](auto& connection) {
    const ResultSet history = connection->find_history();
    const Row row = history.row(0);
    const MutexLock lock(session_mutex);
    return row["adopted"].template as<bool>() && row["database_id"].view() == database_id;
  });
}

CoreOptions Database::State::core_options(const Cache& cache) {
  if (options.feed && !adopted()) {
    // Who comes first in a history names it, and the feed is called by that name.
    static_cast<void>(log.identity());
    pool.drain();
  }
  CoreOptions core = CoreOptions::of(options, cache, first_scope());
  core.on_history_change = [this] { pool.drain(); };
  return core;
}

Scope Database::State::first_scope() {
  static_cast<void>(pool.acquire());
  const MutexLock lock(session_mutex);
  return {options.namespace_name, database_id, session->key(), {}};
}

std::unique_ptr<PooledConnection> Database::State::open_session() {
  for (int tries = 0;; ++tries) {
    auto connection = std::make_unique<PooledConnection>(
        url,
        Connection::Settings{.connect_timeout = options.connect_timeout,
                             .statement_timeout = options.statement_timeout},
        clock, [this](std::uint64_t& generation) { return redefined(generation); });
    const bool proved = connection->proxied() ? in_passing(*connection, kBeginReading,
                                                           [&] { return prove_lent(*connection); })
                                              : prove_own(*connection);
    if (proved) return connection;
    // The connection or this process is behind: the log tells which.
    if (tries > 0) throw leads_elsewhere();
    core_.subscriber.catch_up();
  }
}

// What is prepared before that must not give what is kept after it: see CallersStatements.
bool Database::State::redefined(std::uint64_t& generation) const {
  static const TargetId kDefinitions = schema_of_all().id();
  const Marks& marks = core_.source.marks();
  const std::uint64_t known = std::exchange(generation, marks.generation());
  return known != generation && !marks.unchanged_since(known, {&kDefinitions, 1});
}

Error Database::State::leads_elsewhere() const {
  return Error("a new connection to " + label +
                   " shows another history than the log does: it leads to another server; check "
                   "the host names, or the proxy's routing",
               {.retryable = true, .connection_lost = true});
}

ConfigError Database::State::changed(const std::string& what) const {
  return ConfigError("sessions on " + label +
                     " come with other settings than when this program started, so results would "
                     "differ under one key: " +
                     what + "; pin them in the options, or restart the program");
}

bool Database::State::leads_here(PooledConnection& connection) {
  const ResultSet history = connection.find_history();
  const Row row = history.row(0);
  {
    const MutexLock lock(session_mutex);
    database_id =
        row["database_id"].as<std::string>();  // of a copy it is another; the epoch decides below
  }
  if (!following.load()) return true;  // the subscriber's first snapshot is yet to come
  return row["adopted"].as<bool>() && epoch_of(row["epoch"]) == core_.source.marks().cursor().epoch;
}

bool Database::State::prove_own(PooledConnection& connection) {
  const SettingList settings = settings_of(options.session);
  connection.pin(settings);
  const bool here = leads_here(connection);
  const SessionState found = connection.find_session(settings);
  {
    const MutexLock lock(session_mutex);
    if (!session) {
      session = found;
      client_encoding = connection.reported("client_encoding");
    }
    if (const std::string difference = session->difference(found); !difference.empty())
      throw changed(difference);
  }
  if (!connection.proxied()) connection.settle(settings, found.customs, texts_of(options));
  return here;
}

bool Database::State::prove_lent(PooledConnection& connection) {
  std::optional<SessionState> known;
  {
    const MutexLock lock(session_mutex);
    known = session;
  }
  if (!known) return prove_own(connection);
  // Other clients of the server session may have left settings there.
  connection.pin(known->pinned(settings_of(options.session)));
  const bool here = leads_here(connection);
  const ResultSet look = connection.look(known->names());
  const auto settings = look.row(0)["session"].as<std::string>();
  const MutexLock lock(session_mutex);
  if (!lent_look) lent_look = settings;
  if (*lent_look != settings) throw changed("what another client of the proxy has set");
  return here;
}

void Database::State::require_one_database() {
  const auto agree = [this] {
    const Epoch followed = core_.source.marks().cursor().epoch;
    // A feed's name is the database's id.
    const LogIdentity of_log = options.feed
                                   ? LogIdentity{core_.source.options().scope.database, followed}
                                   : log.identity();
    return on_standing([&](auto& connection) {
      const ResultSet history = connection->find_history();
      const Row row = history.row(0);
      return row["adopted"].template as<bool>() &&
             row["database_id"].view() == of_log.database_id &&
             epoch_of(row["epoch"]) == of_log.epoch && of_log.epoch == followed;
    });
  };
  if (agree()) return;
  // Or the history changed just now.
  core_.subscriber.catch_up();
  if (agree()) return;
  throw ConfigError(
      options.direct_url.empty()
          ? label +
                " leads to several databases (or servers): writes on one would not be seen "
                "in the log of another; name one server in the URL"
          : "direct_url (" + label_of(log_url) + ") leads to another database than " + label +
                ": its log would never show the writes there");
}

SessionState Database::State::own_session() {
  const MutexLock lock(session_mutex);
  return *session;
}

Standby::Primary Database::State::as_primary() {
  const MutexLock lock(session_mutex);
  return {.database_id = database_id, .session = *session};
}

bool Database::State::is_like_ours(const SessionState& callers, std::string_view encoding) {
  const MutexLock lock(session_mutex);
  return !callers.opaque && encoding == client_encoding && session->difference(callers).empty();
}

void Database::State::require_same(std::string_view id) {
  const MutexLock lock(session_mutex);
  if (id != database_id) throw ConfigError("the transaction is not on " + label);
}

void Database::State::set_on_lent(PooledConnection& connection, const SettingList& settings) const {
  if (settings.names.empty()) return;
  const SettingList pinned = settings_of(options.session);
  for (const std::string& name : settings.names)
    if (std::ranges::none_of(pinned.names,
                             [&](const std::string& pin) { return ascii::equal(pin, name); }))
      throw ConfigError("the setting " + name +
                        " can't be set behind a pooling proxy, whose other clients would find it "
                        "changed: pin it in Options::session.settings, to '' if need be");
  connection.pin(settings);
}

std::optional<LoadedRows> Database::State::read_proxied(PooledConnection& connection,
                                                        const SettingList& settings,
                                                        std::string_view sql,
                                                        std::span<const ParameterView> parameters) {
  return in_passing(connection, kBeginReading, [&]() -> std::optional<LoadedRows> {
    // Whichever server session the proxy lends: it is pinned and proved for this load.
    if (!prove_lent(connection)) return std::nullopt;
    set_on_lent(connection, settings);
    const auto look = [&] { return connection.look(settings.names); };
    const ResultSet entered = settings.names.empty() ? ResultSet() : look();
    LoadedRows loaded{connection.query(sql, parameters), std::nullopt, Stored::yes};
    const ResultSet state = look();
    const bool changed =
        !entered.empty() && entered.row(0)["session"].view() != state.row(0)["session"].view();
    if (state.row(0)["wrote"].as<bool>()) loaded.keep = Stored::in_transaction;
    if (state.row(0)["temporary"].as<bool>() || changed) loaded.keep = Stored::uncacheable;
    return loaded;
  });
}

LoadedRows Database::State::read(PooledConnection& connection, const SettingList& settings,
                                 std::string_view sql, std::span<const ParameterView> parameters) {
  const Stored keep = keep_of(require_reading(sql, connection.backslash()));
  if (!connection.proxied()) {
    PooledConnection::Read read = connection.read(settings, sql, parameters);
    if (read.wrote) return {std::move(read.rows), std::nullopt, Stored::in_transaction};
    return {std::move(read.rows), std::nullopt, read.proved ? keep : Stored::uncacheable};
  }
  for (int tries = 0;; ++tries) {
    if (auto loaded = read_proxied(connection, settings, sql, parameters)) {
      if (loaded->keep == Stored::yes) loaded->keep = keep;
      return *std::move(loaded);
    }
    if (tries > 0) throw leads_elsewhere();
    core_.subscriber.catch_up();
  }
}

LoadedRows Database::State::load_with(const SessionSettings& settings, std::string_view sql,
                                      std::span<const ParameterView> parameters) {
  const SettingList list = list_of(settings);
  return on_standing([&](auto& connection) { return read(*connection, list, sql, parameters); });
}

// Whether the server has ever given out this transaction's id.
bool Database::State::is_given(const std::string& position) {
  constexpr std::string_view kInTheFuture = "22023";
  return on_standing([&](auto& connection) {
    try {
      static_cast<void>(connection->query(sql::write_status, {as_parameter(position)}));
      return true;
    } catch (const Error& failure) {
      if (failure.native_code() != kInTheFuture) throw;
      return false;
    }
  });
}

WriteFate Database::State::resolve(const Receipt& receipt) {
  const std::string position = std::to_string(receipt.position.value);
  const ResultSet found = on_standing([&](auto& connection) {
    return connection->query(
        sql::confirm_write,
        {as_parameter(position), as_parameter(static_cast<std::int64_t>(receipt.write.value))});
  });
  if (found.empty()) return WriteFate::unknown;
  const Row row = found.row(0);
  if (epoch_of(row["epoch"]) != receipt.epoch) return WriteFate::unknown;
  if (row["logged"].as<bool>()) return WriteFate::committed;
  if (!row["ended"].as<bool>()) return is_given(position) ? WriteFate::running : WriteFate::unknown;
  if (receipt.intents > 0)
    return row["pruned"].as<bool>() ? WriteFate::unknown : WriteFate::rolled_back;
  // It has left no rows either way: only the server can tell, as long as it remembers.
  const auto status = row["status"].as<std::optional<std::string_view>>();
  if (!status) return WriteFate::unknown;
  return *status == "committed" ? WriteFate::committed : WriteFate::rolled_back;
}

Database::Database(const std::string& url, Cache& cache, Options options)
    : querymark::Database(std::make_unique<State>(url, cache, std::move(options))) {}

const std::string& Database::label() const noexcept { return state().label; }

ReplicaStats Database::replica() const {
  return state().standby ? state().standby->stats() : ReplicaStats();
}

std::string Database::doorbell_problem() const { return state().doorbell.problem(); }

}  // namespace querymark::postgres
