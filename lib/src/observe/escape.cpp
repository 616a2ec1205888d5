#include "escape.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <iterator>

namespace querymark::detail {
namespace {

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
