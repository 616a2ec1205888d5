#include "querymark/postgres/database.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <pqxx/nontransaction>
#include <vector>

#include "connection.hpp"
#include "errors.hpp"
#include "querymark/postgres/doorbell.hpp"
#include "querymark/postgres/log.hpp"
#include "querymark/postgres/url.hpp"
#include "querymark/support/connection_pool.hpp"
#include "snapshot_text.hpp"
#include "statement_text.hpp"
#include "values.hpp"

// Threads and locks.
//   readers, writers      take a connection from the pool; the pool's mutex is held for moments
//   only subscriber's thread   sleeps in the doorbell (which owns a connection), reads the log
//   through `log` session_mutex         guards what the first pooled connection found; taken alone
//
// A write: BEGIN, which also takes the transaction's id and the epoch -> the caller's function ->
// intents and COMMIT in one round trip -> marks (apply_own) -> ring the doorbell -> catch up with
// the log.
//
// A changed history: Log finds it and calls drain(), so idle connections close and lent ones close
// at their return. Only then do the marks restart. Whoever takes a connection after that gets one
// that was opened after the change and has proved the new epoch; a load on a connection lent before
// has a stamp from before the restart.

namespace querymark::postgres {
namespace {

constexpr std::string_view begin_of(Isolation isolation) {
  switch (isolation) {
    case Isolation::repeatable_read:
      return "begin isolation level repeatable read read write; ";
    case Isolation::serializable:
      return "begin isolation level serializable read write; ";
    case Isolation::read_committed:
      break;
  }
  return "begin isolation level read committed read write; ";
}

Epoch epoch_of(std::string_view text) {
  const auto epoch = Epoch::parse(text);
  if (!epoch) throw SchemaError("the epoch in querymark.meta is not 32 hexadecimal digits");
  return *epoch;
}

// The statement `append` with its values; keeps the texts that they point into.
struct Append {
  Append(const PendingWrite& pending, const IntentBatch& intents) : space(pending.receipt.space) {
    std::vector<std::string> kind_names;
    std::vector<std::string> target_texts;
    for (const Target& target : intents.targets()) {
      kind_names.emplace_back(to_string(target.kind()));
      target_texts.push_back(target.text());
    }
    kinds = as_parameter(kind_names);
    targets = as_parameter(target_texts);
    values = {as_parameter(space), kinds,
              intents.reason().empty() ? ParameterView() : as_parameter(intents.reason()),
              as_parameter(static_cast<std::int64_t>(pending.receipt.write.value)), targets};
  }
  Append(const Append&) = delete;
  Append& operator=(const Append&) = delete;

  std::string space;
  OwnedParameter kinds;
  OwnedParameter targets;
  std::array<ParameterView, 5> values;
};

// A pending write from the row of `begin_write`, with all intents at the transaction's position.
PendingWrite pending_of(const ResultSet& begun, const std::string& space) {
  if (begun.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  PendingWrite pending = begin_pending(space, epoch_of(begun.row(0)[1].view()));
  pending.receipt.position = parse_position(begun.row(0)[2].view());
  return pending;
}

// Begins a transaction that writes; returns the row of `begin_write`.
ResultSet begin_write(Connection& connection, Isolation isolation) {
  const std::string begin(begin_of(isolation));
  if (connection.writes_prepared()) {
    try {
      return connection.run(begin + "execute querymark_begin");
    } catch (const Error& failure) {
      if (failure.native_code() != "26000") throw;  // there is no such prepared statement
      connection.rollback();
      connection.forget_prepared_writes();
    }
  }
  return connection.run(begin + statement("begin_write"));
}

Stored keep_of(Reading reading) noexcept {
  return reading == Reading::rows ? Stored::yes : Stored::uncacheable;
}

void add_intents(PendingWrite& pending, const IntentBatch& intents) {
  for (const Target& target : intents.targets()) pending.add(target, pending.receipt.position);
}

}  // namespace

struct Database::State final : Loader {
  State(const std::string& where, Cache& cache, Options opts)
      : options(std::move(opts)),
        url(where),
        log_url(options.direct_url.empty() ? url : options.direct_url),
        label(parse_url(url, {}).label),
        pool({.limit = options.connections,
              .patience = options.patience,
              .exhausted = "all " + std::to_string(options.connections) + " connections to " +
                           label + " stayed busy: raise `connections`, or look for slow queries"},
             [this] { return open_session(); }),
        log(log_url, options.space,
            {.statement_timeout = options.log_timeout,
             .connect_timeout = options.connect_timeout,
             .on_history_change = [this] { pool.drain(); }}),
        doorbell(
            log_url, options.space,
            {.statement_timeout = options.log_timeout, .connect_timeout = options.connect_timeout}),
        source(cache, {.scope = first_scope(),
                       .default_ttl = options.default_ttl,
                       .lagging = options.lagging,
                       .mark_cells = options.mark_cells}),
        subscriber(options.space, log, doorbell, source.marks(),
                   {.max_lag = options.max_lag,
                    .poll_interval = options.poll_interval,
                    .clock = &cache.clock()}),
        own(source.marks(), subscriber) {
    subscriber.start();
    following.store(true);
    require_one_database();
  }

