#pragma once

#include <cstddef>
#include <string>

namespace querymark::cli {

/// More than anybody writes into a file of settings by hand.
inline constexpr std::size_t kLargestConfig = std::size_t{1} << 20U;

/// All that stands in a regular file, or comes through a pipe, of at most `kLargestConfig` bytes;
/// `option` is by what it was named. Throws ConfigError for any other: a device never ends. Blocks
/// while nobody writes to the pipe.
[[nodiscard]] std::string config_text(const std::string& path, const std::string& option);

}  // namespace querymark::cli
