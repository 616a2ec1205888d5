#pragma once

#include <chrono>
#include <string>

namespace querymark::postgres {

/// A connection URL, taken apart by libpq.
struct ConnectString {
  std::string label;     ///< For people; holds no password.
  std::string keywords;  ///< For libpq; may hold a password: never shown.
  std::string password;  ///< To strike from messages; empty when the URL holds none.

  /// `text` without the password.
  [[nodiscard]] std::string scrub(std::string text) const;
};

/// Adds a connect timeout unless the URL names one. Throws ConfigError, without the text, when
/// libpq can't parse it.
[[nodiscard]] ConnectString parse_url(const std::string& url,
                                      std::chrono::milliseconds connect_timeout);

}  // namespace querymark::postgres