  struct Session {
    std::string database_id;
    std::string pins;
  };

  // Opens the first pooled connection: what it finds is what all others must find.
  Scope first_scope() {
    static_cast<void>(pool.acquire());
    const std::lock_guard lock(session_mutex);
    return {options.space, session->database_id, session->pins, {}};
  }

  // A transaction of its own for `action`.
  template <class Action>
  static auto reading(Connection& connection, Action&& action) {
    connection.run("begin isolation level read committed read only");
    try {
      auto result = action();
      connection.run("commit");
      return result;
    } catch (...) {  // rolled back, then rethrown
      connection.rollback();
      throw;
    }
  }

  std::unique_ptr<Connection> open_session() {
    for (int tries = 0;; ++tries) {
      auto connection = std::make_unique<Connection>(
          url, Connection::Settings{.connect_timeout = options.connect_timeout,
                                    .statement_timeout = options.statement_timeout});
      const bool proved = connection->proxied()
                              ? reading(*connection, [&] { return prove(*connection); })
                              : prove(*connection);
      if (proved) return connection;
      // The connection or this process is behind: the log tells which.
      if (tries > 0) throw leads_elsewhere();
      subscriber.catch_up();
    }
  }

  LoadedRows read(std::string_view sql, std::span<const ParameterView> parameters) {
    for (int tries = 0;; ++tries) {
      const auto connection = pool.acquire();
      const Stored keep = keep_of(require_reading(sql, connection->backslash()));
      if (!connection->proxied()) return {connection->query(sql, parameters), std::nullopt, keep};
      // Whichever server session the proxy lends: it is pinned and proved for this load.
      const auto rows = reading(*connection, [&]() -> std::optional<ResultSet> {
        if (!prove(*connection)) return std::nullopt;
        return connection->query(sql, parameters);
      });
      if (rows) return {*rows, std::nullopt, keep};
      if (tries > 0) throw leads_elsewhere();
      subscriber.catch_up();
    }
  }

  [[nodiscard]] Error leads_elsewhere() const {
    return Error("a new connection to " + label +
                     " shows another history than the log does: it leads to another server; check "
                     "the host names, or the proxy's routing",
                 {.retryable = true, .connection_lost = true});
  }

  // The first connection was opened before there was a history to compare it with.
  void require_one_database() {
    const auto agree = [this] {
      const auto connection = pool.acquire();
      const ResultSet set = connection->query(statement("session"));
      if (set.empty()) return false;
      const LogIdentity of_log = log.identity();
      return set.row(0)[2].as<bool>() && set.row(0)[0].view() == of_log.database_id &&
             epoch_of(set.row(0)[1].view()) == of_log.epoch &&
             of_log.epoch == source.marks().cursor().epoch;
    };
    if (agree()) return;
    // Or the history changed just now.
    subscriber.catch_up();
    if (agree()) return;
    throw ConfigError(
        options.direct_url.empty()
            ? label +
                  " leads to several databases (or servers): writes on one would not be seen "
                  "in the log of another; name one server in the URL"
            : "direct_url (" + label_of(log_url) + ") leads to another database than " + label +
                  ": its log would never show the writes there");
  }

