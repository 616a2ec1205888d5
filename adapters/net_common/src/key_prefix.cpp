#include "key_prefix.hpp"

#include <algorithm>

#include "querymark/support/ascii.hpp"
#include "querymark/support/error.hpp"

namespace querymark::net {

void require_key_prefix(std::string_view prefix, const std::string& whose) {
  const bool plain = std::ranges::all_of(prefix, [](char c) {
    return ascii::is_letter(c) || ascii::is_digit(c) || c == '_' || c == '-' || c == '.' ||
           c == ':';
  });
  if (prefix.empty() || prefix.size() > 100 || !plain)
    throw ConfigError("the prefix of " + whose + "'s keys has 1 to 100 letters, digits and _-.:");
}

}  // namespace querymark::net
