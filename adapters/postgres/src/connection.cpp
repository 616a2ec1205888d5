#include "connection.hpp"

#include <fcntl.h>
#include <poll.h>

#include <pqxx/nontransaction>
#include <pqxx/version>

#include "errors.hpp"
#include "values.hpp"
#include "watchdog.hpp"

namespace querymark::postgres {
namespace {

// libpqxx 6 would reconnect silently when a statement finds the connection closed: to whatever
// server answers then, in whatever epoch, with none of the session's pins.
void forbid_reconnect([[maybe_unused]] pqxx::connection& connection) {
#if PQXX_VERSION_MAJOR < 7
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
  connection.inhibit_reactivation(true);
#pragma GCC diagnostic pop
#endif
}

}  // namespace

template <class Action>
auto Connection::guarded(std::string_view doing, std::chrono::milliseconds timeout,
                         Action&& action) {
  Watchdog::Guard guard(Watchdog::instance(), socket_->get(), timeout);
  try {
    return action();
  } catch (...) {  // all of libpqxx's kinds; rethrown as one of ours
    const bool timed_out = guard.end();
    const std::string what = std::string(doing) + " on " + url_.label;
    if (timed_out)
      throw Error("cannot " + what + ": the server did not answer within " +
                      std::to_string(timeout.count()) + " ms",
                  {.retryable = true, .connection_lost = true, .native_code = "timeout"});
    rethrow_current(what, open());
  }
}

Connection::Connection(const std::string& url, const Settings& settings)
    : url_(parse_url(url, settings.connect_timeout)), settings_(settings) {
  try {
    native_ = std::make_unique<pqxx::connection>(url_.keywords);
  } catch (const std::exception& failure) {
    const std::string text = url_.scrub(failure.what());
    try {
      throw pqxx::broken_connection(text);
    } catch (...) {  // translated like every other
      rethrow_current("connect to " + url_.label, false);
    }
  }
  forbid_reconnect(*native_);
  quiet_ = std::make_unique<pqxx::quiet_errorhandler>(*native_);
  pid_ = native_->backendpid();
  socket_ = std::make_unique<Descriptor>(::fcntl(native_->sock(), F_DUPFD_CLOEXEC, 0));
  const ResultSet backend = query(statement("backend"));
  proxied_ = backend.row(0)[0].as<int>() != pid_;
}

void require_utf8(const std::string& client_encoding) {
  if (client_encoding != "UTF8")
    throw ConfigError("intents travel as UTF-8, and the transaction's client_encoding is " +
                      client_encoding + "; leave it at UTF8");
}

int Connection::socket() const noexcept { return native_->sock(); }

bool Connection::open() const noexcept { return !lost_ && native_->is_open(); }

bool Connection::usable() noexcept {
  if (!open()) return false;
  pollfd state{native_->sock(), POLLIN, 0};
  return ::poll(&state, 1, 0) == 0;
}

ResultSet Connection::query(std::string_view sql, std::span<const ParameterView> values) {
  return guarded("run a query", settings_.statement_timeout, [&] {
    pqxx::nontransaction plain(*native_);
    return rows_of(exec_bound(plain, sql, values));
  });
}

std::int64_t Connection::execute(std::string_view sql, std::span<const ParameterView> values) {
  return guarded("run a statement", settings_.statement_timeout, [&] {
    pqxx::nontransaction plain(*native_);
    return static_cast<std::int64_t>(exec_bound(plain, sql, values).affected_rows());
  });
}

pqxx::result Connection::run_named(std::string_view name, std::span<const ParameterView> values) {
  const std::string text(name);
  try {
    return guarded("run \"" + text + '"', settings_.statement_timeout, [&] {
      if (!prepared_.contains(name)) {
        native_->prepare(text, statement(name));
        prepared_.insert(text);
      }
      pqxx::nontransaction plain(*native_);
      return exec_prepared(plain, text, values);
    });
  } catch (const Error& failure) {
    // Another session than the one that prepared it, or another schema: only a new connection
    // helps.
    const std::string& state = failure.native_code();
    if (state == "26000" || state == "42P05" || state == "0A000") lost_ = true;
    throw;
  }
}

ResultSet Connection::query_named(std::string_view name,
                                  std::initializer_list<ParameterView> values) {
  return rows_of(run_named(name, {values.begin(), values.size()}));
}

std::int64_t Connection::execute_named(std::string_view name,
                                       std::initializer_list<ParameterView> values) {
  return static_cast<std::int64_t>(
      run_named(name, {values.begin(), values.size()}).affected_rows());
}

ResultSet Connection::run(const std::string& text) {
  return guarded("run \"" + text.substr(0, 40) + '"', settings_.statement_timeout, [&] {
    pqxx::nontransaction plain(*native_);
    return rows_of(plain.exec(text));
  });
}

void Connection::prepare_writes() {
  try {
    static_cast<void>(run("prepare querymark_begin as " + statement("begin_write") +
                          "; prepare querymark_append as " + statement("append")));
    writes_prepared_ = true;
  } catch (const Error& failure) {
    if (failure.connection_lost()) throw;
  }
}

void Connection::rollback() noexcept {
  constexpr std::chrono::milliseconds kPatience{2000};
  try {
    if (!open()) return;
    guarded("roll back", kPatience, [&] {
      pqxx::nontransaction plain(*native_);
      plain.exec("rollback");
      return 0;
    });
  } catch (const std::exception&) {
    lost_ = true;  // the server rolls back when the connection closes
  }
}

Backslash Connection::backslash() {
  return translated("use " + url_.label, [&] { return backslash_of(*native_); });
}

std::string Connection::literal(ParameterView value) {
  const auto text = text_of(value);
  if (!text) return "NULL";
  return translated("quote a value for " + url_.label, [&] {
    require_utf8(native_->get_client_encoding());
    return native_->quote(*text);
  });
}

void Connection::take_notifications() {
  guarded("listen", settings_.statement_timeout, [&] { return native_->get_notifs(); });
}

}  // namespace querymark::postgres
