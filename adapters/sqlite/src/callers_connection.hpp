#pragma once

#include <SQLiteCpp/Database.h>

#include <string>
#include <string_view>

// What must be proved of a connection that is a caller's, each time that it is used: it can have
// been changed in any way since the last time, and no authorizer of ours may be set on it.

namespace querymark::sqlite {

/// Throws ConfigError unless the connection is open on the file that `path` leads to now, and on no
/// other.
void require_same_file(SQLite::Database& connection, const std::string& path);
/// Throws ConfigError for all but a query (SELECT, VALUES, WITH) and EXPLAIN.
void require_query(std::string_view sql);
/// The connection may answer otherwise than one of our own would: it has temporary objects, or was
/// told to take the file as unchangeable. Microseconds.
[[nodiscard]] bool has_own_view(SQLite::Database& connection) noexcept;
/// The same with what takes a statement to find out: settings that change what SQL means.
[[nodiscard]] bool has_own_settings(SQLite::Database& connection) noexcept;
/// A statement that is not finished pins its snapshot.
[[nodiscard]] bool has_unfinished_statement(SQLite::Database& connection) noexcept;

}  // namespace querymark::sqlite
