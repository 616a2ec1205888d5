#include <array>
#include <pqxx/nontransaction>

#include "append.hpp"
#include "database_state.hpp"
#include "errors.hpp"
#include "postgres_sql.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/sql_text.hpp"
#include "snapshot_text.hpp"
#include "statement_text.hpp"
#include "values.hpp"

// The low road: a caller's own libpqxx transaction. Its session, and its end, are the caller's.

namespace querymark::postgres {

Staged Database::stage(pqxx::transaction_base& transaction, const IntentBatch& intents) {
  if (dynamic_cast<pqxx::nontransaction*>(&transaction) != nullptr)
    throw ConfigError(
        "a nontransaction commits each statement by itself; stage intents in a pqxx::work");
  State& of = state();
  return translated("stage intents", Whose::ours, transaction, [&] {
    require_utf8(transaction.conn().get_client_encoding());
    const ResultSet begun = rows_of(exec_bound(transaction, sql::begin_write, {}));
    PendingWrite pending = pending_of(begun, of.options.namespace_name);
    of.require_same(begun.row(0)["database_id"].view());
    add_intents(pending, intents);
    if (!intents.empty()) {
      const Append append(pending.receipt.namespace_name, pending.receipt.write, intents);
      static_cast<void>(
          exec_bound(transaction, append.one ? sql::append_one : sql::append, append.values));
    }
    return Staged(of.core_.own, std::move(pending), [this](const Receipt& receipt) {
      if (receipt.intents == 0) return;
      switch (resolve(receipt)) {
        case WriteFate::committed:
          state().ring();
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
  return translated("look at the caller's session", Whose::ours, transaction, [&] {
    const OwnedParameter customs = as_parameter(state().own_session().customs);
    const std::array<ParameterView, 1> values{customs};
    const SessionState session(rows_of(exec_bound(transaction, sql::session_settings, values)));
    // No session of the pool's begins like this.
    Borrowed borrowed(*this, transaction, "borrowed:" + session.key() + ':' + scope);
    borrowed.settings_ = session.names();
    borrowed.settings_.emplace_back("client_encoding");
    for (const std::string& name : session.spoken) borrowed.settings_.push_back(name);
    borrowed.like_ours_ = state().is_like_ours(session, transaction.conn().get_client_encoding());
    borrowed.scoped_ = !scope.empty();
    ResultSet found = borrowed.look();
    state().require_same(found.row(0)["database_id"].view());
    if (!found.row(0)["adopted"].as<bool>()) {
      try {
        state().core_.subscriber.catch_up();
      } catch (const Error&) {  // the server has just restarted: its loads are not kept
        borrowed.answer_ = found.row(0)["session"].as<std::string>();
        return borrowed;
      }
      found = borrowed.look();
      if (!found.row(0)["adopted"].as<bool>())
        throw ConfigError("the transaction is not on " + state().label +
                          ", but on a copy of that database, or it began before a restart");
    }
    borrowed.answer_ = found.row(0)["session"].as<std::string>();
    return borrowed;
  });
}

ResultSet Borrowed::look() {
  const OwnedParameter names = as_parameter(settings_);
  const std::array<ParameterView, 1> values{names};
  ResultSet state = rows_of(exec_bound(transaction_, sql::load_state, values));
  if (state.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  return state;
}

Stored Borrowed::judged(const ResultSet& looked) const {
  const Row seen = looked.row(0);
  if (seen["wrote"].as<bool>()) return Stored::in_transaction;
  const bool as_borrowed = seen["session"].view() == answer_ && !seen["temporary"].as<bool>() &&
                           seen["adopted"].as<bool>();
  return as_borrowed ? Stored::yes : Stored::uncacheable;
}

Analyser* Borrowed::analyser() noexcept {
  try {
    return judged(look()) == Stored::yes ? this : nullptr;
  } catch (const std::exception&) {  // the load will tell
    return nullptr;
  }
}

Analysis Borrowed::analyse(std::string_view sql, const Promises& promises) {
  if (!like_ours_)
    return {.verdict = Verdict::refuse,
            .why =
                "the caller's session has other users, settings or another encoding than this "
                "database's own, so nobody has found out what a query depends on there"};
  return database_.state().analyse_for_borrowed(sql, promises);
}

// What the caller has done in its session and its transaction since, nobody tells but the server.
bool Borrowed::may_hit(std::string_view sql) {
  if (!like_ours_ || reads_settings(sql)) return false;
  return translated("look at the caller's session", Whose::ours, transaction_, [&] {
    const ResultSet looked = look();
    database_.state().require_same(looked.row(0)["database_id"].view());
    return judged(looked) == Stored::yes && looked.row(0)["newest"].as<bool>();
  });
}

LoadedRows Borrowed::load(std::string_view sql, std::span<const ParameterView> parameters) {
  const std::string doing = "run " + quoted_sql(sql) + " in the caller's transaction";
  return translated(doing, Whose::callers, transaction_, [&] {
    const Reading reading = require_reading(sql, backslash_of(transaction_.conn()));
    // Before the query: its snapshot is this one's, or under READ COMMITTED a later one.
    const ResultSet state = look();
    const Row row = state.row(0);
    database_.state().require_same(row["database_id"].view());
    LoadedRows loaded;
    loaded.snapshot =
        SharedStamp{epoch_of(row["epoch"]), parse_position(row["horizon"].view()), {}};
    // It reads under the name of the session that was borrowed, and of no table but the database's
    // own, whose epoch is this server's.
    const auto judged_now = [&](const ResultSet& looked) {
      const Stored found = judged(looked);
      if (found != Stored::yes) return found;
      return reads_settings(sql) ? Stored::uncacheable : keep_of(reading);
    };
    loaded.keep = judged_now(state);
    loaded.rows = database_.state().type_names.rows_of(transaction_,
                                                       exec_bound(transaction_, sql, parameters));
    if (loaded.keep == Stored::yes) {  // a function may have written, or have changed the session
      loaded.keep = judged_now(look());
    }
    return loaded;
  });
}

}  // namespace querymark::postgres
