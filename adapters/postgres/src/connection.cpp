#include "connection.hpp"

#include <fcntl.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>

#include "connecting.hpp"
#include "connection_talk.hpp"
#include "errors.hpp"
#include "lasting_text.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/sql_text.hpp"
#include "session.hpp"
#include "statement_text.hpp"
#include "values.hpp"

// libpq itself, not libpqxx: that tells errors apart by class and text only, can't say whether a
// transaction stands, and its statics die before a connection that a global owns.

namespace querymark::postgres {

Connection::Connection(const std::string& url, const Settings& settings)
    : url_(parse_url(url, settings.connect_timeout)), settings_(settings) {
  Connected made = connect(url_.keywords);
  native_ = std::move(made.connection);
  if (PQstatus(native_.get()) != CONNECTION_OK)
    raise("connect to " + url_.label,
          {.message = url_.scrub(std::move(made.refusal)),
           .state = made.state.empty() ? "08006" : std::move(made.state)},
          false);
  pipeline_ = Pipeline(native_.get());
  pid_ = PQbackendPID(native_.get());
  cancel_ = {PQgetCancel(native_.get()), FreeCancel{}};
  socket_ = std::make_unique<Descriptor>(::fcntl(PQsocket(native_.get()), F_DUPFD_CLOEXEC, 0));
  const ResultSet backend = query(sql::backend);
  proxied_ = backend.row(0)["pid"].as<int>() != pid_;
}

void require_utf8(std::string_view client_encoding) {
  if (client_encoding != "UTF8")
    throw ConfigError("intents travel as UTF-8, and the transaction's client_encoding is " +
                      std::string(client_encoding) + "; leave it at UTF8");
}

int Connection::socket() const noexcept { return PQsocket(native_.get()); }

bool Connection::open() const noexcept {
  return !lost_ && PQstatus(native_.get()) == CONNECTION_OK;
}

Connection::Standing Connection::standing() const noexcept {
  if (open() && pipeline_.late()) return Standing::none;
  switch (PQtransactionStatus(native_.get())) {
    case PQTRANS_IDLE:
      return Standing::none;
    case PQTRANS_INTRANS:
      return Standing::open;
    case PQTRANS_INERROR:
      return Standing::failed;
    default:
      return Standing::lost;
  }
}

bool Connection::usable() noexcept {
  if (!open() || standing() != Standing::none) return false;
  if (pipeline_.late()) return true;  // nothing else is asked on it before they are taken
  pollfd state{socket(), POLLIN, 0};
  for (;;) {
    const int ready = ::poll(&state, 1, 0);
    if (ready >= 0 || errno != EINTR) return ready == 0;
  }
}

std::string_view Connection::reported(const char* setting) const noexcept {
  const char* value = PQparameterStatus(native_.get(), setting);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::string Connection::startup_options() const {
  struct Free {
    void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
  };
  const std::unique_ptr<PQconninfoOption, Free> all(PQconninfo(native_.get()));
  for (const PQconninfoOption* option = all.get(); option && option->keyword; ++option)
    if (std::string_view(option->keyword) == "options" && option->val) return option->val;
  return {};
}

std::string Connection::what(const Call& call) const {
  const std::string doing =
      call.sql.empty() ? std::string(call.doing) : "run " + quoted_sql(call.sql);
  return doing + " on " + url_.label;
}

void Connection::fail(const Call& call, const PGresult* result) {
  Complaint complaint = result != nullptr
                            ? complaint_of(result)
                            : Complaint{.message = unproved_ ? "its session is not what it was"
                                                             : PQerrorMessage(native_.get())};
  if (complaint.state == "08P01" && !call.sql.empty())
    require_parameters(call.sql, backslash(), call.given);
  if (complaint.state == "42601" && call.given > 0 && has_question_marks(call.sql, backslash()))
    complaint.message += "; parameters are $1, $2 and so on, where others have ?";
  if (complaint.state.empty() && !open()) complaint.state = "08006";
  complaint.message = url_.scrub(complaint.message);
  const std::string_view own = call.own != nullptr ? call.own : "";
  constexpr std::array kWorkers{"consumer", "deliver", "inspect", "prune", "record", "horizon"};
  const bool workers =
      std::ranges::any_of(kWorkers, [&](const char* some) { return own.starts_with(some); });
  const bool callers = !call.sql.empty() && call.sql.find("querymark.") == std::string_view::npos;
  raise(what(call), std::move(complaint), open(),
        workers   ? Whose::workers
        : callers ? Whose::callers
                  : Whose::ours);
}

ResultHandle Connection::ask_bound(std::string_view doing, std::string_view sql,
                                   std::span<const ParameterView> values) {
  const Bound bound(values);
  const std::string text(sql);
  return ask(callers_call(doing, text, values.size()),
             [&](PGconn* native) { return send_bound(native, text.c_str(), bound); });
}

ResultSet Connection::query(std::string_view sql, std::span<const ParameterView> values) {
  return named_rows(ask_bound("run a query", sql, values).get());
}

// One round trip more when a type is seen for the first time. The call's own tags stay.
ResultSet Connection::named_rows(const PGresult* result) {
  if (const auto unknown = unknown_types(result, type_names_); !unknown.empty()) {
    std::vector<std::string> tags = pipeline_.tags();
    const OwnedParameter oids = as_oids(unknown);
    const ParameterView value = oids;
    learn_types(
        type_names_,
        rows_of(ask_bound("look up the names of types", sql::type_names, {&value, 1}).get()));
    pipeline_.set_tags(std::move(tags));
  }
  return rows_of(result, type_names_);
}

std::int64_t Connection::execute(std::string_view sql, std::span<const ParameterView> values) {
  return affected(ask_bound("run a statement", sql, values).get());
}

Connection::Call Connection::callers_call(std::string_view doing, std::string_view sql,
                                          std::size_t given) const {
  return {.doing = doing, .timeout = settings_.statement_timeout, .sql = sql, .given = given};
}

// All steps in one round trip.
bool Connection::pipeline(std::span<const Step> steps, std::span<ResultHandle> results,
                          ResultHandle& failed) {
  const bool in_step = pipeline_.run(steps, results, failed);
  if (!in_step) lost_ = true;
  return in_step;
}

// Takes so many answers that run_commit() has left, if any. False: the connection must not be used.
bool Connection::take_late(std::size_t answers) {
  if (answers == 0) return true;
  std::vector<ResultHandle> results(answers);
  ResultHandle failed;
  pipeline_.take(results, failed);
  bool as_expected = pipeline_.finish() && !failed && results.back();
  if (as_expected) {
    const ResultSet last = rows_of(results.back().get());
    as_expected = !last.empty() && last.row(0)["session"].view() == late_session_;
  }
  if (!as_expected) {
    lost_ = true;
    unproved_ = true;
  }
  return as_expected;
}

void Connection::settle_late() {
  const Call call{
      .doing = "clear the session", .timeout = settings_.statement_timeout, .behind_late = true};
  guarded(call, [&](auto&& ended) {
    const bool proved = take_late(pipeline_.owed());
    ended();
    if (!proved) fail(call, nullptr);
  });
}

Connection::Apart Connection::query_apart(std::string_view sql,
                                          std::span<const ParameterView> values,
                                          const Around& around, Prepared& statement) {
  const Bound bound(values);
  const std::string text(sql);
  const Call call = callers_call("run a query", text, values.size());
  const bool under = around.settings != nullptr && !around.settings->names.empty();
  OwnedParameter names;
  OwnedParameter set_to;
  if (under) {
    names = as_parameter(around.settings->names);
    set_to = as_parameter(around.settings->values);
  }
  const std::array<ParameterView, 3> pins{names, set_to, as_parameter(true)};
  const Bound bound_pins(pins);
  const Bound bound_names{std::span<const ParameterView>(pins).first(1)};
  const std::string pin(sql::pin_session.text);
  const std::string look(sql::settings_now.text);
  std::array<ParameterView, LastingText::kMostCalls> calls;
  calls.fill(ParameterView::text(""));
  for (std::size_t i = 0; i < calls.size() && i < statement.calls.size(); ++i)
    calls[i] = ParameterView::text(statement.calls[i]);
  const Bound bound_calls(calls);
  const Step leave{.text = around.leaving, .bound = &bound_calls, .prepared = true};
  std::vector<Step> steps;
  steps.reserve(11 + around.dropped.size());
  const auto add = [&](Step step) {
    steps.push_back(step);
    return steps.size() - 1;
  };
  add({.text = around.entering == nullptr ? "begin isolation level read committed read only"
                                          : "begin isolation level repeatable read read only"});
  const std::size_t snapshot =
      around.entering == nullptr ? 0 : add({.text = around.entering, .prepared = true});
  const std::size_t fresh = under ? add(leave) : 0;
  if (under) add({.text = pin.c_str(), .bound = &bound_pins});
  const std::size_t set = under ? add(leave) : 0;
  add_steps(steps, text.c_str(), bound, statement);
  const std::size_t rows = steps.size() - 1;
  const std::size_t settings = under ? add({.text = look.c_str(), .bound = &bound_names}) : 0;
  const std::size_t left = add(leave);
  const std::size_t end = add({.text = "rollback"});
  std::vector<std::string> drops;
  drops.reserve(around.dropped.size());
  for (const std::string& name : around.dropped)
    add({.text = drops.emplace_back("deallocate " + name).c_str()});

  std::vector<ResultHandle> results(steps.size());
  Apart apart;
  guarded(call, [&](auto&& ended) {
    ResultHandle failed;
    const bool in_step = pipeline(steps, results, failed);
    ended();
    if (!statement.name.empty() && !statement.already && in_step) {
      statement.already = results[rows - 1] != nullptr;
      settled_types_ = parameter_types(results[rows - 1].get());
    }
    if (!in_step || !results[rows]) fail(call, failed.get());
    // Without its end the rows are good, but nobody knows what their session is.
    if (!results[end]) lost_ = true;
  });
  const auto answer = [&](std::size_t at) {  // the first is that to BEGIN
    return at > 0 && results[at] ? rows_of(results[at].get()) : ResultSet();
  };
  apart.left = answer(left);
  apart.snapshot = answer(snapshot);
  apart.fresh = answer(fresh);
  apart.set = answer(set);
  apart.settings = answer(settings);
  apart.rows = open() ? named_rows(results[rows].get()) : rows_of(results[rows].get(), type_names_);
  return apart;
}

void Connection::prepare(std::span<const Text> statements) {
  Call call{"prepare statements", settings_.statement_timeout};
  if (statements.size() == 1) call.sql = statements[0].text;  // failures name it
  std::vector<Step> steps;
  for (const Text& statement : statements)
    steps.push_back({.text = statement.text.c_str(), .prepare_as = statement.name.c_str()});
  std::vector<ResultHandle> results(steps.size());
  guarded(call, [&](auto&& ended) {
    ResultHandle failed;
    const bool in_step = pipeline(steps, results, failed);
    ended();
    if (!in_step || failed) fail(call, failed.get());
  });
}

ResultSet Connection::run(const std::string& text, std::chrono::milliseconds timeout) {
  const std::string doing = "run \"" + std::string(beginning(text, 40)) + '"';
  return rows_of(ask({doing, timeout}, [&](PGconn* native) {
                   return PQsendQuery(native, text.c_str());
                 }).get());
}

bool Connection::finished(std::string_view tag) const noexcept {
  return std::ranges::find(tags(), tag) != tags().end();
}

void Connection::rollback() noexcept {
  try {
    if (!open() || standing() == Standing::none) return;
    ask({"roll back", kRollbackPatience},
        [&](PGconn* native) { return PQsendQuery(native, "rollback"); });
  } catch (const std::exception&) {
    lost_ = true;  // the server rolls back when the connection closes
  }
}

Backslash Connection::backslash() {
  return reported("standard_conforming_strings") == "off" ? Backslash::escapes : Backslash::plain;
}

std::string Connection::literal(ParameterView value) {
  const auto text = text_of(value);
  if (!text) return "NULL";
  require_utf8(reported("client_encoding"));
  struct Free {
    void operator()(char* memory) const noexcept { PQfreemem(memory); }
  };
  const std::unique_ptr<char, Free> quoted(
      PQescapeLiteral(native_.get(), text->data(), text->size()));
  if (!quoted) fail({"quote a value", {}}, nullptr);
  return quoted.get();
}

}  // namespace querymark::postgres
