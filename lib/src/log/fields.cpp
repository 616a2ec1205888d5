#include "fields.hpp"

#include <charconv>
#include <string>

#include "querymark/support/error.hpp"

namespace querymark::detail {

Position position_of(const Field& field) {
  if (field.type() != ValueType::text) return {field.as<std::uint64_t>()};
  const std::string_view text = field.view();
  Position position;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), position.value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    throw SchemaError("a delivery's position is no number: " + std::string(text));
  return position;
}

Epoch epoch_of(const Field& field) {
  const auto epoch = Epoch::parse(field.view());
  if (!epoch) throw SchemaError("a delivery's epoch is not 32 hexadecimal digits");
  return *epoch;
}

}  // namespace querymark::detail
