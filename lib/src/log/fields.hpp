#pragma once

#include "querymark/mark/position.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark::detail {

/// A position out of an integer, or of its text. Throws SchemaError, TypeError.
[[nodiscard]] Position position_of(const Field& field);
/// Throws SchemaError.
[[nodiscard]] Epoch epoch_of(const Field& field);

}  // namespace querymark::detail
