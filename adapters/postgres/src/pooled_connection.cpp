#include "pooled_connection.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "log_connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/ascii.hpp"
#include "statement_text.hpp"

namespace querymark::postgres {
namespace {

constexpr const char* begin_of(Isolation isolation) {
  switch (isolation) {
    case Isolation::repeatable_read:
      return "begin isolation level repeatable read read write";
    case Isolation::serializable:
      return "begin isolation level serializable read write";
    case Isolation::read_committed:
      break;
  }
  return "begin isolation level read committed read write";
}

// More rows than these are left to the log's own connection, which reads page by page.
constexpr std::size_t kMostSeen = 200;

// There is no such prepared statement, or it no longer fits the schema.
bool is_outdated(const Error& failure) {
  return failure.native_code() == "26000" || failure.native_code() == "0A000";
}

// DISCARD ALL, which can't travel with other statements, but for what is prepared and for the
// users: `prove_session` at the end tells when those are others.
constexpr std::string_view kClear =
    "; reset all; close all; unlisten *; discard temp; discard sequences";

// Whoever holds the log holds up a look for a moment only: the commit's answer waits behind. The
// plan is one for all sizes: made while the log is all but empty, as after pruning, it would be a
// scan of the whole table, and stay. What clears the session takes these settings back.
constexpr std::string_view kLookPins =
    "set lock_timeout = '500ms'; set jit = off; set plan_cache_mode = force_generic_plan; "
    "set enable_seqscan = off; set enable_bitmapscan = off; ";

}  // namespace

void PooledConnection::pin(const SettingList& settings) {
  const ResultSet pinned =
      query(sql::pin_session,
            {as_parameter(settings.names), as_parameter(settings.values), as_parameter(proxied())});
  if (pinned.row(0)[0].as<bool>())
    throw Error(label() +
                    " is a standby, where positions can't be trusted; connect to the primary "
                    "(target_session_attrs=read-write in the URL)",
                {.connection_lost = true});
}

ResultSet PooledConnection::find_history() {
  ResultSet found = query(sql::session);
  if (found.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  return found;
}

SessionState PooledConnection::find_session(const SettingList& pinned) {
  std::vector<std::string> customs = custom_names(startup_options());
  for (const std::string& name : pinned.names)
    if (name.find('.') != std::string::npos) customs.push_back(name);
  return SessionState(query(sql::session_settings, {as_parameter(customs)}));
}

ResultSet PooledConnection::look(const std::vector<std::string>& names) {
  ResultSet found = query(sql::load_state, {as_parameter(names)});
  if (found.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  return found;
}

void PooledConnection::settle(const SettingList& settings,
                              const std::vector<std::string>& customs) {
  run("reset all");
  const auto now = [this](const std::vector<std::string>& names) {
    const ResultSet answer = query(sql::settings_now, {as_parameter(names)});
    return answer.row(0)[0].as<std::vector<std::optional<std::string>>>();
  };
  const auto values = now(settings.names);
  resettable_ = settings.names;
  if (!customs.empty()) {
    const auto given = now(customs);
    for (std::size_t i = 0; i < customs.size(); ++i)
      if (given[i]) resettable_.push_back(customs[i]);
  }
  clear_ = kClear;
  SettingList others;
  for (std::size_t i = 0; i < settings.names.size(); ++i) {
    if (values[i] == settings.values[i]) continue;
    if (settings.names[i] == "default_transaction_read_only")
      clear_ += "; set default_transaction_read_only = " + settings.values[i];
    else
      others.add(settings.names[i], settings.values[i]);
  }
  const auto quote = [this](ParameterView value) { return literal(value); };
  const OwnedParameter looked_at = as_parameter(customs);
  const std::array<ParameterView, 1> names{looked_at};
  std::string text;
  const auto prepare = [&text](const char* name, std::string_view statement) {
    text.append(text.empty() ? "prepare " : "; prepare ").append(name).append(" as ");
    text += statement;
  };
  prepare("querymark_begin", sql::begin_write);
  prepare("querymark_append", sql::append);
  if (customs.empty()) {
    prepare("querymark_leave", sql::leave_read);
    prepare("querymark_prove", sql::prove_session);
  } else {
    prepare("querymark_leave", with_literals(sql::leave_read_customs, names, quote));
    prepare("querymark_prove", with_literals(sql::prove_session_customs, names, quote));
  }
  if (!others.names.empty()) {
    const OwnedParameter other_names = as_parameter(others.names);
    const OwnedParameter other_values = as_parameter(others.values);
    const std::array<ParameterView, 3> pins{other_names, other_values, as_parameter(false)};
    prepare("querymark_pin", with_literals(sql::pin_session, pins, quote));
    clear_ += "; execute querymark_pin";
  }
  clear_ += "; execute querymark_prove";
  run(text);
  const ResultSet proved = run("rollback" + clear_);
  settled_ = proved.row(0)[0].as<std::string>();
  const ResultSet left = run("execute querymark_leave");
  left_ = left.row(0)[1].as<std::string>();
  prepared_ = true;
  try {
    run(std::string("prepare querymark_look as ") + std::string(sql::log_look));
    looks_ = true;
    run(look_text("", Cursor()) + clear_);
  } catch (const Error& failure) {  // a writer need not be able to read the log
    if (failure.connection_lost()) throw;
    looks_ = false;
  }
}

void PooledConnection::distrust_customs(const std::vector<std::string>& names) {
  if (!forgets(names)) prepared_ = false;
}

bool PooledConnection::forgets(const std::vector<std::string>& names) const {
  return std::ranges::all_of(names, [&](const std::string& name) {
    return std::ranges::any_of(resettable_,
                               [&](const std::string& known) { return ascii::equal(known, name); });
  });
}

PooledConnection::Read PooledConnection::read(std::string_view sql,
                                              std::span<const ParameterView> values) {
  try {
    Apart apart = query_apart(sql, values, "querymark_leave");
    const bool answered = !apart.left.empty();
    const bool proved = answered && apart.left.row(0)[1].view() == left_;
    if (!proved) give_up();
    return {std::move(apart.rows), answered && apart.left.row(0)[0].as<bool>(), proved};
  } catch (...) {  // its transaction goes, then rethrown
    abandon();
    throw;
  }
}

PooledConnection::Read PooledConnection::read_with(const SettingList& settings,
                                                   std::string_view sql,
                                                   std::span<const ParameterView> values) {
  // Whatever comes of it, a setting that nothing resets stays '' where it was null.
  const bool forgotten = forgets(settings.names);
  Read read;
  try {
    const Apart apart = query_apart(sql, values, "querymark_leave", &settings);
    const auto looks = [](const ResultSet& answer) {
      return answer.empty() ? std::string_view() : answer.row(0)[1].view();
    };
    // The session was what it should be, and neither the settings nor anything else have changed
    // between their coming and the end.
    read.proved =
        looks(apart.fresh) == left_ && !apart.left.empty() &&
        looks(apart.entered) == looks(apart.left) &&
        std::ranges::equal(apart.settings.row(0)[0].as<std::vector<std::optional<std::string>>>(),
                           settings.values);
    read.wrote = !apart.left.empty() && apart.left.row(0)[0].as<bool>();
    read.rows = apart.rows;
  } catch (...) {  // its transaction goes, then rethrown
    abandon();
    if (!forgotten) give_up();
    throw;
  }
  if (!read.proved || !forgotten) give_up();
  return read;
}

ResultSet PooledConnection::begin_under(const SettingList& settings, Isolation isolation) {
  distrust_customs(settings.names);
  const OwnedParameter names = as_parameter(settings.names);
  const OwnedParameter values = as_parameter(settings.values);
  const std::array<ParameterView, 3> pins{names, values, as_parameter(true)};
  return begin_text(std::string(begin_of(isolation)) + "; " +
                    with_literals(sql::pin_session, pins,
                                  [this](ParameterView value) { return literal(value); }) +
                    "; ");
}

ResultSet PooledConnection::begin(Isolation isolation) {
  return begin_text(std::string(begin_of(isolation)) + "; ");
}

ResultSet PooledConnection::begin_text(const std::string& begin) {
  if (prepared_) {
    try {
      return run(begin + "execute querymark_begin");
    } catch (const Error& failure) {
      if (!is_outdated(failure)) throw;
      rollback();
      prepared_ = false;
    }
  }
  return run(begin + sql::begin_write.text);
}

bool PooledConnection::begin_with(Isolation isolation, std::string_view sql,
                                  std::span<const ParameterView> values, First& first) {
  try {
    Connection::begin_with(begin_of(isolation), "querymark_begin", sql, values, first);
    return true;
  } catch (const Error& failure) {
    if (first.begun || !is_outdated(failure)) throw;
  }
  rollback();
  prepared_ = false;
  return false;
}

std::string PooledConnection::append_text(std::span<const ParameterView> values) {
  return with_literals(
      prepared_ ? "execute querymark_append($1, $2, $3, $4, $5)" : sql::append.text, values,
      [&](ParameterView value) { return literal(value); });
}

std::string PooledConnection::look_text(const std::string& namespace_name, const Cursor& from) {
  if (!prepared_ || !looks_) return {};
  const std::string low = std::to_string(last_of(from));
  const OwnedParameter in_progress = as_parameter(in_progress_of(from));
  const std::array<ParameterView, 4> values{as_parameter(namespace_name), as_parameter(low),
                                            in_progress, as_parameter(kMostSeen + 1)};
  return std::string(kLookPins) +
         with_literals("execute querymark_look($1, $2, $3, $4)", values,
                       [&](ParameterView value) { return literal(value); });
}

std::optional<Look> PooledConnection::look_of(const ResultSet& answer,
                                              const Cursor& from) const noexcept {
  try {
    const LogPage found = page_of(answer);
    const LogState& state = found.state;
    const bool all = found.rows.size() <= kMostSeen && !answer.row(0)["filtered"].as<bool>();
    if (!all || !state.adopted || state.pid != pid() || state.epoch != from.epoch ||
        rewound(from, state) || !state.whole(from))
      return std::nullopt;
    return Look{from, {.rows = found.rows, .upto = state.cursor(), .floor = state.pruned.limit()}};
  } catch (const std::exception&) {  // the commit stands; the log's own connection tells what is
    return std::nullopt;
  }
}

std::string PooledConnection::with_clearing(std::string text) const {
  // What has lost its prepared statements is closed instead of cleared.
  if (prepared_) text += clear_;
  return text;
}

void PooledConnection::check(const ResultSet& answer) noexcept {
  if (proxied()) return;  // the server session is given back to the proxy
  try {
    if (prepared_ && answer.row(0)[0].view() == settled_) return;
  } catch (const std::exception&) {  // no row: not what it was
  }
  give_up();
}

std::optional<ResultSet> PooledConnection::commit(std::string before, const std::string& look) {
  std::string text = (before.empty() ? "" : before + "; ") + "commit";
  if (!look.empty()) text += "; " + look;
  std::vector<ResultSet> answers;
  try {
    answers = run_commit(with_clearing(std::move(text)));
  } catch (const Error&) {
    if (!finished("COMMIT")) throw;
    give_up();  // the commit stands; only what came after it has failed
    return std::nullopt;
  }
  // The tag of a COMMIT that found its transaction failed is ROLLBACK.
  if (!finished("COMMIT"))
    throw Error("the server has rolled the transaction back instead of committing it");
  check(answers.empty() ? ResultSet() : answers.back());
  if (look.empty() || answers.size() < 2) return std::nullopt;
  return std::move(answers.front());
}

void PooledConnection::abandon() noexcept {
  if (!open()) return;
  try {
    check(run(with_clearing("rollback"), kRollbackPatience));
  } catch (const std::exception&) {
    give_up();  // the server rolls back when the connection closes
  }
}

}  // namespace querymark::postgres
