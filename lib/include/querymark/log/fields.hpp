#pragma once

#include <string>

#include "querymark/mark/position.hpp"
#include "querymark/result/result_set.hpp"

// For writers of ports: what a cell of the library's own tables holds.

namespace querymark {

/// Throws SchemaError for what is not 32 hexadecimal digits.
[[nodiscard]] Epoch epoch_of(const Field& field);
/// A position out of an integer, or of its text. Throws SchemaError, TypeError.
[[nodiscard]] Position position_of(const Field& field);
/// Null is an empty text.
[[nodiscard]] std::string text_or_empty(const Field& field);

}  // namespace querymark
