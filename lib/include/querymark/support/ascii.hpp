#pragma once  // For writers of ports.

#include <algorithm>
#include <string>
#include <string_view>

/// Letters, digits and blanks as SQL and URLs mean them, whatever the process's locale says:
/// `<cctype>` would fold COMMIT to something else under a Turkish one.
namespace querymark::ascii {

[[nodiscard]] constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

[[nodiscard]] constexpr bool is_letter(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Space, tab, newline, carriage return, vertical tab, form feed.
[[nodiscard]] constexpr bool is_blank(char c) noexcept {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

/// Leaves all but A to Z as it is, bytes of other alphabets too.
[[nodiscard]] constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

[[nodiscard]] inline std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = to_lower(c);
  return lower;
}

/// Equal but for the case of A to Z.
[[nodiscard]] constexpr bool equal(std::string_view a, std::string_view b) noexcept {
  return std::ranges::equal(a, b, [](char x, char y) { return to_lower(x) == to_lower(y); });
}

}  // namespace querymark::ascii