  // Pins the session and checks where the connection leads. False: to another epoch than this
  // process's.
  bool prove(Connection& connection) {
    const SessionPins& pins = options.session;
    const ResultSet pinned =
        connection.query(statement("pin_session"),
                         {as_parameter(pins.role), as_parameter(pins.search_path),
                          as_parameter(pins.time_zone), as_parameter(pins.date_style),
                          as_parameter(pins.interval_style), as_parameter(connection.proxied())});
    if (pinned.row(0)[0].as<bool>())
      throw Error(label +
                      " is a standby, where positions can't be trusted; connect to the primary "
                      "(target_session_attrs=read-write in the URL)",
                  {.connection_lost = true});
    const ResultSet set = connection.query(statement("session"));
    if (set.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
    const Row row = set.row(0);
    Session found{row[0].as<std::string>(), row[3].as<std::string>()};
    {
      const std::lock_guard lock(session_mutex);
      if (!session) session = found;
      session->database_id = found.database_id;  // of a copy it is another; the epoch decides below
      if (session->pins != found.pins)
        throw ConfigError(
            "the server now gives sessions on " + label +
            " other settings (role, search_path, time zone, date style...) than when "
            "this program started, so results would differ under one key; pin them in "
            "the options, or restart the program");
    }
    if (!connection.proxied()) connection.prepare_writes();
    if (!following.load()) return true;  // the subscriber's first snapshot is yet to come
    return row[2].as<bool>() && epoch_of(row[1].view()) == source.marks().cursor().epoch;
  }

  // A caller's own connection must lead to this database.
  void require_same(std::string_view database_id) {
    const std::lock_guard lock(session_mutex);
    if (database_id != session->database_id)
      throw ConfigError("the transaction is not on " + label);
  }

  LoadedRows load(std::string_view sql, std::span<const ParameterView> parameters) override {
    try {
      return read(sql, parameters);
    } catch (const ConfigError&) {
      throw;
    } catch (const Error& failure) {
      // The server may have closed idle connections; a read may be repeated on a new one.
      if (!failure.connection_lost() || failure.native_code() == "timeout") throw;
      pool.drain();
      return read(sql, parameters);
    }
  }

  void settle(const PendingWrite& pending) {
    own.apply(pending);
    if (!pending.updates.empty()) doorbell.ring();
  }

  Options options;
  std::string url;
  std::string log_url;
  std::string label;
  std::mutex session_mutex;  // guards session
  std::optional<Session> session;
  std::atomic<bool> following{false};
  ConnectionPool<Connection> pool;
  Log log;
  NotifyDoorbell doorbell;
  Source source;
  Subscriber subscriber;
  OwnWrites own;
  SharedTypeNames type_names;  // of the low road
};

Database::Database(const std::string& url, Cache& cache, Options options)
    : state_(std::make_unique<State>(url, cache, std::move(options))) {}

Database::~Database() = default;

Source& Database::source() noexcept { return state_->source; }
Loader& Database::loader() noexcept { return *state_; }
const std::string& Database::label() const noexcept { return state_->label; }

WaitOutcome Database::wait(const Receipt& receipt, const Wait& wait) {
  return state_->subscriber.wait(receipt, wait);
}

void Database::catch_up() { state_->subscriber.catch_up(); }

void Database::attach(std::shared_ptr<SharedTier> tier) {
  state_->subscriber.read_history();
  state_->source.attach(std::move(tier));
}

void Database::flush_local() { state_->own.flush_local(); }

DatabaseStats Database::stats() const { return state_->own.stats(); }

std::string Database::doorbell_problem() const { return state_->doorbell.problem(); }

WriteFate Database::resolve(const Receipt& receipt) {
  const std::string position = std::to_string(receipt.position.value);
  const ResultSet found = state_->pool.acquire()->query(
      statement("confirm_write"),
      {as_parameter(position), as_parameter(static_cast<std::int64_t>(receipt.write.value))});
  if (found.empty() || epoch_of(found.row(0)[0].view()) != receipt.epoch) return WriteFate::unknown;
  if (found.row(0)[1].as<bool>()) return WriteFate::committed;
  if (!found.row(0)[2].as<bool>()) return WriteFate::running;
  return found.row(0)[3].as<bool>() ? WriteFate::unknown : WriteFate::rolled_back;
}

// --- writing
// -------------------------------------------------------------------------------------------------

struct Database::WriteSession::Open {
  State& state;
  ConnectionPool<Connection>::Lease connection;
  PendingWrite pending;
  IntentBatch intents;
  std::optional<Transaction> transaction;
  bool ended = false;

