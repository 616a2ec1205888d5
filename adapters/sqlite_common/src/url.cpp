#include "querymark/sqlite/url.hpp"

#include <filesystem>
#include <system_error>

#include "querymark/support/error.hpp"

namespace querymark::sqlite {

std::string path_of(std::string_view url) {
  static constexpr std::string_view kScheme = "sqlite:";
  std::string_view path = url;
  if (path.starts_with(kScheme)) {
    path.remove_prefix(kScheme.size());
    if (path.starts_with("//")) path.remove_prefix(2);
  } else if (const std::size_t colon = path.find(':');
             colon != std::string_view::npos && path.find('/') > colon && path != ":memory:") {
    // Only the scheme is shown: what follows may hold a password.
    throw ConfigError("unknown URL scheme \"" + std::string(path.substr(0, colon)) +
                      ":\"; use sqlite:PATH");
  }
  if (path.empty()) throw ConfigError("the URL names no file; use sqlite:PATH");
  if (path == ":memory:")
    throw ConfigError("an in-memory database can't be shared between connections; use a file");
  if (path.find('\0') != std::string_view::npos)
    throw ConfigError("the path holds a NUL: " + std::string(path.substr(0, path.find('\0'))));
  std::error_code failed;
  const auto absolute = std::filesystem::absolute(path, failed);
  if (failed)
    throw Error("cannot find out where " + std::string(path) + " leads: " + failed.message());
  return absolute.string();
}

}  // namespace querymark::sqlite
