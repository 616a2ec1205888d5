#include "querymark/key/shown_parameters.hpp"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <cstdint>
#include <optional>

#include "querymark/key/parameter.hpp"
#include "querymark/key/time_values.hpp"
#include "querymark/support/excerpt.hpp"

namespace querymark {
namespace {

constexpr std::size_t kLongestShown = 200;
constexpr std::size_t kLongestText = 60;

// What is cut off shows as far as it goes.
std::string shown_text(detail::ByteReader& reader) {
  const auto size = reader.integer<std::uint32_t>();
  if (!size) return "...";
  const bool cut = *size > reader.rest().size();
  const ByteView text = *reader.take(cut ? reader.rest().size() : *size);
  return fmt::format("'{}'", cut ? std::string(text) + "..." : excerpt(text, kLongestText));
}

std::string shown_values(detail::ByteReader& reader);

std::string shown_list(detail::ByteReader& reader) {
  const auto size = reader.integer<std::uint32_t>();
  if (!size) return "...";
  const bool cut = *size > reader.rest().size();
  detail::ByteReader elements(*reader.take(cut ? reader.rest().size() : *size));
  return fmt::format("[{}{}]", shown_values(elements), cut ? "..." : "");
}

template <class Value>
std::string shown_number(const std::optional<Value>& value) {
  return value ? fmt::format("{}", *value) : "...";
}

std::string shown_value(detail::ByteReader& reader) {
  switch (static_cast<ValueType>(*reader.integer<std::uint8_t>())) {
    case ValueType::null:
      return "null";
    case ValueType::boolean:
      if (const auto bit = reader.integer<std::uint8_t>()) return *bit != 0 ? "true" : "false";
      break;
    case ValueType::int64:
      return shown_number(reader.integer<std::int64_t>());
    case ValueType::timestamp:
      if (const auto count = reader.integer<std::int64_t>())
        return detail::time_text(detail::Microseconds(std::chrono::microseconds(*count)));
      break;
    case ValueType::float64:
      if (const auto bits = reader.integer<std::uint64_t>())
        return fmt::format("{}", std::bit_cast<double>(*bits));
      break;
    case ValueType::array:
      static_cast<void>(reader.take(1));  // the elements' type
      return shown_text(reader);
    case ValueType::text:
      return shown_text(reader);
    case ValueType::bytes:
      if (const auto block = reader.block()) return fmt::format("{} bytes", block->size());
      break;
    case ValueType::list:
      return shown_list(reader);
  }
  static_cast<void>(reader.take(reader.rest().size()));  // nobody knows where the next one begins
  return "...";
}

std::string shown_values(detail::ByteReader& reader) {
  std::string text;
  while (!reader.rest().empty() && text.size() < kLongestShown) {
    const std::size_t before = reader.rest().size();
    if (!text.empty()) text.append(", ");
    text.append(shown_value(reader));
    if (!reader.at_end() && reader.rest().size() == before) break;
  }
  if (!reader.rest().empty() && !text.ends_with("...")) text.append(", ...");
  return text;
}

}  // namespace

std::string shown_parameters(ByteView encoded) {
  detail::ByteReader reader(encoded);
  return shown_values(reader);
}

}  // namespace querymark
