#include "querymark/log/receipt.hpp"

#include <algorithm>
#include <charconv>
#include <vector>

#include "querymark/support/bytes.hpp"

namespace querymark {
namespace {

constexpr std::string_view kVersion = "qm1";

bool is_plain(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// Percent-encodes everything that is not safe in a URL, a header and a cookie alike; the dot too,
// which separates the fields.
std::string encode_namespace(std::string_view namespace_name) {
  std::string out;
  for (char c : namespace_name) {
    if (is_plain(c))
      out += c;
    else
      out += '%' + to_hex({&c, 1});
  }
  return out;
}

std::optional<std::string> decode_namespace(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      if (!is_plain(text[i])) return std::nullopt;
      out += text[i];
      continue;
    }
    const auto byte = from_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    out += *byte;
    i += 2;
  }
  return out;
}

std::string hex_number(std::uint64_t value) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof(digits), value, 16);
  return {digits, end.ptr};
}

template <class Integer>
std::optional<Integer> parse_number(std::string_view text, int base) {
  Integer value = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || end.ec != std::errc() || end.ptr != text.data() + text.size())
    return std::nullopt;
  return value;
}

}  // namespace

std::string Receipt::str() const {
  return std::string(kVersion) + '.' + encode_namespace(namespace_name) + '.' + epoch.hex() + '.' +
         hex_number(position.value) + '.' + hex_number(write.value) + '.' +
         std::to_string(intents) + (in_doubt ? ".d" : "");
}

std::optional<Receipt> Receipt::parse(std::string_view text) {
  if (text.size() > 4096) return std::nullopt;
  std::vector<std::string_view> fields;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t dot = std::min(text.find('.', at), text.size());
    fields.push_back(text.substr(at, dot - at));
    at = dot + 1;
  }
  const bool in_doubt = fields.size() == 7 && fields[6] == "d";
  if ((fields.size() != 6 && !in_doubt) || fields[0] != kVersion) return std::nullopt;
  const auto namespace_name = decode_namespace(fields[1]);
  const auto epoch = Epoch::parse(fields[2]);
  const auto position = parse_number<std::uint64_t>(fields[3], 16);
  const auto write = parse_number<std::uint64_t>(fields[4], 16);
  const auto intents = parse_number<std::uint32_t>(fields[5], 10);
  if (!namespace_name || !epoch || !position || !write || !intents) return std::nullopt;
  Receipt receipt{*namespace_name, *epoch,   Position{*position},
                  WriteId{*write}, *intents, in_doubt};
  // Leading zeros, upper case and needless escapes: no receipt has two spellings.
  if (receipt.str() != text) return std::nullopt;
  return receipt;
}

}  // namespace querymark