  ~Open() {
    if (!ended) connection->rollback();
  }
};

Database::WriteSession::WriteSession(Database& database, Isolation isolation) {
  State& state = *database.state_;
  const auto open = [&] {
    open_.reset(new Open{state, state.pool.acquire(), {}, {}, {}});
    open_->pending = pending_of(begin_write(*open_->connection, isolation), state.options.space);
    if (open_->connection->proxied()) static_cast<void>(state.prove(*open_->connection));
  };
  try {
    open();
  } catch (const Error& failure) {
    // The server may have closed idle connections, and nothing has been written yet.
    if (!failure.connection_lost() || failure.native_code() == "timeout") throw;
    open_.reset();
    state.pool.drain();
    open();
  }
  open_->transaction.emplace(*open_->connection, open_->intents);
}

Database::WriteSession::~WriteSession() = default;

Transaction& Database::WriteSession::transaction() noexcept { return *open_->transaction; }

Receipt Database::WriteSession::commit() {
  State& state = open_->state;
  Connection& connection = *open_->connection;
  state.own.admit(open_->intents, state.options.require_intents);
  PendingWrite& pending = open_->pending;
  add_intents(pending, open_->intents);
  // COMMIT of a failed transaction is a silent ROLLBACK; the statement before it, which then fails,
  // tells.
  std::string text = "select 1; commit";
  if (!open_->intents.empty()) {
    const Append append(pending, open_->intents);
    text = with_literals(connection.writes_prepared()
                             ? std::string_view("execute querymark_append($1, $2, $3, $4, $5)")
                             : std::string_view(statement("append")),
                         append.values,
                         [&](ParameterView value) { return connection.literal(value); }) +
           "; commit";
  }
  try {
    connection.run_commit(text);
  } catch (const Error& failure) {
    if (!failure.connection_lost()) throw;  // refused, and rolled back
    open_->ended = true;
    state.own.doubt(pending);
    throw CommitInDoubt(
        "the connection was lost during COMMIT, whose outcome is unknown; ask "
        "resolve() with the receipt. " +
            std::string(failure.what()),
        pending.receipt, failure.native_code());
  }
  open_->ended = true;
  const PendingWrite committed = std::move(pending);
  open_.reset();  // the connection goes back
  state.settle(committed);
  state.own.follow(committed);
  return committed.receipt;
}

std::int64_t Transaction::execute_values(std::string_view sql,
                                         std::span<const ParameterView> values) {
  require_inside_transaction(sql, connection_.backslash());
  return connection_.execute(sql, values);
}

ResultSet Transaction::query_values(std::string_view sql, std::span<const ParameterView> values) {
  require_inside_transaction(sql, connection_.backslash());
  return connection_.query(sql, values);
}

// --- the low road
// --------------------------------------------------------------------------------------------

Staged Database::stage(pqxx::transaction_base& transaction, const IntentBatch& intents) {
  if (dynamic_cast<pqxx::nontransaction*>(&transaction) != nullptr)
    throw ConfigError(
        "a nontransaction commits each statement by itself; stage intents in a pqxx::work");
  State& state = *state_;
  return translated("stage intents", transaction, [&] {
    require_utf8(transaction.conn().get_client_encoding());
    const ResultSet begun = rows_of(exec_bound(transaction, statement("begin_write"), {}));
    PendingWrite pending = pending_of(begun, state.options.space);
    state.require_same(begun.row(0)[0].view());
    add_intents(pending, intents);
    if (!intents.empty()) {
      const Append append(pending, intents);
      static_cast<void>(exec_bound(transaction, statement("append"), append.values));
    }
    return Staged(state.own, std::move(pending), [this](const Receipt& receipt) {
      if (receipt.intents == 0) return;
      switch (resolve(receipt)) {
        case WriteFate::committed:
          state_->doorbell.ring();
          return;
        case WriteFate::running:
          throw Error("the transaction is still open: commit it, then call committed()");
        case WriteFate::rolled_back:
          throw Error("the staged intents are not in the log: their transaction was rolled back");
        case WriteFate::unknown:
          throw Error("the database's history has changed since the intents were staged");
      }
    });
  });
}

Borrowed Database::borrow(pqxx::transaction_base& transaction, std::string scope) {
  // No pins of the pool's begin like this: they begin with a role's name.
  return {*this, transaction, "\nborrowed:" + scope};
}

LoadedRows Borrowed::load(std::string_view sql, std::span<const ParameterView> parameters) {
  return translated("run a query in the caller's transaction", transaction_, [&] {
    const Reading reading = require_reading(sql, backslash_of(transaction_.conn()));
    // Before the query: its snapshot is this one's, or under READ COMMITTED a later one.
    const ResultSet state = rows_of(exec_bound(transaction_, statement("load_state"), {}));
    if (state.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
    const Row row = state.row(0);
    database_.state_->require_same(row[0].view());
    LoadedRows loaded;
    loaded.snapshot = SharedStamp{epoch_of(row[1].view()), parse_position(row[2].view()), {}};
    loaded.keep = row[3].as<bool>() ? Stored::in_transaction : keep_of(reading);
    loaded.rows = database_.state_->type_names.rows_of(transaction_,
                                                       exec_bound(transaction_, sql, parameters));
    return loaded;
  });
}

}  // namespace querymark::postgres
