#pragma once  // For the library itself.

#include <string>

#include "querymark/support/bytes.hpp"

namespace querymark {

/// Encoded parameters for people: `7, 'teapot', null`. Texts and lists are shown by their beginnings,
/// and "..." stands for what is cut off, here or already in what is given.
[[nodiscard]] std::string shown_parameters(ByteView encoded);

}  // namespace querymark
