#pragma once  // For writers of ports.

#include <string>
#include <string_view>

#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"

namespace querymark {

/// SQL as it stands in messages: on one line, at most a few hundred bytes. Bound values are no part
/// of it.
[[nodiscard]] inline std::string shown_sql(std::string_view sql) {
  constexpr std::size_t kLongest = 300;
  std::string line;
  for (const char c : sql) {
    if (line.size() > kLongest) break;
    const bool blank = static_cast<unsigned char>(c) <= ' ' || c == '\x7F';
    if (!blank)
      line += c;
    else if (!line.empty() && line.back() != ' ')
      line += ' ';
  }
  if (line.ends_with(' ') && line.size() <= kLongest) line.pop_back();
  return excerpt(line, kLongest);
}
/// The same in quotes.
[[nodiscard]] inline std::string quoted_sql(std::string_view sql) {
  return '"' + shown_sql(sql) + '"';
}

/// Throws ConfigError for SQL with a NUL in it. Client libraries take SQL as C strings: they would
/// run what stands before the NUL, such as a DELETE without its WHERE.
inline void require_no_nul(std::string_view sql) {
  if (const std::size_t at = sql.find('\0'); at != std::string_view::npos)
    throw ConfigError("the SQL text holds a NUL at byte " + std::to_string(at) +
                      "; bind such a value as a parameter: " + shown_sql(sql.substr(0, at)));
}

}  // namespace querymark
