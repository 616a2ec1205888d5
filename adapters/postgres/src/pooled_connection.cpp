#include "pooled_connection.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "append.hpp"
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

// There is no such prepared statement, or it no longer fits the schema.
bool is_outdated(const Error& failure) {
  return failure.native_code() == "26000" || failure.native_code() == "0A000";
}

// A statement of a caller's that was prepared before may fail where its text does not: the schema
// has changed since, and its parameters keep the types that they had.
bool may_be_outdated(const Error& failure) {
  const std::string& state = failure.native_code();
  return is_outdated(failure) || state.starts_with("42") || state.starts_with("22") ||
         state == "XX000";  // what it names is not there any more
}

// Whether a statement may have failed only because it was to be run by its name: its text may do. Of one
// that is prepared just now, only the name can be to blame.
bool failed_by_name(const CallersStatements::Use& use, const Error& failure) {
  if (use.name.empty()) return false;
  return failure.native_code() == "42P05" || (use.already && may_be_outdated(failure));
}

// Where nothing that comes later can hide what a name meant, or unhide rows: behind the server's own
// schema there is one, and there are no policies.
bool lets_prepare(std::string_view path) {
  return path.starts_with("{pg_catalog,") && path.ends_with('}') &&
         std::ranges::count(path, ',') == 1;
}

std::vector<ParameterView> views_of(std::span<const OwnedParameter> values) {
  return {values.begin(), values.end()};
}

// DISCARD ALL, which can't travel with other statements, but for what is prepared and for the
// users: `prove_session` at the end tells when those are others.
constexpr std::array<std::array<const char*, 2>, 5> kClearing{
    {{"querymark_reset", "reset all"},
     {"querymark_close", "close all"},
     {"querymark_unlisten", "unlisten *"},
     {"querymark_discard_temporary", "discard temp"},
     {"querymark_discard_sequences", "discard sequences"}}};

Part named(std::string name) { return {.text = std::move(name), .kind = Part::Kind::named}; }

Part beginning_of(Isolation isolation) {
  return isolation == Isolation::read_committed ? named("querymark_start")
                                                : Part{.text = begin_of(isolation)};
}

}  // namespace

// True on a standby. What the role's timeouts say is for the statements of callers: finding out what a session is
// may take longer. Settling resets it; a proxy's session is pinned for a caller's statement each time.
bool PooledConnection::pin_anywhere(const SettingList& settings) {
  SettingList pins = settings;
  if (!proxied())
    for (const char* const timeout : {"statement_timeout", "transaction_timeout"})
      pins.add(timeout, "0");
  const ResultSet pinned =
      query(sql::pin_session,
            {as_parameter(pins.names), as_parameter(pins.values), as_parameter(proxied())});
  return pinned.row(0)["standby"].as<bool>();
}

void PooledConnection::pin(const SettingList& settings) {
  if (pin_anywhere(settings))
    throw Error(label() +
                    " is a standby, where positions can't be trusted; connect to the primary "
                    "(target_session_attrs=read-write in the URL)",
                {.connection_lost = true});
}

void PooledConnection::pin_standby(const SettingList& settings) {
  if (!pin_anywhere(settings))
    throw Error(label() + " is no standby, or was promoted", {.connection_lost = true});
}

