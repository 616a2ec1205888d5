#include "statement_text.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include "querymark/support/error.hpp"

namespace querymark::postgres {
namespace {

bool is_word(char c) noexcept {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// Skips white space, comments (which nest) and, for the first word, parentheses.
std::size_t skip_blank(std::string_view sql, std::size_t at, bool parentheses) {
  while (at < sql.size()) {
    const std::string_view rest = sql.substr(at);
    if (std::isspace(static_cast<unsigned char>(sql[at])) != 0 || (parentheses && sql[at] == '(')) {
      ++at;
    } else if (rest.starts_with("--")) {
      at = std::min(sql.find('\n', at), sql.size());
    } else if (rest.starts_with("/*")) {
      int depth = 0;
      do {
        const std::string_view inside = sql.substr(at);
        if (inside.starts_with("/*")) {
          ++depth;
          at += 2;
        } else if (inside.starts_with("*/")) {
          --depth;
          at += 2;
        } else {
          ++at;
        }
      } while (depth > 0 && at < sql.size());
    } else {
      break;
    }
  }
  return at;
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return lower;
}

// Next word in lower case; `at` moves behind it.
std::string word(std::string_view sql, std::size_t& at, bool parentheses) {
  at = skip_blank(sql, at, parentheses);
  const std::size_t begin = at;
  while (at < sql.size() && is_word(sql[at])) ++at;
  return lower_case(sql.substr(begin, at - begin));
}

bool changes_session(std::string_view sql) {
  return lower_case(sql).find("set_config") != std::string::npos;
}

// Length of the quoted text, comment or dollar-quoted string at the front of `rest`; 0 when there
// is none.
std::size_t quoted_length(std::string_view rest, bool escapes) {
  const char quote = rest.front();
  if (quote == '\'' || quote == '"') {
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (escapes && quote == '\'' && rest[i] == '\\')
        ++i;
      else if (rest[i] == quote)
        return i + 1;
    }
    return rest.size();
  }
  if (rest.starts_with("--") || rest.starts_with("/*")) return skip_blank(rest, 0, false);
  if (quote == '$') {
    std::size_t end = 1;
    while (end < rest.size() && is_word(rest[end])) ++end;
    const bool numbered = end > 1 && std::isdigit(static_cast<unsigned char>(rest[1])) != 0;
    if (end >= rest.size() || rest[end] != '$' || numbered) return 0;
    const std::string_view tag = rest.substr(0, end + 1);
    const std::size_t close = rest.find(tag, tag.size());
    return close == std::string_view::npos ? rest.size() : close + tag.size();
  }
  return 0;
}

}  // namespace

void require_reading(std::string_view sql) {
  std::size_t at = 0;
  const std::string first = word(sql, at, true);
  static constexpr std::array<std::string_view, 4> kReading{"select", "with", "values", "table"};
  if (first.empty()) throw ConfigError("the SQL text holds no statement");
  if (first == "set" || first == "reset" || first == "discard" || changes_session(sql))
    throw ConfigError(
        "a cached query must not change its session, which others share: set role, search_path and "
        "the like in the options, where they become part of the key");
  if (std::ranges::find(kReading, first) == kReading.end())
    throw ConfigError("a cached query must only read; write through write(): " + std::string(sql));
}

void require_inside_transaction(std::string_view sql) {
  std::size_t at = 0;
  const std::string first = word(sql, at, false);
  static constexpr std::array<std::string_view, 8> kEnding{
      "begin", "start", "commit", "end", "rollback", "abort", "prepare", "vacuum"};
  static constexpr std::array<std::string_view, 6> kLasting{"reset",    "discard", "listen",
                                                            "unlisten", "load",    "deallocate"};
  if (first == "rollback" || first == "prepare") {
    // ROLLBACK TO a savepoint stays inside; PREPARE name AS is a session's, PREPARE TRANSACTION the
    // end.
    if (word(sql, at, false) == "to") return;
  }
  if (std::ranges::find(kEnding, first) != kEnding.end())
    throw ConfigError("write() begins and ends the transaction itself; it refuses: " +
                      std::string(sql));
  const bool set = first == "set" && [&] {
    const std::string second = word(sql, at, false);
    return second != "local" && second != "constraints" && second != "transaction";
  }();
  if (set || std::ranges::find(kLasting, first) != kLasting.end())
    throw ConfigError(
        "the connection goes back to a pool, so its session must stay as it is: use SET LOCAL, or "
        "the options; refused: " +
        std::string(sql));
}

std::string with_literals(std::string_view sql, std::span<const ParameterView> values,
                          const std::function<std::string(ParameterView)>& quote) {
  std::string text;
  for (std::size_t at = 0; at < sql.size();) {
    const bool escapes =
        at > 0 && (sql[at - 1] == 'E' || sql[at - 1] == 'e') && (at < 2 || !is_word(sql[at - 2]));
    if (const std::size_t skip = quoted_length(sql.substr(at), escapes); skip > 0) {
      text.append(sql.substr(at, skip));
      at += skip;
      continue;
    }
    const bool inside_word = at > 0 && is_word(sql[at - 1]);
    std::size_t end = at + 1;
    std::size_t number = 0;
    while (end < sql.size() && std::isdigit(static_cast<unsigned char>(sql[end])) != 0 &&
           number < 100'000)
      number = number * 10 + static_cast<std::size_t>(sql[end++] - '0');
    if (sql[at] != '$' || inside_word || end == at + 1) {
      text += sql[at++];
      continue;
    }
    if (number == 0 || number > values.size())
      throw ConfigError("the SQL names a parameter that was not given: " + std::string(sql));
    // The space keeps "$1" of "$1and" apart from the word; a cast or comma does not mind.
    text += quote(values[number - 1]) + ' ';
    at = end;
  }
  return text;
}

}  // namespace querymark::postgres
