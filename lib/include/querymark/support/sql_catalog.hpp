#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace querymark {

/// The named statements of one `.sql` file: each begins with a line `-- name: some_name`.
/// Immutable.
class SqlCatalog {
 public:
  /// Throws ConfigError when a name occurs twice.
  explicit SqlCatalog(std::string_view file);

  /// The statement, without trailing white space and semicolon. Throws ConfigError for an unknown
  /// name.
  [[nodiscard]] const std::string& get(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;

 private:
  std::map<std::string, std::string, std::less<>> statements_;
};

/// One numbered migration, as embedded at build time.
struct Migration {
  int version;
  std::string_view name;  ///< File name, such as "0001_outbox.sql".
  std::string_view text;
};

}  // namespace querymark
