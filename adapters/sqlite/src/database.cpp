#include "querymark/sqlite/database.hpp"

#include <sqlite3.h>

#include <atomic>

#include "connection.hpp"
#include "enqueue.hpp"
#include "errors.hpp"
#include "log_state.hpp"
#include "querymark/sqlite/doorbell.hpp"
#include "querymark/sqlite/log.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/connection_pool.hpp"
#include "schema.hpp"
#include "turn.hpp"

// Threads and locks.
//   readers   take a connection from the pool; the pool's mutex is held for moments only
//   writers   take turns (writer_turn), whoever has it uses the one writing connection; SQLite's
//   own write lock
//             keeps other processes out
//   subscriber's thread   sleeps in the doorbell (which owns an idle connection), reads the log
//   through `log`
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

bool has_attached_files(sqlite3* database) {
  // 0 is main, 1 is temp; whatever follows was attached.
  return sqlite3_db_name(database, 2) != nullptr;
}

bool has_unfinished_statement(sqlite3* database) {
  for (sqlite3_stmt* at = sqlite3_next_stmt(database, nullptr); at != nullptr;
       at = sqlite3_next_stmt(database, at))
    if (sqlite3_stmt_busy(at) != 0) return true;
  return false;
}

}  // namespace

struct Database::State final : Loader {
  State(const std::string& where, Cache& cache, const Options& opts)
      : options(opts),
        path(path_of(where)),
        pool({.limit = options.readers,
              .patience = options.busy_timeout,
              .exhausted = "all " + std::to_string(options.readers) + " read connections to " +
                           path + " stayed busy: raise readers, or look for slow queries"},
             [this] {
               return std::make_unique<Connection>(path, Connection::Use::read, settings());
             }),
        writer(open_writer()),
        log(path, options.space,
            {.busy_timeout = options.busy_timeout,
             .volatile_commits = options.synchronous != Synchronous::full,
             .on_history_change = [this] { drain(); }}),
        doorbell(path),
        source(cache, {.scope = {options.space, log.database_id(), {}, {}},
                       .default_ttl = options.default_ttl,
                       .lagging = options.lagging,
                       .mark_cells = options.mark_cells}),
        subscriber(options.space, log, doorbell, source.marks(),
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
            .create = false};
  }
  [[nodiscard]] std::unique_ptr<Connection> open_writer() const {
    Connection::Settings with = settings();
    with.write_ahead_log = options.write_ahead_log;
    auto connection = std::make_unique<Connection>(path, Connection::Use::write, with);
    require_schema(*connection, path);
    return connection;
  }

  // Requires the turn. Leaves the mark when opening fails, so that no later write uses the old
  // file.
  void renew_writer() {
    if (!writer_stale.exchange(false)) return;
    try {
      writer = open_writer();
    } catch (const Error&) {
      writer_stale.store(true);
      throw;
    }
  }

  void drain() noexcept {
    writer_stale.store(true);
    pool.drain();
  }

  LoadedRows load(std::string_view sql, std::span<const ParameterView> parameters) override {
    const auto connection = pool.acquire();
    return {connection->query(sql, parameters), std::nullopt, Stored::yes};
  }

  Options options;
  std::string path;
  ConnectionPool<Connection> pool;
  Turn writer_turn;  // whoever has it may use writer
  std::unique_ptr<Connection> writer;
  std::atomic<bool> writer_stale{false};
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
  explicit Open(State& owner) : state(owner) {}
  Open(const Open&) = delete;
  Open& operator=(const Open&) = delete;
  ~Open() {
    state.writer->rollback();
    state.writer_turn.give_up();
  }

  State& state;
  IntentBatch intents;
  std::optional<Transaction> transaction;
};

Database::WriteSession::WriteSession(Database& database) {
  State& state = *database.state_;
  if (state.writer_turn.is_mine())
    throw ConfigError("write() inside write(): use the transaction that is open");
  if (!state.writer_turn.take(state.options.busy_timeout))
    throw Error("another thread's write() did not end within busy_timeout",
                {.retryable = true, .native_code = "SQLITE_BUSY"});
  open_ = std::make_unique<Open>(state);  // from here on the turn is given up with it
  state.renew_writer();
  if (identity_of(state.path) != state.writer->identity()) {
    state.subscriber.catch_up();  // finds the new file, and drains
    state.renew_writer();
  }
  state.writer->run_again("begin immediate");
  open_->transaction.emplace(*state.writer, open_->intents);
}

Database::WriteSession::~WriteSession() = default;

Transaction& Database::WriteSession::transaction() noexcept { return *open_->transaction; }

