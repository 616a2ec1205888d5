#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace catalogue {

/// Runs SQL and commits it. Throws the exceptions of the database's client library,
/// std::runtime_error.
using Session = std::function<void(const std::string& sql)>;

/// A session that has never heard of querymark, as the commands sqlite3 and psql have it. `url` is
/// `sqlite:PATH`, or `postgresql://…` where PostgreSQL was built in.
[[nodiscard]] Session stranger_session(const std::string& url);

/// A literal of SQL.
[[nodiscard]] std::string sql_literal(std::string_view text);

}  // namespace catalogue
