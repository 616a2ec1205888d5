#include "errors.hpp"

#include <pqxx/except>

namespace querymark::postgres {
namespace {

std::string_view advice(std::string_view state, std::string_view doing) {
  if (state == "28P01" || state == "28000") return "; check user and password (or ~/.pgpass)";
  if (state == "3D000") return "; the database does not exist";
  if (state == "42501") {
    // The worker's statements all bear this name; the message is in the server's language.
    if (doing.find("\"consumer") != std::string_view::npos)
      return "; grant querymark_worker to the worker's role";
    return "; an application's role needs querymark_subscriber to read and querymark_writer to "
           "write (grant them to it), and its rights on your own tables";
  }
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
    return "; if it belongs to querymark, run: querymark migrate";
  return "";
}

ErrorTraits traits_of(const std::string& state, bool connection_open) {
  const std::string_view kind = std::string_view(state).substr(0, 2);
  const bool transient = kind == "53" || kind == "40" || state == "55P03" || state == "57P03" ||
                         (!connection_open && kind == "08");
  return {.retryable = transient,
          .connection_lost = !connection_open,
          .outcome_unknown = false,
          .native_code = state};
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

void raise(std::string_view doing, const std::string& message, const std::string& state,
           bool connection_open) {
  const ErrorTraits traits = traits_of(state, connection_open);
  const std::string text = "cannot " + std::string(doing) + ": " + trimmed(message) +
                           (state.empty() ? "" : " (SQLSTATE " + state + ')') +
                           std::string(advice(state, doing));
  // Wrong SQL and wrong parameters are the caller's; nothing is gained by repeating.
  const bool wrong = state == "42601" || state == "42703" || state == "42P02" || state == "42P18" ||
                     state == "25006" || state == "08P01";
  if (wrong && connection_open) throw ConfigError(text, {.native_code = state});
  throw Error(text, traits);
}

void rethrow_current(std::string_view doing, bool connection_open) {
  // In libpqxx 6.4 serialization failures and deadlocks do not derive from sql_error; in 7 they do.
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const pqxx::serialization_failure& failure) {
    raise(doing, failure.what(), "40001", connection_open);
  } catch (const pqxx::deadlock_detected& failure) {
    raise(doing, failure.what(), "40P01", connection_open);
  } catch (const pqxx::statement_completion_unknown& failure) {
    raise(doing, failure.what(), "40003", connection_open);
  } catch (const pqxx::transaction_rollback& failure) {
    raise(doing, failure.what(), "40000", connection_open);
  } catch (const pqxx::too_many_connections& failure) {
    raise(doing, failure.what(), "53300", connection_open);
  } catch (const pqxx::sql_error& failure) {
    raise(doing, failure.what(), state_of(failure), connection_open);
  } catch (const pqxx::broken_connection& failure) {
    // Class 08 of what the server says, too, which leaves the connection standing. What 6.4 says
    // when it finds the connection gone in the middle of a statement helps nobody.
    const std::string text = failure.what();
    const bool vanished = text.find("Could not obtain client encoding") != std::string::npos;
    raise(doing, vanished ? "the connection was lost" : text, connection_open ? "08000" : "08006",
          connection_open);
  } catch (const std::exception& failure) {  // usage, conversion, and failures without a code
    raise(doing, failure.what(), "", connection_open);
  }
}

}  // namespace querymark::postgres
