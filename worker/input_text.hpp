#pragma once

#include <string>

namespace querymark::cli {

/// All that stands in a file; `-` is standard input. Throws ConfigError where it can't be read.
[[nodiscard]] std::string input_text(const std::string& file);

}  // namespace querymark::cli
