#include "querymark/sqlite/database.hpp"

#include <sqlite3.h>

#include "callers_connection.hpp"
#include "connection.hpp"
#include "enqueue.hpp"
#include "errors.hpp"
#include "log_state.hpp"
#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/connection_pool.hpp"
#include "schema.hpp"
#include "sqlite_sql.hpp"
#include "writer.hpp"

// Threads and locks.
//   readers    take a connection from the pool; the pool's mutex is held for moments only
//   writers    take turns (Writer::Session), whoever has it uses the one writing connection;
//              SQLite's own write lock keeps other processes out
//   subscriber's thread    sleeps in the doorbell (which owns an idle connection), reads the log
//              through `log`
//
// A write: BEGIN IMMEDIATE -> the caller's function -> epoch and intents -> COMMIT -> marks, with
// the cursor moved over the own rows when they follow it directly -> otherwise catch up with the
// log. Either way the next load's horizon lies above the write (a load right after it would else be
// dead for every other process).
//
// A changed history: Log finds it, calls drain(): the pool closes its connections and the writer
// reopens its own before its next use. Only then do the marks restart, so a load stamped after the
// restart runs on a connection opened after the change.

namespace querymark::sqlite {

namespace {
constexpr int kFollowAttempts = 10;
}  // namespace

namespace {

Options checked(Options options) {
  options.busy_timeout = bounded(options.busy_timeout);
  return options;
}

}  // namespace

struct Database::State final : Loader {
  State(const std::string& where, Cache& cache, const Options& opts)
      : options(checked(opts)),
        path(path_of(where)),
        pool({.limit = options.readers,
              .patience = options.busy_timeout,
              .exhausted = "all " + std::to_string(options.readers) + " read connections to " +
                           path + " stayed busy: raise readers, or look for slow queries"},
             [this] { return open_reader(); }),
        writer([this] { return open_writer(); }),
        log(path, options.namespace_name,
            {.busy_timeout = options.busy_timeout,
             .volatile_commits = options.synchronous != Synchronous::full,
             .on_history_change = [this] { drain(); }}),
        doorbell(path),
        source(cache, {.scope = {options.namespace_name, log.database_id(), {}, {}},
                       .default_ttl = options.default_ttl,
                       .lagging = options.lagging,
                       .mark_cells = options.mark_cells}),
        subscriber(options.namespace_name, log, doorbell, source.marks(),
                   {.max_lag = options.max_lag,
                    .poll_interval = options.poll_interval,
                    .clock = &cache.clock()}),
        own(source.marks(), subscriber) {
    subscriber.start();
  }

  [[nodiscard]] Connection::Settings settings() const {
    return {.busy_timeout = options.busy_timeout,
            .synchronous = options.synchronous,
            .write_ahead_log = false,
            .create = false,
            .foreign_keys = options.foreign_keys};
  }
  [[nodiscard]] std::unique_ptr<Connection> open_writer() const {
    Connection::Settings with = settings();
    with.write_ahead_log = options.write_ahead_log;
    auto connection = std::make_unique<Connection>(path, Connection::Use::write, with);
    require_schema(*connection, path);
    return connection;
  }

  // The path leads to another file than the writer's, or others write another write-ahead log.
  [[nodiscard]] bool moved() {
    const Connection& connection = writer.connection();
    return identity_of(path) != connection.identity() || !log.is_of(connection.identity()) ||
           log.split();
  }

  // Whether the marks follow the file of this connection.
  [[nodiscard]] bool follows(sqlite3* connection) const {
    const char* name = sqlite3_db_filename(connection, "main");
    const auto file = name != nullptr ? identity_of(name) : std::nullopt;
    return file && log.is_of(*file);
  }

  // A connection to the file whose log the marks follow: what is read from another one must not get
  // their stamps, though the path led there for a moment. The log follows it first.
  [[nodiscard]] std::unique_ptr<Connection> open_reader() {
    for (int attempt = 0; attempt < kFollowAttempts; ++attempt) {
      auto connection = std::make_unique<Connection>(path, Connection::Use::read, settings());
      if (log.is_of(connection->identity())) return connection;
      subscriber.catch_up();
    }
    throw Error("the file behind " + path + " is replaced again and again",
                {.retryable = true, .connection_lost = true});
  }

