#include "escape.hpp"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <iterator>

namespace querymark::detail {
namespace {

// Bytes of the character that `text` begins with; zero: it is no UTF-8 (overlong, a surrogate, cut off).
std::size_t character_bytes(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xC0U) != 0x80) return 0;
  const std::uint8_t second = byte(1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) ||
      (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

std::string for_prometheus(std::string_view text, bool quoted) {
  std::string out;
  for (const char c : text) {
    if (c == '\n')
      out.append("\\n");
    else if (c == '\\' || (c == '"' && quoted))
      out.append("\\").push_back(c);
    else
      out.push_back(c);
  }
  return out;
}

}  // namespace

std::string as_utf8(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = character_bytes(text);
    if (length == 0)
      fmt::format_to(std::back_inserter(out), "\\x{:02X}", static_cast<std::uint8_t>(text.front()));
    else
      out.append(text.substr(0, length));
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out;
}

std::string json_string(std::string_view text) {
  std::string out("\"");
  for (const char c : text) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte < 0x20 || byte == 0x7F)
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", byte);
    else if (c == '\\' || c == '"')
      out.append("\\").push_back(c);
    else
      out.push_back(c);
  }
  return out.append("\"");
}

std::string prometheus_string(std::string_view text) {
  std::string out("\"");
  return out.append(for_prometheus(text, true)).append("\"");
}

std::string prometheus_help(std::string_view text) { return for_prometheus(text, false); }

}  // namespace querymark::detail
