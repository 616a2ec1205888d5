#include "querymark/support/sql_catalog.hpp"

#include "querymark/support/error.hpp"

namespace querymark {
namespace {

constexpr std::string_view kMarker = "-- name: ";

std::string trimmed(std::string_view text) {
  const std::size_t last = text.find_last_not_of(" \t\r\n;");
  return std::string(last == std::string_view::npos ? std::string_view()
                                                    : text.substr(0, last + 1));
}

// The comment lines before a marker belong to the statement after it: left at the end of this one
// they would swallow what a caller appends.
std::string without_last_comments(std::string text) {
  for (;;) {
    const std::size_t line = text.rfind('\n');
    if (line == std::string::npos || text.compare(line + 1, 2, "--") != 0) return text;
    text = trimmed(std::string_view(text).substr(0, line));
  }
}

}  // namespace

SqlCatalog::SqlCatalog(std::string_view file) {
  std::size_t at = file.find(kMarker);
  while (at != std::string_view::npos) {
    const std::size_t line_end = std::min(file.find('\n', at), file.size());
    const std::size_t next = file.find(kMarker, line_end);
    const std::string name =
        trimmed(file.substr(at + kMarker.size(), line_end - at - kMarker.size()));
    const std::string statement = without_last_comments(
        trimmed(file.substr(line_end, next == std::string_view::npos ? next : next - line_end)));
    if (!statements_.emplace(name, statement).second)
      throw ConfigError("the statement \"" + name + "\" is defined twice");
    at = next;
  }
}

const std::string& SqlCatalog::get(std::string_view name) const {
  const auto found = statements_.find(name);
  if (found == statements_.end())
    throw ConfigError("there is no statement named \"" + std::string(name) + '"');
  return found->second;
}

std::vector<std::string> SqlCatalog::names() const {
  std::vector<std::string> names;
  for (const auto& [name, statement] : statements_) names.push_back(name);
  return names;
}

}  // namespace querymark
