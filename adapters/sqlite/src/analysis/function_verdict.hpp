#pragma once

#include <string_view>

#include "querymark/automatic/analysis.hpp"

namespace querymark::sqlite {

/// What a function of SQLite's own leaves of a result that it is part of: `cache` where its value is made
/// of its arguments alone. `name` in lower case. What is not known by name is `ttl_only`.
[[nodiscard]] Verdict verdict_on_function(std::string_view name) noexcept;
/// What else the value depends on, for people.
[[nodiscard]] std::string_view why_of_function(std::string_view name) noexcept;

}  // namespace querymark::sqlite
