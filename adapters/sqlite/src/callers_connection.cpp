#include "callers_connection.hpp"

#include <sqlite3.h>

#include <algorithm>

#include "connection.hpp"
#include "errors.hpp"
#include "querymark/support/ascii.hpp"
#include "schema.hpp"

namespace querymark::sqlite {

void require_same_file(SQLite::Database& connection, const std::string& path) {
  sqlite3* const raw = connection.getHandle();
  const char* name = sqlite3_db_filename(raw, "main");
  const auto theirs = name != nullptr ? identity_of(name) : std::nullopt;
  // By its name the connection is where `path` leads; by its open file it may be elsewhere.
  if (!theirs || theirs != identity_of(path) || has_moved(raw))
    throw ConfigError("the connection is not to " + path +
                      ", or to a file that was there before: open it anew");
  // 0 is main, 1 is temp; whatever follows was attached.
  if (sqlite3_db_name(raw, 2) != nullptr)
    throw ConfigError(
        "the connection has attached files: a commit over several WAL files is not atomic, so "
        "intents could be lost, and what is read from them can't be invalidated; detach them, or "
        "use a connection of its own");
}

void require_query(std::string_view sql) {
  constexpr std::string_view kQueries[] = {"select", "values", "with", "explain"};
  const std::string_view word = first_word(sql);
  if (std::ranges::any_of(kQueries, [&](std::string_view one) { return ascii::equal(word, one); }))
    return;
  if (word.empty()) return;  // preparing it tells what is wrong
  throw ConfigError(
      "a cached query must only read; run what changes the connection on the "
      "connection itself. Refused: " +
      shortened(sql));
}

bool has_own_view(SQLite::Database& connection) noexcept {
  sqlite3* const raw = connection.getHandle();
  const char* name = sqlite3_db_filename(raw, "main");
  if (name != nullptr && (sqlite3_uri_boolean(name, "immutable", 0) != 0 ||
                          sqlite3_uri_boolean(name, "nolock", 0) != 0))
    return true;
  // Without a temporary database there is nothing that could be asked.
  unsigned version = 0;
  if (sqlite3_file_control(raw, "temp", SQLITE_FCNTL_DATA_VERSION, &version) != SQLITE_OK)
    return false;
  try {
    PreparedStatement any = prepare_checked(connection, statements().get("temporary_objects"));
    const ResultSet found = run_query(any, {});
    return found.row(0)[0].as<int>() != 0;
  } catch (const std::exception&) {  // it can't be asked, so it can't be trusted
    return true;
  }
}

bool has_own_settings(SQLite::Database& connection) {
  PreparedStatement look = prepare_checked(connection, statements().get("callers_settings"));
  const ResultSet found = run_query(look, {});
  return found.row(0)[0].as<int>() != 0;
}

bool has_unfinished_statement(SQLite::Database& connection) noexcept {
  sqlite3* const raw = connection.getHandle();
  for (sqlite3_stmt* at = sqlite3_next_stmt(raw, nullptr); at != nullptr;
       at = sqlite3_next_stmt(raw, at))
    if (sqlite3_stmt_busy(at) != 0) return true;
  return false;
}

}  // namespace querymark::sqlite
