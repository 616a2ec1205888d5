#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace querymark::test {

/// The statements of a release before, from a file in which each follows a line `-- name:
/// its_name`.
class SqlFile {
 public:
  explicit SqlFile(std::string_view text) {
    constexpr std::string_view kMarker = "-- name: ";
    std::size_t at = text.find(kMarker);
    while (at != std::string_view::npos) {
      const std::size_t line_end = text.find('\n', at);
      const std::size_t next = text.find(kMarker, line_end);
      // The comment lines before the next name are that statement's.
      std::string_view body = text.substr(line_end, next - line_end);
      for (;;) {
        body = body.substr(0, body.find_last_not_of(" \n;") + 1);
        const std::size_t line = body.rfind('\n');
        if (body.substr(line + 1, 2) != "--") break;
        body = body.substr(0, line);
      }
      statements_.emplace(text.substr(at + kMarker.size(), line_end - at - kMarker.size()), body);
      at = next;
    }
  }

  [[nodiscard]] const std::string& get(std::string_view name) const {
    const auto found = statements_.find(name);
    if (found == statements_.end())
      throw std::out_of_range("no statement named " + std::string(name));
    return found->second;
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> names;
    for (const auto& [name, statement] : statements_) names.push_back(name);
    return names;
  }

 private:
  std::map<std::string, std::string, std::less<>> statements_;
};

}  // namespace querymark::test
