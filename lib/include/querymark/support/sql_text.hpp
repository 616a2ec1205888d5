#pragma once  // For writers of ports.

#include <string>
#include <string_view>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"

namespace querymark {

/// `text` with one space for what is blank between two words. No more of it than tells that it is longer
/// than `longest` bytes.
template <class IsBlank>
[[nodiscard]] std::string one_line(std::string_view text, std::size_t longest, IsBlank is_blank) {
  std::string line;
  bool between = false;
  for (const char c : text) {
    if (line.size() > longest) break;
    if (is_blank(c)) {
      between = !line.empty();
      continue;
    }
    if (std::exchange(between, false)) line += ' ';
    line += c;
  }
  return line;
}

/// SQL as it stands in messages: on one line, at most a few hundred bytes. Bound values are no part
/// of it.
[[nodiscard]] inline std::string shown_sql(std::string_view sql) {
  constexpr std::size_t kLongest = 300;
  const auto is_blank = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7F'; };
  return excerpt(one_line(sql, kLongest, is_blank), kLongest);
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
