#include "backends/sqlite_file.hpp"

#include <filesystem>

#include "backends/scheme.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/error.hpp"
#include "secrets.hpp"

namespace querymark::cli {

bool may_be_sqlite_file(const std::string& url) {
  std::error_code unknown;
  return scheme_of(url) == "sqlite" || (!url.empty() && std::filesystem::exists(url, unknown));
}

std::string sqlite_file_of(const std::string& url) {
  if (scheme_of(url) != "sqlite") return sqlite::path_of("sqlite:" + url);
  const std::string path = sqlite::path_of(url);
  std::error_code unknown;
  if (std::filesystem::exists(path, unknown)) return path;
  if (without_secrets(url) != url)
    throw ConfigError(
        "what stands behind sqlite: looks like the name of another database, with a password; use "
        "sqlite:PATH");
  const std::size_t option = path.find('?');
  if (option != std::string::npos && path.find('=', option) != std::string::npos)
    throw ConfigError("sqlite:PATH takes no options, and there is no such file: " + path);
  return path;
}

}  // namespace querymark::cli
