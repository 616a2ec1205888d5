#include "querymark/log/fields.hpp"

#include <charconv>
#include <optional>

#include "querymark/support/error.hpp"

namespace querymark {

Epoch epoch_of(const Field& field) {
  const auto epoch = Epoch::parse(field.view());
  if (!epoch) throw SchemaError("an epoch in querymark's tables is not 32 hexadecimal digits");
  return *epoch;
}

Position position_of(const Field& field) {
  if (field.type() != ValueType::text) return {field.as<std::uint64_t>()};
  const std::string_view text = field.view();
  Position position;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), position.value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size())
    throw SchemaError("a position in querymark's tables is no number: " + std::string(text));
  return position;
}

std::string text_or_empty(const Field& field) {
  return field.as<std::optional<std::string>>().value_or("");
}

}  // namespace querymark
