#include "querymark/key/list.hpp"

#include "querymark/support/bytes.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

// The inverse of `encode_parameter`, for the types that a list may hold.
std::optional<ParameterView> read_element(detail::ByteReader& reader) {
  const auto type = reader.integer<std::uint8_t>();
  if (!type) return std::nullopt;
  switch (static_cast<ValueType>(*type)) {
    case ValueType::null:
      return ParameterView();
    case ValueType::boolean:
      if (const auto bit = reader.integer<std::uint8_t>()) return ParameterView::boolean(*bit != 0);
      break;
    case ValueType::int64:
      if (const auto value = reader.integer<std::int64_t>()) return ParameterView::int64(*value);
      break;
    case ValueType::timestamp:
      if (const auto value = reader.integer<std::int64_t>())
        return ParameterView::timestamp(*value);
      break;
    case ValueType::float64:
      if (const auto bits = reader.integer<std::uint64_t>())
        return ParameterView::float64(std::bit_cast<double>(*bits));
      break;
    case ValueType::text:
      if (const auto text = reader.block()) return ParameterView::text(*text);
      break;
    case ValueType::bytes:
      if (const auto bytes = reader.block()) return ParameterView::bytes(*bytes);
      break;
    case ValueType::array:
    case ValueType::list:
      break;
  }
  return std::nullopt;
}

}  // namespace

ListBuilder& ListBuilder::add(ParameterView element) {
  if (element.type() == ValueType::list || element.type() == ValueType::array)
    throw ConfigError("a list of lists can't be a parameter; pass one list and its width");
  detail::encode_parameter(encoded_, element);
  return *this;
}

std::vector<ParameterView> elements_of_list(ParameterView list) {
  std::vector<ParameterView> elements;
  detail::ByteReader reader(list.as_view());
  while (!reader.at_end()) {
    const auto element = read_element(reader);
    if (!element) throw ConfigError("a list parameter that no ListBuilder has made");
    elements.push_back(*element);
  }
  return elements;
}

}  // namespace querymark
