#include "callers_connection.hpp"

#include <sqlite3.h>

#include <algorithm>

#include "connection.hpp"
#include "errors.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/sql_text.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

// Also yes when the question can't be asked: then nothing is proved.
bool says_yes(SQLite::Database& connection, const SqlStatement& question) noexcept {
  try {
    PreparedStatement prepared = prepare_checked(connection, question);
    const ResultSet answer = run_query(prepared, {});
    return answer.row(0)[0].as<bool>();
  } catch (const std::exception&) {
    return true;
  }
}

}  // namespace

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
      shown_sql(sql));
}

bool has_own_view(SQLite::Database& connection) noexcept {
  sqlite3* const raw = connection.getHandle();
  const char* name = sqlite3_db_filename(raw, "main");
  if (name != nullptr && (sqlite3_uri_boolean(name, "immutable", 0) != 0 ||
                          sqlite3_uri_boolean(name, "nolock", 0) != 0))
    return true;
  // Without a temporary database there is nothing that could be asked.
  unsigned version = 0;
  return sqlite3_file_control(raw, "temp", SQLITE_FCNTL_DATA_VERSION, &version) == SQLITE_OK &&
         says_yes(connection, sql::temporary_objects);
}

bool has_own_settings(SQLite::Database& connection) noexcept {
  return says_yes(connection, sql::callers_settings);
}

bool has_unfinished_statement(SQLite::Database& connection) noexcept {
  sqlite3* const raw = connection.getHandle();
  for (sqlite3_stmt* at = sqlite3_next_stmt(raw, nullptr); at != nullptr;
       at = sqlite3_next_stmt(raw, at))
    if (sqlite3_stmt_busy(at) != 0) return true;
  return false;
}

}  // namespace querymark::sqlite
