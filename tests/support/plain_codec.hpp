#pragma once

#include <optional>
#include <string>

#include "querymark/tier/value_codec.hpp"

namespace querymark::test {

/// A value as tiers hold it that neither compress nor seal, and back.
inline std::string encoded(const SharedName& under, const SharedValue& value) {
  return plain_values()->encode(under, value).value();
}
inline std::optional<SharedValue> decoded(const SharedName& under, ByteView bytes) {
  return plain_values()->decode(under, bytes);
}

}  // namespace querymark::test
