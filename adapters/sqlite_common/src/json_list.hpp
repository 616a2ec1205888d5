#pragma once

#include <string>

#include "querymark/key/parameter.hpp"

namespace querymark::sqlite {

/// A list parameter as the JSON array that `json_each()` reads, so that its `value` is what the
/// element would be if it were bound alone; true and false come back as 1 and 0, as they do when
/// bound. Throws ConfigError for bytes, which JSON does not have, and for text with a NUL.
[[nodiscard]] std::string json_of(ParameterView list);

}  // namespace querymark::sqlite
