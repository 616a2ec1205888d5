#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "querymark/support/clock.hpp"

namespace querymark::cli {

/// "2026-11-26T06:15:00.123Z"; "never" for the end of time.
[[nodiscard]] std::string to_text(WallTime time);
/// About: "250 ms", "12.3 s", "4 min", "3 h", "2 d".
[[nodiscard]] std::string about(std::chrono::milliseconds span);
/// Reads "250ms", "5s", "2min", "1h", "7d", and a bare number as seconds. Throws ConfigError, which
/// begins with `what`, for anything else and for what overflows.
[[nodiscard]] std::chrono::milliseconds parse_span(std::string_view text, const std::string& what);

}  // namespace querymark::cli
