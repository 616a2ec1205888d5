#include "standby.hpp"

#include <utility>

#include "database_state.hpp"
#include "postgres_sql.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "snapshot_text.hpp"

// A load runs in one REPEATABLE READ transaction: what `standby_state` says in its first statement is
// true of the snapshot that its rows are of. While the server is in recovery then, its data are what
// the primary's log had made of them, and every id below the snapshot's xmin has ended and is
// visible; ids above may run on the primary without the snapshot saying so. So the stamp is xmin, and
// the caller's marks decide whether it is enough. A server that was promoted gives the same epoch and
// the same next ids to other writes: it is asked no more.
//
// What the standby can't do, the primary does: nothing that goes wrong here is the caller's error. A
// query that fails may fail for want of a table that is yet to be replayed, or because replay had to
// cancel it; only a connection that can't be had opens the breaker.

namespace querymark::postgres {

Standby::Standby(const Options& options, const Clock& clock, std::function<Primary()> primary)
    : options_(options),
      clock_(clock),
      primary_(std::move(primary)),
      pool_({.limit = options.connections,
             .patience = options.patience,
             .exhausted = "all connections to the standby stayed busy"},
            [this] { return open(); }) {}

std::unique_ptr<PooledConnection> Standby::open() const {
  auto connection = std::make_unique<PooledConnection>(
      options_.replica_url,
      Connection::Settings{.connect_timeout = options_.connect_timeout,
                           .statement_timeout = options_.statement_timeout},
      clock_);
  if (connection->proxied())
    throw ConfigError(connection->label() +
                      " leads to a pooling proxy; name the standby itself in replica_url");
  const Primary primary = primary_();
  // The standby's own configuration may differ, so all that counts is pinned.
  const SettingList settings = primary.session.pinned(settings_of(options_.session));
  connection->pin_standby(settings);
  const SessionState found = connection->find_session(settings);
  if (const std::string difference = primary.session.difference(found); !difference.empty())
    throw ConfigError("sessions on " + connection->label() +
                      " come with other settings than the primary's: " + difference);
  // What definitions it has replayed when it prepares nobody knows, and what is tagged automatically rests on them.
  const bool prepares = options_.tags != Tags::automatic;
  connection->settle(settings, found.customs, prepares ? texts_of(options_) : CallersTexts::sent);
  connection->settle_standby();
  const ResultSet state = connection->query(sql::standby_state);
  if (state.empty() || state.row(0)["database_id"].view() != primary.database_id)
    throw ConfigError(connection->label() + " is no standby of the primary's database");
  return connection;
}

std::optional<LoadedRows> Standby::ask(PooledConnection& connection, const SettingList& settings,
                                       std::string_view sql,
                                       std::span<const ParameterView> parameters) {
  if (keep_of(require_reading(sql, connection.backslash())) != Stored::yes) return std::nullopt;
  PooledConnection::Read read = connection.read_standby(settings, sql, parameters);
  if (read.state.empty()) throw SchemaError("querymark.meta is empty");
  const Row state = read.state.row(0);
  if (!state["standby"].as<bool>())
    throw Error(connection.label() + " was promoted", {.connection_lost = true});
  if (!read.proved) return std::nullopt;
  LoadedRows loaded{.rows = std::move(read.rows)};
  loaded.snapshot =
      SharedStamp{epoch_of(state["epoch"]), parse_position(state["horizon"].view()), {}};
  loaded.replica = true;
  return loaded;
}

std::optional<LoadedRows> Standby::load(const SettingList& settings, std::string_view sql,
                                        std::span<const ParameterView> parameters) noexcept {
  if (!breaker_.allows(clock_.now())) return std::nullopt;
  bool reached = false;
  try {
    const auto connection = pool_.acquire();
    reached = true;
    std::optional<LoadedRows> loaded = ask(*connection, settings, sql, parameters);
    breaker_.succeeded();
    if (loaded) loads_.fetch_add(1);
    return loaded;
  } catch (const Timeout& failure) {  // its connections are busy, so it is well
    note(failure.what());
    reached = true;
  } catch (const Error& failure) {
    note(failure.what());
    reached = reached && !failure.connection_lost();
  } catch (const std::exception& failure) {
    note(failure.what());
  }
  failures_.fetch_add(1);
  if (reached) {
    breaker_.succeeded();
  } else {
    pool_.drain();  // what is idle has most likely gone, too
    breaker_.failed(clock_.now());
  }
  return std::nullopt;
}

void Standby::note(std::string_view problem) noexcept {
  const MutexLock lock(mutex_);
  try {
    problem_ = problem;
  } catch (const std::bad_alloc&) {
    problem_.clear();  // counted all the same
  }
}

ReplicaStats Standby::stats() const {
  const MutexLock lock(mutex_);
  return {.loads = loads_.load(), .failures = failures_.load(), .last_problem = problem_};
}

}  // namespace querymark::postgres
