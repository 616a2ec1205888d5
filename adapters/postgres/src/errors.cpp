#include "errors.hpp"

#include <pqxx/except>
#include <utility>

namespace querymark::postgres {
namespace {

// Names are the same in the server's every language.
bool names_querymark(std::string_view message) noexcept {
  return message.find("querymark") != std::string_view::npos;
}

std::string_view advice_on_rights(std::string_view message, Whose whose) {
  if (whose == Whose::workers)
    return "; the worker and operators need querymark_worker: grant it to the role";
  if (whose == Whose::ours || names_querymark(message))
    return "; an application's role needs querymark_subscriber to read and querymark_writer to "
           "write (grant them to it), and its rights on your own tables";
  return "; grant the role its rights on your own tables and functions";
}

// A proxy says in words, which are never translated, what it has no code for.
std::string_view advice_on_proxy(std::string_view message) {
  const auto says = [&](std::string_view what) { return message.find(what) != message.npos; };
  if (says("query_wait_timeout"))
    return "; the pooling proxy had no server session to lend for that long: give it a larger pool "
           "(default_pool_size), or lower the pool's `connections`";
  if (says("max_client_conn"))
    return "; lower the pool's `connections`, or raise the proxy's max_client_conn";
  if (says("statement pooling mode"))
    return "; loads and writes are transactions: pool_mode must be transaction or session";
  return "";
}

std::string_view advice(std::string_view state, std::string_view message, Whose whose) {
  if (const auto found = advice_on_proxy(message); !found.empty()) return found;
  if (state == "28P01" || state == "28000") return "; check user and password (or ~/.pgpass)";
  if (state == "3D000") return "; the database does not exist";
  if (state == "42501") return advice_on_rights(message, whose);
  if (state == "25006")
    return "; the transaction only reads: write through write(), and on a primary "
           "(target_session_attrs=read-write in the URL)";
  if (state == "53300") return "; lower the pool's `connections`, or raise max_connections";
  if (state == "57P03") return "; the server is starting or stopping: try again";
  if (state == "26000" || state == "42P05")
    return "; prepared statements need a server session of their own: where the URL leads to a "
           "pooling proxy, name the server itself in direct_url";
  if (state == "40001" || state == "40P01") return "; repeat the transaction";
  if (state == "42P01" || state == "3F000" || state == "42883")
    return names_querymark(message) ? "; run: querymark migrate" : "";
  if (state == "23505")
    return "; such a row is there already: \"insert ... on conflict\" says what to do then";
  if (state == "23503") return "; the row that is referred to must be there first, and go last";
  return "";
}

ViolatedConstraint::Kind kind_of(std::string_view state) noexcept {
  using Kind = ViolatedConstraint::Kind;
  if (state == "23505") return Kind::unique;
  if (state == "23503" || state == "23001") return Kind::foreign_key;
  if (state == "23502") return Kind::not_null;
  if (state == "23514") return Kind::check;
  if (state == "23P01") return Kind::exclusion;
  return Kind::other;
}

// Of these two classes (data, constraints) the server's details show rows and parameters.
bool shows_values(std::string_view state) noexcept {
  return state.starts_with("22") || state.starts_with("23");
}

// The server has ended the session: it stops, has restarted after a crash, or was told to, or nobody used it for long.
bool is_ended(std::string_view state) noexcept {
  return state == "57P01" || state == "57P02" || state == "57P05";
}

ErrorTraits traits_of(const std::string& state, bool connection_open) {
  const std::string_view kind = std::string_view(state).substr(0, 2);
  const bool transient = kind == "53" || kind == "40" || state == "55P03" || state == "57P03" ||
                         (!connection_open && (kind == "08" || is_ended(state)));
  return {.retryable = transient,
          .connection_lost = !connection_open,
          .outcome_unknown = false,
          .native_code = state};
}

std::string field(const PGresult* result, int code) {
  const char* text = PQresultErrorField(result, code);
  return text == nullptr ? std::string() : std::string(text);
}

// What libpqxx keeps is the text that libpq made for people: "ERROR:  what is wrong" (the first
// word in the server's language) and, on lines of their own, details.
std::string_view without_values(std::string_view text, std::string_view state) noexcept {
  constexpr std::string_view kAfterSeverity = ":  ";
  if (shows_values(state)) text = text.substr(0, text.find('\n'));
  const std::size_t begin = text.find(kAfterSeverity);
  if (!state.empty() && begin < text.find(' ')) text.remove_prefix(begin + kAfterSeverity.size());
  return text;
}

// libpq ends its messages with a newline.
std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

// libpqxx 6.4 leaves the code out of some of its own classes.
std::string state_of(const pqxx::sql_error& failure) {
  std::string state = failure.sqlstate();
  if (!state.empty()) return state;
  if (dynamic_cast<const pqxx::insufficient_privilege*>(&failure) != nullptr) return "42501";
  if (dynamic_cast<const pqxx::undefined_column*>(&failure) != nullptr) return "42703";
  if (dynamic_cast<const pqxx::undefined_function*>(&failure) != nullptr) return "42883";
  if (dynamic_cast<const pqxx::undefined_table*>(&failure) != nullptr) return "42P01";
  if (dynamic_cast<const pqxx::syntax_error*>(&failure) != nullptr) return "42601";
  if (dynamic_cast<const pqxx::disk_full*>(&failure) != nullptr) return "53100";
  if (dynamic_cast<const pqxx::out_of_memory*>(&failure) != nullptr) return "53200";
  if (dynamic_cast<const pqxx::insufficient_resources*>(&failure) != nullptr) return "53000";
  return state;
}

}  // namespace

Complaint complaint_of(const PGresult* result) {
  Complaint complaint{.message = field(result, PG_DIAG_MESSAGE_PRIMARY),
                      .state = field(result, PG_DIAG_SQLSTATE)};
  if (complaint.message.empty()) complaint.message = PQresultErrorMessage(result);  // libpq's own
  std::string detail = field(result, PG_DIAG_MESSAGE_DETAIL);
  if (!shows_values(complaint.state) && !detail.empty())
    complaint.message += "; " + std::exchange(detail, {});
  if (const std::string hint = field(result, PG_DIAG_MESSAGE_HINT); !hint.empty())
    complaint.message += "; " + hint;
  complaint.violated = {.name = field(result, PG_DIAG_CONSTRAINT_NAME),
                        .table = field(result, PG_DIAG_TABLE_NAME),
                        .schema = field(result, PG_DIAG_SCHEMA_NAME),
                        .detail = std::move(detail)};
  if (std::string column = field(result, PG_DIAG_COLUMN_NAME); !column.empty())
    complaint.violated.columns.push_back(std::move(column));
  return complaint;
}

void raise(std::string_view doing, Complaint complaint, bool connection_open, Whose whose) {
  const std::string& state = complaint.state;
  const ErrorTraits traits = traits_of(state, connection_open);
  const std::string message = trimmed(std::move(complaint.message));
  const std::string text = "cannot " + std::string(doing) + ": " + message +
                           (state.empty() ? "" : " (SQLSTATE " + state + ')') +
                           std::string(advice(state, message, whose));
  if (state.starts_with("23")) {
    complaint.violated.kind = kind_of(state);
    throw ConstraintViolation(text, traits, std::move(complaint.violated));
  }
  // Wrong SQL and wrong parameters are the caller's; nothing is gained by repeating.
  const bool wrong = state == "42601" || state == "42703" || state == "42P02" || state == "42P18" ||
                     state == "25006" || state == "08P01";
  if (wrong && connection_open) throw ConfigError(text, {.native_code = state});
  throw Error(text, traits);
}

namespace {

struct On {
  std::string_view doing;
  bool connection_open;
  Whose whose;
};

[[noreturn]] void fail(const On& on, std::string_view text, const std::string& state) {
  raise(on.doing, {.message = std::string(without_values(text, state)), .state = state},
        on.connection_open, on.whose);
}

}  // namespace

void rethrow_current(std::string_view doing, bool connection_open, Whose whose) {
  const On on{doing, connection_open, whose};
  // In libpqxx 6.4 serialization failures and deadlocks do not derive from sql_error; in 7 they do.
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const pqxx::serialization_failure& failure) {
    fail(on, failure.what(), "40001");
  } catch (const pqxx::deadlock_detected& failure) {
    fail(on, failure.what(), "40P01");
  } catch (const pqxx::statement_completion_unknown& failure) {
    fail(on, failure.what(), "40003");
  } catch (const pqxx::transaction_rollback& failure) {
    fail(on, failure.what(), "40000");
  } catch (const pqxx::too_many_connections& failure) {
    fail(on, failure.what(), "53300");
  } catch (const pqxx::sql_error& failure) {
    fail(on, failure.what(), state_of(failure));
  } catch (const pqxx::broken_connection& failure) {
    // Class 08 of what the server says, too, which leaves the connection standing. What 6.4 says
    // when it finds the connection gone in the middle of a statement helps nobody.
    const std::string text = failure.what();
    const bool vanished = text.find("Could not obtain client encoding") != std::string::npos;
    fail(on, vanished ? "the connection was lost" : text, connection_open ? "08000" : "08006");
  } catch (const std::exception& failure) {  // usage, conversion, and failures without a code
    fail(on, failure.what(), "");
  }
}

}  // namespace querymark::postgres
