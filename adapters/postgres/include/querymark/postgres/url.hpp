#pragma once  // For users.

#include <string>
#include <string_view>

namespace querymark::postgres {

/// True for `postgresql://…` and `postgres://…`.
[[nodiscard]] bool is_url(std::string_view text) noexcept;

/// True for such a URL and for a libpq keyword string, `host=… dbname=…`: what starts with the name
/// of one of libpq's options and an equals sign.
[[nodiscard]] bool is_connection_string(std::string_view text);

/// The database that `url` (or a libpq keyword string) names, for people:
/// `postgresql://user@host:port/name`, never with a password. Throws ConfigError, without the text,
/// when libpq can't parse it.
[[nodiscard]] std::string label_of(const std::string& url);

}  // namespace querymark::postgres
