#pragma once

#include <span>
#include <string>
#include <string_view>

namespace querymark::cli {

/// Those of `known` that `word` may have been meant for, joined by "or": the nearest by edits, or
/// all when none is near.
[[nodiscard]] std::string suggest(std::string_view word, std::span<const std::string> known);

}  // namespace querymark::cli
