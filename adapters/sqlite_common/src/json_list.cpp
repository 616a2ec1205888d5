#include "json_list.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "querymark/key/list.hpp"
#include "querymark/key/time_values.hpp"
#include "querymark/support/error.hpp"

namespace querymark::sqlite {
namespace {

void append_quoted(std::string& json, std::string_view text) {
  json += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte == 0) throw ConfigError("a text in a list can't hold a NUL on SQLite");
    if (byte < 0x20) {
      json += fmt::format("\\u{:04x}", byte);
      continue;
    }
    if (c == '"' || c == '\\') json += '\\';
    json += c;
  }
  json += '"';
}

// SQLite reads what overflows as an infinity, and binds NaN as NULL.
std::string number_text(double value) {
  if (std::isnan(value)) return "null";
  if (std::isinf(value)) return value > 0 ? "9e999" : "-9e999";
  std::string text = fmt::format("{}", value);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";  // or it would be an integer
  return text;
}

void append(std::string& json, ParameterView element) {
  switch (element.type()) {
    case ValueType::null:
      json += "null";
      return;
    case ValueType::boolean:
      json += element.as_int64() != 0 ? "true" : "false";
      return;
    case ValueType::int64:
      json += std::to_string(element.as_int64());
      return;
    case ValueType::float64:
      json += number_text(element.as_float64());
      return;
    case ValueType::text:
      append_quoted(json, element.as_view());
      return;
    case ValueType::timestamp:
      append_quoted(json, detail::time_text(
                              detail::Microseconds(std::chrono::microseconds(element.as_int64()))));
      return;
    case ValueType::bytes:
      throw ConfigError(
          "a list can't hold bytes on SQLite, whose JSON has none; bind them one by "
          "one, or compare hex(column) with texts");
    case ValueType::array:
    case ValueType::list:
      break;
  }
  throw ConfigError("a list of lists can't be a parameter");
}

}  // namespace

std::string json_of(ParameterView list) {
  std::string json = "[";
  for (const ParameterView element : elements_of_list(list)) {
    if (json.size() > 1) json += ',';
    append(json, element);
  }
  return json += ']';
}

}  // namespace querymark::sqlite