  void drain() noexcept {
    writer.retire();
    pool.drain();
  }

  LoadedRows load(std::string_view sql, std::span<const ParameterView> parameters) override {
    return pool.acquire()->load(sql, parameters);
  }

  // Whether a pooled connection could answer this query, and its answer could be kept.
  bool could_keep(std::string_view sql) noexcept {
    try {
      return pool.acquire()->can_keep(sql);
    } catch (const std::exception&) {  // it knows nothing of the caller's functions, or is busy
      return false;
    }
  }

  Options options;
  std::string path;
  ConnectionPool<Connection> pool;
  Writer writer;
  Log log;
  FileDoorbell doorbell;
  Source source;
  Subscriber subscriber;
  OwnWrites own;
};

Database::Database(const std::string& where, Cache& cache, Options options)
    : state_(std::make_unique<State>(where, cache, options)) {}

Database::~Database() = default;

Source& Database::source() noexcept { return state_->source; }
Loader& Database::loader() noexcept { return *state_; }
const std::string& Database::path() const noexcept { return state_->path; }

WaitOutcome Database::wait(const Receipt& receipt, const Wait& wait) {
  return state_->subscriber.wait(receipt, wait);
}

void Database::catch_up() { state_->subscriber.catch_up(); }

void Database::attach(FileTier tier) {
  auto shared = std::make_shared<FileTier>(std::move(tier));
  // The file may have outlived a rewind of the database that nobody watched.
  if (const auto newest = shared->newest(state_->source.marks().cursor().epoch)) {
    state_->log.verify(*newest);
    state_->subscriber.catch_up();
  }
  state_->subscriber.read_history();
  state_->source.attach(std::move(shared));
}

void Database::flush_local() { state_->own.flush_local(); }

DatabaseStats Database::stats() const { return state_->own.stats(); }

// --- writing ------------------------------------------------------------

struct Database::WriteSession::Open {
  explicit Open(State& owner)
      : state(owner), session(owner.writer, owner.path, owner.options.busy_timeout) {}

