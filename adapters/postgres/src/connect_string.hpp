#pragma once

#include <chrono>
#include <string>
#include <vector>

namespace querymark::postgres {

/// A connection URL, taken apart by libpq.
struct ConnectString {
  std::string label;                   ///< For people; holds no password.
  std::string keywords;                ///< For libpq; may hold a password: never shown.
  std::vector<std::string> secrets{};  ///< Passwords that it holds, to strike from messages.

  /// `text` without the secrets.
  [[nodiscard]] std::string scrub(std::string text) const;
};

/// Adds a connect timeout unless the URL names one. Throws ConfigError when libpq can't parse the
/// URL, or would take part of a password for something else (an unescaped `@` or `/`). It names an
/// option that libpq does not know, and shows nothing else of the text.
[[nodiscard]] ConnectString parse_url(const std::string& url,
                                      std::chrono::milliseconds connect_timeout);

}  // namespace querymark::postgres
