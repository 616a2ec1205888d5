// An encoded result set from a shared tier: refused, or safe to read in every way.

#include "querymark/result/result_set.hpp"

#include <string>

#include "fuzz/fuzz.hpp"
#include "fuzz/sealed.hpp"
#include "querymark/support/bytes.hpp"

using namespace querymark;

namespace {

// Reads all that a caller could: names, types, every cell as what it says it is.
std::size_t touch(const ResultSet& set) {
  std::size_t seen = 0;
  for (const Row row : set) {
    for (std::size_t column = 0; column < set.columns(); ++column) {
      const Field field = row[column];
      seen += field.name().size() + field.declared_type().size();
      switch (field.type()) {
        case ValueType::text:
        case ValueType::bytes:
          seen += field.view().size();
          if (!field.view().empty())
            seen += static_cast<unsigned char>(field.view().front()) +
                    static_cast<unsigned char>(field.view().back());
          break;
        case ValueType::int64:
          seen += static_cast<std::size_t>(field.as<std::int64_t>() & 1);
          break;
        case ValueType::float64:
          seen += field.as<double>() > 0 ? 1 : 0;
          break;
        case ValueType::boolean:
          seen += field.as<bool>() ? 1 : 0;
          break;
        case ValueType::null:
        case ValueType::array:
        case ValueType::list:
        case ValueType::timestamp:
          break;
      }
    }
  }
  return seen;
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto set = ResultSet::decode(fuzz::sealed(fuzz::view_of(data, size)));
  if (!set) return 0;
  [[maybe_unused]] static volatile std::size_t sink;
  sink = touch(*set);
  const auto again = ResultSet::decode(set->encoded());
  fuzz::require(again.has_value(), "what was decoded decodes again");
  fuzz::require(*again == *set, "and is the same");
  return 0;
}