  State& state;
  Writer::Session session;
};

Database::WriteSession::WriteSession(Database& database) {
  State& state = *database.state_;
  open_ = std::make_unique<Open>(state);  // from here on the turn is given up with it
  state.writer.renew();
  for (int attempt = 0; state.moved(); ++attempt) {
    if (attempt == kFollowAttempts)
      throw Error("the file behind " + state.path + " is replaced again and again",
                  {.retryable = true, .connection_lost = true});
    state.subscriber.catch_up();  // the log follows the path, and then the writer the log
    state.writer.retire();
    state.writer.renew();
  }
  state.writer.begin();
}

Database::WriteSession::~WriteSession() = default;

Transaction& Database::WriteSession::transaction() noexcept {
  return open_->state.writer.transaction();
}

Receipt Database::WriteSession::commit() {
  State& state = open_->state;
  state.writer.require_standing();
  Connection& connection = state.writer.connection();
  const IntentBatch& intents = state.writer.intents();
  state.own.admit(intents, state.options.require_intents);
  PendingWrite pending = enqueue(
      state.options.namespace_name, intents, state.source.marks().cursor(), connection.native(),
      connection.statement(sql::log_state), connection.statement(sql::append));
  if (connection.moved() || state.log.split())
    throw Error("the file behind " + state.path + " was replaced during the write; rolled back",
                {.retryable = true, .connection_lost = true});
  const auto deadline = std::chrono::steady_clock::now() + state.options.busy_timeout;
  for (;;) {
    try {
      connection.run_again("commit");
      break;
    } catch (const Error& failure) {
      // In a rollback-journal file readers can hold COMMIT off: it is still open, and may be tried
      // again.
      const bool still_open = connection.in_transaction();
      if (failure.connection_lost()) state.writer.retire();
      if (still_open && failure.retryable() && std::chrono::steady_clock::now() < deadline)
        continue;
      if (still_open) throw;  // rolled back by the session's end
      // SQLite itself has ended the transaction, in the middle of a commit. A full disk has not
      // taken the page that would make it one.
      if (failure.native_code() == "SQLITE_FULL") throw;
      state.own.doubt(pending);
      throw CommitInDoubt(
          "the commit failed and its outcome is unknown: " + std::string(failure.what()),
          pending.receipt, failure.native_code());
    }
  }
  state.own.apply(pending);
  open_.reset();  // the next writer may begin
  state.own.follow(pending);
  return std::move(pending.receipt);
}

// --- the low road ------------------------------------------------------------

namespace {

// Throws unless the write is in the log, seen from the connection that has made it.
void confirm(SQLite::Database& connection, const std::string& path, const Receipt& receipt) {
  require_same_file(connection, path);
  if (sqlite3_get_autocommit(connection.getHandle()) == 0)
    throw Error("the transaction is still open: commit it, then call committed()");
  if (receipt.intents == 0) return;
  const ParameterView values[] = {as_parameter(receipt.position.value),
                                  as_parameter(static_cast<std::int64_t>(receipt.write.value))};
  PreparedStatement prepared = prepare_checked(connection, sql::confirm_write);
  const ResultSet found = run_query(prepared, values);
  if (found.row(0)[0].as<int>() != 1)
    throw Error("the staged intents are not in the log: their transaction was rolled back");
}

}  // namespace

Staged Database::stage(SQLite::Database& connection, const IntentBatch& intents) {
  require_same_file(connection, state_->path);
  if (sqlite3_get_autocommit(connection.getHandle()) != 0)
    throw ConfigError("no transaction is open on the connection: begin one before staging intents");
  PreparedStatement look = prepare_checked(connection, sql::log_state);
  PreparedStatement append = prepare_checked(connection, sql::append);
  PendingWrite pending = enqueue(state_->options.namespace_name, intents,
                                 state_->source.marks().cursor(), connection, look, append);
  // The transaction goes on: a savepoint may yet take rows back.
  pending.follows.reset();
  return Staged(state_->own, std::move(pending),
                [&connection, path = state_->path](const Receipt& receipt) {
                  confirm(connection, path, receipt);
                });
}

Borrowed Database::borrow(SQLite::Database& connection) {
  require_same_file(connection, state_->path);
  return {*this, connection};
}

bool Borrowed::isolated() const {
  return sqlite3_get_autocommit(connection_.getHandle()) == 0 ||
         has_unfinished_statement(connection_) || has_own_view(connection_);
}

// What is kept goes out to everybody under the key that they use. So it must be what one of the
// library's own connections would have answered, in a snapshot that can be judged.
LoadedRows Borrowed::load(std::string_view sql, std::span<const ParameterView> parameters) {
  sqlite3* const raw = connection_.getHandle();
  require_query(sql);
  require_same_file(connection_, database_.path());
  const bool autocommit = sqlite3_get_autocommit(raw) != 0;
  LoadedRows loaded;
  if (sqlite3_txn_state(raw, "main") == SQLITE_TXN_WRITE) {
    loaded.keep = Stored::in_transaction;
  } else if (!autocommit) {
    // The transaction's snapshot begins with its first read: let that be the read of its own
    // position.
    const ParameterView no_cursor[] = {as_parameter(0)};
    PreparedStatement prepared = prepare_checked(connection_, sql::log_state);
    const LogState state = state_of(run_query(prepared, no_cursor), database_.path());
    loaded.snapshot = SharedStamp{state.epoch, Position{state.last + 1}, state.last_witness};
  } else if (has_unfinished_statement(connection_)) {
    loaded.keep = Stored::not_covered;
  }
  if (loaded.keep == Stored::yes && (has_own_view(connection_) || has_own_settings(connection_) ||
                                     !database_.state_->could_keep(sql)))
    loaded.keep = Stored::uncacheable;
  PreparedStatement prepared = prepare_checked(connection_, sql);
  require_reading(prepared);
  const std::int64_t changes = sqlite3_total_changes64(raw);
  loaded.rows = run_query(prepared, parameters);
  // A function of the caller's may have done anything on the connection, and the file may have been
  // replaced under it.
  if (loaded.keep == Stored::yes && (sqlite3_total_changes64(raw) != changes ||
                                     (sqlite3_get_autocommit(raw) != 0) != autocommit ||
                                     has_moved(raw) || !database_.state_->follows(raw)))
    loaded.keep = Stored::not_covered;
  return loaded;
}

}  // namespace querymark::sqlite
