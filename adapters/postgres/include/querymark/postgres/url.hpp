#pragma once

#include <string>
#include <string_view>

namespace querymark::postgres {

/// True for `postgresql://…` and `postgres://…`.
[[nodiscard]] bool is_url(std::string_view text) noexcept;

/// The database that `url` (or a libpq keyword string) names, for people:
/// `postgresql://user@host:port/name`, never with a password. Throws ConfigError, without the text,
/// when libpq can't parse it.
[[nodiscard]] std::string label_of(const std::string& url);

}  // namespace querymark::postgres
