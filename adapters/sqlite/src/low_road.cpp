#include <sqlite3.h>

#include "callers_connection.hpp"
#include "database_state.hpp"
#include "enqueue.hpp"
#include "errors.hpp"
#include "log_state.hpp"
#include "sqlite_sql.hpp"

// The low road: a caller's own connection. Its settings, and its transactions' ends, are the
// caller's.

namespace querymark::sqlite {
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
  if (found.row(0)["logged"].as<int>() != 1)
    throw Error("the staged intents are not in the log: their transaction was rolled back");
}

}  // namespace

Staged Database::stage(SQLite::Database& connection, const IntentBatch& intents) {
  require_same_file(connection, path());
  if (sqlite3_get_autocommit(connection.getHandle()) != 0)
    throw ConfigError("no transaction is open on the connection: begin one before staging intents");
  PreparedStatement look = prepare_checked(connection, sql::log_state);
  PreparedStatement append = prepare_checked(connection, sql::append);
  const Cursor cursor = state().core_.source.marks().cursor();
  const ParameterView cursor_id[] = {as_parameter(last_id(cursor))};
  const LogState before = state_of(run_query(look, cursor_id), path());
  PendingWrite pending =
      enqueue(state().core_.namespace_name(), intents, cursor, before, connection, append);
  // The transaction goes on: a savepoint may yet take rows back.
  pending.follows.reset();
  return Staged(
      state().core_.own, std::move(pending),
      [&connection, path = path()](const Receipt& receipt) { confirm(connection, path, receipt); });
}

Borrowed Database::borrow(SQLite::Database& connection) {
  require_same_file(connection, path());
  return {*this, connection};
}

bool Borrowed::isolated() const {
  return sqlite3_get_autocommit(connection_.getHandle()) == 0 ||
         has_unfinished_statement(connection_) || has_own_view(connection_);
}

// By the library's own connections: what is kept is what these would have read.
Analyser* Borrowed::analyser() noexcept {
  if (sqlite3_txn_state(connection_.getHandle(), "main") == SQLITE_TXN_WRITE)
    return nullptr;  // it may keep these out
  return database_.state().analyser();
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
                                     !database_.state().could_keep(sql)))
    loaded.keep = Stored::uncacheable;
  PreparedStatement prepared = prepare_checked(connection_, sql);
  require_reading(prepared);
  const std::int64_t changes = sqlite3_total_changes64(raw);
  loaded.rows = run_query(prepared, parameters);
  // A function of the caller's may have done anything on the connection, and the file may have been
  // replaced under it.
  if (loaded.keep == Stored::yes && (sqlite3_total_changes64(raw) != changes ||
                                     (sqlite3_get_autocommit(raw) != 0) != autocommit ||
                                     has_moved(raw) || !database_.state().follows(raw)))
    loaded.keep = Stored::not_covered;
  return loaded;
}

}  // namespace querymark::sqlite