ResultSet PooledConnection::find_history() {
  ResultSet found = query(sql::session);
  if (found.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  return found;
}

SessionState PooledConnection::find_session(const SettingList& pinned) {
  std::vector<std::string> customs = custom_names(startup_options());
  for (const std::string& name : pinned.names)
    if (is_custom_setting(name)) customs.push_back(name);
  return SessionState(query(sql::session_settings, {as_parameter(customs)}));
}

ResultSet PooledConnection::look(const std::vector<std::string>& names) {
  ResultSet found = query(sql::load_state, {as_parameter(names)});
  if (found.empty()) throw SchemaError("querymark.meta is empty; restore it or migrate anew");
  return found;
}

void PooledConnection::settle(const SettingList& settings, const std::vector<std::string>& customs,
                              CallersTexts callers) {
  run("reset all");
  const auto now = [this](const std::vector<std::string>& names) {
    const ResultSet answer = query(sql::settings_now, {as_parameter(names)});
    return answer.row(0)["settings"].as<std::vector<std::optional<std::string>>>();
  };
  const auto values = now(settings.names);
  resettable_ = settings.names;
  if (!customs.empty()) {
    const auto given = now(customs);
    for (std::size_t i = 0; i < customs.size(); ++i)
      if (given[i]) resettable_.push_back(customs[i]);
  }
  std::vector<Text> statements;
  clearing_.clear();
  const auto clear_by = [&](std::string name, std::string text) {
    clearing_.push_back(named(name));
    statements.push_back({std::move(name), std::move(text)});
  };
  for (const auto& [name, text] : kClearing) clear_by(name, text);
  SettingList others;
  for (std::size_t i = 0; i < settings.names.size(); ++i) {
    if (values[i] == settings.values[i]) continue;
    if (settings.names[i] == "default_transaction_read_only")
      clear_by("querymark_read_only", "set default_transaction_read_only = " + settings.values[i]);
    else
      others.add(settings.names[i], settings.values[i]);
  }
  const auto quote = [this](ParameterView value) { return literal(value); };
  const OwnedParameter looked_at = as_parameter(customs);
  const std::array<ParameterView, 1> names{looked_at};
  const auto with_names = [&](const SqlStatement& sql) { return with_literals(sql, names, quote); };
  if (!others.names.empty()) {
    const OwnedParameter other_names = as_parameter(others.names);
    const OwnedParameter other_values = as_parameter(others.values);
    const std::array<ParameterView, 3> pins{other_names, other_values, as_parameter(false)};
    clear_by("querymark_pin", with_literals(sql::pin_session, pins, quote));
  }
  clear_by("querymark_prove", customs.empty() ? std::string(sql::prove_session.text)
                                              : with_names(sql::prove_session_customs));
  // Its first parameters stay what they are.
  const std::array<ParameterView, 4> leaving{as_parameter(1), as_parameter(2), as_parameter(3),
                                             looked_at};
  statements.push_back(
      {"querymark_leave",
       customs.empty() ? std::string(sql::leave_read.text)
                       : with_literals(sql::leave_read_customs, leaving, [&](ParameterView value) {
                           return value.type() == ValueType::int64
                                      ? '$' + std::to_string(value.as_int64())
                                      : literal(value);
                         })});
  statements.push_back({"querymark_start", begin_of(Isolation::read_committed)});
  statements.push_back({"querymark_begin", sql::begin_write.text});
  statements.push_back({"querymark_append", sql::append.text});
  statements.push_back({"querymark_append_one", sql::append_one.text});
  statements.push_back({"querymark_commit", "commit"});
  statements.push_back({"querymark_end", sql::end_write.text});
  prepare(statements);
  const ResultSet proved = run_rollback(clearing_);
  settled_ = proved.row(0)["session"].as<std::string>();
  const ResultSet left = run("execute querymark_leave('', '', '')");
  left_ = left.row(0)["session"].as<std::string>();
  path_ = left.row(0)["path"].as<std::string>();
  prepares_ = callers == CallersTexts::prepared && lets_prepare(path_);
  if (prepares_) look_for_unseen();
  prepared_ = true;
}

void PooledConnection::look_for_unseen() {
  const ResultSet unseen = query(sql::settled_unseen);
  domains_ = unseen.row(0)["domains"].as<bool>();
  instead_ = unseen.row(0)["instead"].as<bool>();
  prepares_ &= !unseen.row(0)["secured"].as<bool>();
  looked_ = clock_.now();
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

// Whether the session was what it should be, and neither settings nor anything else have changed
// between their coming and the end.
bool PooledConnection::proves(const Apart& apart, const SettingList& settings) const {
  const auto looks = [](const ResultSet& answer) {
    return answer.empty() ? std::string_view() : answer.row(0)["session"].view();
  };
  if (apart.left.empty()) return false;
  if (settings.names.empty()) return looks(apart.left) == left_;
  return looks(apart.fresh) == left_ && looks(apart.set) == looks(apart.left) &&
         std::ranges::equal(
             apart.settings.row(0)["settings"].as<std::vector<std::optional<std::string>>>(),
             settings.values);
}

CallersStatements::Use PooledConnection::use_of(std::string_view sql,
                                                std::span<const ParameterView> values) {
  if (!prepares_ || backslash() != Backslash::plain) return {};
  const bool first = !generation_;
  const bool redefined = redefined_ && redefined_(first ? generation_.emplace() : *generation_);
  if (redefined && !first) statements_.prepare_anew();
  const MonotonicTime now = clock_.now();
  if ((redefined && !first) || now - looked_ >= CallersStatements::kAge) look_for_unseen();
  return prepares_ ? statements_.use(sql, values, now) : CallersStatements::Use{};
}

CallersStatements::Use PooledConnection::write_use_of(std::string_view sql,
                                                      std::span<const ParameterView> values) {
  CallersStatements::Use use = use_of(sql, values);
  if (!use.calls.empty() || (use.fills_in && domains_) || instead_) return {};
  return use;
}

// Once it does not, nothing is prepared any more.
bool PooledConnection::same_path(const ResultSet& answer) {
  const bool same = !answer.empty() && answer.row(0)["path"].view() == path_;
  prepares_ &= same;
  return same;
}

PooledConnection::Read PooledConnection::read_once(const SettingList& settings,
                                                   std::string_view sql,
                                                   std::span<const ParameterView> values,
                                                   const char* entering,
                                                   CallersStatements::Use& use) {
  // Whatever comes of it, a setting that nothing resets stays '' where it was null.
  const bool forgotten = forgets(settings.names);
  std::vector<std::string> dropped;
  while (auto name = statements_.take_dropped()) dropped.push_back(*std::move(name));
  const bool already = use.already;
  const auto note = [&] {
    if (use.already && !already) statements_.prepared(sql, settled_types());
  };
  Read read;
  try {
    const Around around{.leaving = "querymark_leave",
                        .settings = &settings,
                        .entering = entering,
                        .dropped = dropped};
    Apart apart = query_apart(sql, values, around, use);
    note();
    read.proved = proves(apart, settings);
    read.wrote = !apart.left.empty() && apart.left.row(0)["wrote"].as<bool>();
    read.same_path = same_path(apart.left);
    read.overloaded = !apart.left.empty() && apart.left.row(0)["overloaded"].as<bool>();
    read.rows = std::move(apart.rows);
    read.state = std::move(apart.snapshot);
  } catch (...) {  // its transaction goes, then rethrown
    note();
    statements_.keep_dropped(std::move(dropped));
    abandon();
    if (!forgotten) give_up();
    throw;
  }
  if (!read.proved || !forgotten) give_up();
  return read;
}

PooledConnection::Read PooledConnection::read(const SettingList& settings, std::string_view sql,
                                              std::span<const ParameterView> values,
                                              const char* entering) {
  CallersStatements::Use as_text;
  if (!settings.names.empty()) return read_once(settings, sql, values, entering, as_text);
  CallersStatements::Use use = use_of(sql, values);
  const CallersStatements::Use asked = use;
  const MonotonicTime began = clock_.now();
  try {
    Read read = read_once(settings, sql, values, entering, use);
    if (asked.name.empty() || (read.same_path && !read.overloaded)) {
      statements_.took(sql, asked, clock_.now() - began);
      return read;
    }
    statements_.keep_text(sql);
  } catch (const Error& failure) {
    if (!failed_by_name(asked, failure)) throw;
    statements_.forget(sql);
  }
  // If it has cost more than the statement, the connection is lost, and another one is to read.
  return read_once(settings, sql, values, entering, as_text);
}

PooledConnection::Read PooledConnection::read_standby(const SettingList& settings,
                                                      std::string_view sql,
                                                      std::span<const ParameterView> values) {
  return read(settings, sql, values, "querymark_state");
}

void PooledConnection::settle_standby() {
  run("prepare querymark_state as " + std::string(sql::standby_state));
}

std::string PooledConnection::set_locally(const SettingList& settings) {
  distrust_customs(settings.names);
  const OwnedParameter names = as_parameter(settings.names);
  const OwnedParameter values = as_parameter(settings.values);
  const std::array<ParameterView, 3> pins{names, values, as_parameter(true)};
  return with_literals(sql::pin_session, pins,
                       [this](ParameterView value) { return literal(value); });
}

ResultSet PooledConnection::begin_under(const SettingList& settings, Isolation isolation) {
  return begin_text(std::string(begin_of(isolation)) + "; " + set_locally(settings) + "; ");
}

void PooledConnection::begin_reading(const SettingList& settings) {
  std::string begin = "begin isolation level repeatable read read only";
  if (!settings.names.empty()) begin.append("; ").append(set_locally(settings));
  static_cast<void>(run(begin));
}

ResultSet PooledConnection::begin(Isolation isolation) {
  return begin_text(std::string(begin_of(isolation)) + "; ");
}

ResultSet PooledConnection::begin_text(const std::string& begin) {
  ahead_use_ = {};
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

bool PooledConnection::begin_with(Isolation isolation, std::span<const Sent> sent,
                                  std::string_view sql, std::span<const ParameterView> values,
                                  First& first) {
  ahead_use_ = {};
  const Part begin = beginning_of(isolation);
  const CallersStatements::Use use =
      sent.empty() ? write_use_of(sql, values) : CallersStatements::Use{};
  try {
    Connection::begin_with(begin, "querymark_begin", sent, sql, values, use, first);
    if (first.prepared) statements_.prepared(sql, settled_types());
    if (use.name.empty() || same_path(first.beginning)) return true;
  } catch (const Error& failure) {
    if (first.prepared) statements_.prepared(sql, settled_types());
    const bool outdated = first.begun ? failed_by_name(use, failure) : is_outdated(failure);
    if (!outdated || !open()) throw;
  }
  rollback();
  if (!first.begun) {
    prepared_ = false;
    return false;
  }
  // Nothing has come of it: as if it had never been prepared.
  statements_.forget(sql);
  first = {};
  Connection::begin_with(begin, "querymark_begin", sent, sql, values, {}, first);
  return true;
}

ResultSet PooledConnection::begin_ahead(Isolation isolation, std::span<const Sent> sent,
                                        const Append* append) {
  ahead_use_ = sent.size() == 1 ? write_use_of(sent[0].sql, views_of(sent[0].values))
                                : CallersStatements::Use{};
  std::vector<Part> behind;
  if (append != nullptr) behind.push_back(append_part(*append));
  ResultSet begun =
      Connection::begin_ahead(beginning_of(isolation), "querymark_begin", sent, ahead_use_, behind);
  if (ahead_use_.name.empty() || same_path(begun)) return begun;
  give_up();  // its statement is on its way
  throw Error(label() + ": the search path leads elsewhere", {.connection_lost = true});
}

bool PooledConnection::was_outdated(const Error& failure, std::span<const Sent> sent) {
  const bool was = failed_by_name(ahead_use_, failure) && open();
  if (was) statements_.forget(sent[0].sql);
  return was;
}

Part PooledConnection::append_part(const Append& append) {
  require_utf8(reported("client_encoding"));
  Part part = append.one ? named("querymark_append_one") : named("querymark_append");
  if (!prepared_)
    part = {.text = std::string(append.one ? sql::append_one.text : sql::append.text)};
  part.values.assign(append.values.begin(), append.values.end());
  return part;
}

void PooledConnection::check(const ResultSet& answer) noexcept {
  if (proxied()) return;  // the server session is given back to the proxy
  try {
    if (prepared_ && answer.row(0)["session"].view() == settled_) return;
  } catch (const std::exception&) {  // no row: not what it was
  }
  give_up();
}

std::optional<std::int64_t> PooledConnection::commit(const Append* append,
                                                     std::span<const Sent> sent) {
  std::vector<Part> parts;
  if (append != nullptr && !ahead()) parts.push_back(append_part(*append));
  parts.push_back(prepared_ ? named("querymark_commit") : Part{.text = "commit"});
  std::span<const Part> clearing;
  std::vector<Part> with_dropped;
  if (prepared_) {  // what has lost its prepared statements is closed instead of cleared
    parts.push_back(named("querymark_end"));
    clearing = clearing_;
    while (const auto dropped = statements_.take_dropped())
      with_dropped.push_back({.text = "deallocate " + *dropped});
    if (!with_dropped.empty()) {
      with_dropped.insert(with_dropped.end(), clearing_.begin(), clearing_.end());
      clearing = with_dropped;
    }
  }
  ResultSet ended;
  try {
    ended = run_commit(sent, parts, {clearing, settled_});
    if (prepared_ahead()) statements_.prepared(sent[0].sql, settled_types());
  } catch (const Error&) {
    if (prepared_ahead()) statements_.prepared(sent[0].sql, settled_types());
    if (!finished("COMMIT")) throw;
    give_up();  // the commit stands; only what came after it has failed
    return std::nullopt;
  }
  // The tag of a COMMIT that found its transaction failed is ROLLBACK.
  if (!finished("COMMIT"))
    throw Error("the server has rolled the transaction back instead of committing it");
  if (prepared_) return ended.row(0)["logged"].as<std::optional<std::int64_t>>();
  if (!proxied()) give_up();  // else the server session is given back to the proxy
  return std::nullopt;
}

void PooledConnection::abandon() noexcept {
  if (ahead()) give_up();
  if (!open()) return;
  try {
    std::vector<Part> parts{{.text = "rollback"}};
    if (prepared_) parts.insert(parts.end(), clearing_.begin(), clearing_.end());
    check(run_rollback(parts));
  } catch (const std::exception&) {
    give_up();  // the server rolls back when the connection closes
  }
}

}  // namespace querymark::postgres
