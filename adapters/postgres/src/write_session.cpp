#include <algorithm>

#include "append.hpp"
#include "database_state.hpp"
#include "open_write.hpp"

namespace querymark::postgres {
namespace {

// The databases on which this thread is inside write(): one that waits for another of its own would
// wait for ever.
thread_local std::vector<const void*> writing;

struct Writing {
  explicit Writing(const void* database, const std::string& label) : database_(database) {
    if (std::ranges::find(writing, database) != writing.end())
      throw ConfigError("write() inside write() on " + label +
                        ": use the transaction that is open");
    writing.push_back(database);
  }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;
  ~Writing() { std::erase(writing, database_); }

  const void* database_;
};

}  // namespace

struct Database::WriteSession::Open {
  using Lease = ConnectionPool<PooledConnection>::Lease;

  Open(State& of, Lease lease, PendingWrite begun)
      : state(of),
        connection(std::move(lease)),
        pending(std::move(begun)),
        guard(*connection, std::to_string(pending.receipt.position.value)),
        transaction(guard, intents) {}
  ~Open() {
    if (!ended) connection->abandon();
  }

  State& state;
  Lease connection;
  PendingWrite pending;
  IntentBatch intents;
  OpenWrite guard;
  Transaction transaction;
  bool ended = false;
};

Database::WriteSession::WriteSession(Database& database, Isolation isolation) {
  State& state = *database.state_;
  writing_ = std::make_shared<Writing>(&state, state.label);
  // Nothing has been written yet, so it may begin anew.
  state.on_standing([&](auto& connection) {
    PendingWrite begun;
    try {
      begun = pending_of(connection->begin(isolation), state.options.namespace_name);
      if (connection->proxied()) static_cast<void>(state.prove_lent(*connection));
    } catch (...) {  // rolled back, then rethrown
      connection->abandon();
      throw;
    }
    open_.reset(new Open(state, std::move(connection), std::move(begun)));
    return 0;
  });
}

Database::WriteSession::~WriteSession() = default;

Transaction& Database::WriteSession::transaction() noexcept { return open_->transaction; }

Receipt Database::WriteSession::commit() {
  State& state = open_->state;
  PooledConnection& connection = *open_->connection;
  open_->guard.require_standing();
  state.own.admit(open_->intents, state.options.require_intents);
  PendingWrite& pending = open_->pending;
  add_intents(pending, open_->intents);
  std::string append;
  if (!open_->intents.empty())
    append = connection.append_text(Append(pending, open_->intents).values);
  try {
    connection.commit(std::move(append));
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
  return guard_.execute(sql, values);
}

ResultSet Transaction::query_values(std::string_view sql, std::span<const ParameterView> values) {
  return guard_.query(sql, values);
}

}  // namespace querymark::postgres