Receipt Database::WriteSession::commit() {
  State& state = open_->state;
  Connection& writer = *state.writer;
  state.own.admit(open_->intents, state.options.require_intents);
  PendingWrite pending = enqueue(state.options.space, open_->intents, state.source.marks().cursor(),
                                 writer.native(), writer.statement(statements().get("log_state")),
                                 writer.statement(statements().get("append")));
  const auto deadline = std::chrono::steady_clock::now() + state.options.busy_timeout;
  for (;;) {
    try {
      writer.run_again("commit");
      break;
    } catch (const Error& failure) {
      // In a rollback-journal file readers can hold COMMIT off: it is still open, and may be tried
      // again.
      const bool still_open = writer.in_transaction();
      const bool busy = failure.native_code() == "SQLITE_BUSY";
      if (still_open && busy && std::chrono::steady_clock::now() < deadline) continue;
      if (still_open) throw;  // rolled back by the session's end
      // SQLite itself has ended the transaction, in the middle of a commit.
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

std::int64_t Transaction::execute_values(std::string_view sql,
                                         std::span<const ParameterView> values) {
  return connection_.execute(sql, values);
}

ResultSet Transaction::query_values(std::string_view sql, std::span<const ParameterView> values) {
  return connection_.query_writing(sql, values);
}

// --- the low road ------------------------------------------------------------

namespace {

void require_same_file(SQLite::Database& connection, const std::string& path) {
  sqlite3* const raw = connection.getHandle();
  const char* name = sqlite3_db_filename(raw, "main");
  const auto theirs = name != nullptr ? identity_of(name) : std::nullopt;
  if (!theirs || theirs != identity_of(path)) throw ConfigError("the connection is not to " + path);
  if (has_attached_files(raw))
    throw ConfigError(
        "the connection has attached files: a commit over several WAL files is not atomic, "
        "so intents could be lost; detach them, or use a connection of its own");
}

// Throws unless the write is in the log, seen from the connection that has made it.
void confirm(SQLite::Database& connection, const Receipt& receipt) {
  if (sqlite3_get_autocommit(connection.getHandle()) == 0)
    throw Error("the transaction is still open: commit it, then call committed()");
  if (receipt.intents == 0) return;
  const ParameterView values[] = {as_parameter(receipt.position.value),
                                  as_parameter(static_cast<std::int64_t>(receipt.write.value))};
  const ResultSet found = translated("confirm a commit", [&] {
    PreparedStatement prepared = prepare_checked(connection, statements().get("confirm_write"));
    return run_query(prepared, values);
  });
  if (found.row(0)[0].as<int>() != 1)
    throw Error("the staged intents are not in the log: their transaction was rolled back");
}

}  // namespace

Staged Database::stage(SQLite::Database& connection, const IntentBatch& intents) {
  require_same_file(connection, state_->path);
  if (sqlite3_get_autocommit(connection.getHandle()) != 0)
    throw ConfigError("no transaction is open on the connection: begin one before staging intents");
  return translated("stage intents", [&] {
    PreparedStatement look = prepare_checked(connection, statements().get("log_state"));
    PreparedStatement append = prepare_checked(connection, statements().get("append"));
    PendingWrite pending = enqueue(state_->options.space, intents, state_->source.marks().cursor(),
                                   connection, look, append);
    // The transaction goes on: a savepoint may yet take rows back.
    pending.follows.reset();
    return Staged(state_->own, std::move(pending),
                  [&connection](const Receipt& receipt) { confirm(connection, receipt); });
  });
}

Borrowed Database::borrow(SQLite::Database& connection) {
  require_same_file(connection, state_->path);
  return {*this, connection};
}

bool Borrowed::isolated() const {
  sqlite3* const raw = connection_.getHandle();
  return sqlite3_get_autocommit(raw) == 0 || has_unfinished_statement(raw);
}

LoadedRows Borrowed::load(std::string_view sql, std::span<const ParameterView> parameters) {
  sqlite3* const raw = connection_.getHandle();
  if (has_attached_files(raw))
    throw ConfigError(
        "the connection has attached files: what is read from them can't be invalidated");
  LoadedRows loaded;
  if (sqlite3_txn_state(raw, "main") == SQLITE_TXN_WRITE) {
    loaded.keep = Stored::in_transaction;
  } else if (sqlite3_get_autocommit(raw) == 0) {
    // The transaction's snapshot begins with its first read: let that be the read of its own
    // position.
    const ParameterView no_cursor[] = {as_parameter(0)};
    PreparedStatement prepared = prepare_checked(connection_, statements().get("log_state"));
    const LogState state = state_of(run_query(prepared, no_cursor), database_.path());
    loaded.snapshot = SharedStamp{state.epoch, Position{state.last + 1}, state.last_witness};
  } else if (has_unfinished_statement(raw)) {
    loaded.keep = Stored::not_covered;
  }
  PreparedStatement prepared = prepare_checked(connection_, sql);
  require_reading(prepared);
  loaded.rows = run_query(prepared, parameters);
  return loaded;
}

}  // namespace querymark::sqlite
