#include <algorithm>
#include <chrono>
#include <limits>

#include "database_state.hpp"
#include "enqueue.hpp"
#include "errors.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {

/// A write that has the writer's turn.
class Database::Session final : public WriteSession {
 public:
  explicit Session(State& state)
      : WriteSession(state.core_),
        state_(state),
        turn_(std::in_place, state.writer, state.path, state.options.busy_timeout) {
    state.follow_path();
    state.writer.begin();
    begun(state.writer.transaction(), {}, false);
  }

  [[nodiscard]] Transaction& transaction() noexcept override { return state_.writer.transaction(); }

 private:
  void require_standing() override { state_.writer.require_standing(); }
  PendingWrite commit_intents() override;
  void settled(const PendingWrite& /*write*/) noexcept override { turn_.reset(); }
  [[nodiscard]] LogState look(const Cursor& cursor);
  void count_rows(PendingWrite& pending, const LogState& before);
  void commit(const PendingWrite& pending);

  State& state_;
  std::optional<Writer::Session> turn_;
};

// Where the log stands, told of what the transaction has changed of the definitions.
LogState Database::Session::look(const Cursor& cursor) {
  Connection& connection = state_.writer.connection();
  const ParameterView id[] = {as_parameter(last_id(cursor))};
  const auto state = [&] {
    return state_of(run_query(connection.statement(sql::log_state), id), state_.path);
  };
  const LogState found = state();
  if (!found.redefined) return found;
  static_cast<void>(run_insert(connection.statement(sql::tell_definitions), {}));
  static_cast<void>(run_insert(connection.statement(sql::told_definitions), {}));
  return state();
}

// A write that declares nothing, but whose triggers have told of it: its receipt is that of their last row.
void Database::Session::count_rows(PendingWrite& pending, const LogState& before) {
  pending.rows = before.last - state_.writer.log_began_at();
  if (pending.rows == 0) return;
  const ParameterView id[] = {as_parameter(before.last)};
  const ResultSet found = run_query(state_.writer.connection().statement(sql::write_at), id);
  if (found.empty()) return;  // a trigger took it away again
  Receipt& receipt = pending.receipt;
  receipt.position = Position{before.last};
  receipt.write = write_id_of(found.row(0)["write_id"].as<std::int64_t>());
  receipt.intents = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(*pending.rows, std::numeric_limits<std::uint32_t>::max()));
}

PendingWrite Database::Session::commit_intents() {
  Connection& connection = state_.writer.connection();
  const IntentBatch& intents = transaction().intents();
  const Cursor cursor = core().source.marks().cursor();
  const LogState before = look(cursor);
  PendingWrite pending = enqueue(core().namespace_name(), intents, cursor, before,
                                 connection.native(), connection.statement(sql::append));
  if (intents.empty()) count_rows(pending, before);
  if (connection.moved() || state_.log.split())
    throw Error("the file behind " + state_.path + " was replaced during the write; rolled back",
                {.retryable = true, .connection_lost = true});
  commit(pending);
  return pending;
}

void Database::Session::commit(const PendingWrite& pending) {
  Connection& connection = state_.writer.connection();
  const auto deadline = std::chrono::steady_clock::now() + state_.options.busy_timeout;
  for (;;) {
    try {
      connection.run_again("commit");
      return;
    } catch (const Error& failure) {
      // In a rollback-journal file readers can hold COMMIT off: it is still open, and may be tried
      // again.
      const bool still_open = connection.in_transaction();
      if (failure.connection_lost()) state_.writer.retire();
      if (still_open && failure.retryable() && std::chrono::steady_clock::now() < deadline)
        continue;
      if (still_open) throw;  // rolled back by the session's end
      // SQLite itself has ended the transaction, in the middle of a commit. A full disk has not
      // taken the page that would make it one.
      if (failure.native_code() == "SQLITE_FULL") throw;
      in_doubt(pending,
               "the commit failed and its outcome is unknown; ask resolve() with the receipt. " +
                   std::string(failure.what()),
               failure.native_code());
    }
  }
}

std::unique_ptr<WriteSession> Database::State::begin_write(const SessionSettings& /*none*/) {
  return std::make_unique<Session>(*this);
}

}  // namespace querymark::sqlite
