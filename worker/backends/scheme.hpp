#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "querymark/support/ascii.hpp"

namespace querymark::cli {

/// What stands before the first colon of `url`, if it may be a scheme's name: with a slash it is a
/// file's, and with anything else it may be a part of a password.
[[nodiscard]] inline std::string_view scheme_of(std::string_view url) noexcept {
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view word = url.substr(0, colon);
  const bool named = std::ranges::all_of(word, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '+' || c == '-' || c == '.';
  });
  return named ? word : std::string_view();
}

/// Whether `url` names a Redis server, or some of a cluster.
[[nodiscard]] inline bool names_redis(std::string_view url) noexcept {
  constexpr std::array<std::string_view, 5> kSchemes = {"redis", "rediss", "unix", "redis+cluster",
                                                        "rediss+cluster"};
  return std::ranges::find(kSchemes, scheme_of(url)) != kSchemes.end();
}

}  // namespace querymark::cli
