#pragma once

#include <cstddef>
#include <string>

namespace querymark::cli {

/// All that stands in a file, or comes through a pipe or from a device, of at most `most_mib` MiB: some
/// never end. `name` says what it is ("the file of --config"). Blocks while a pipe's writer does. Throws
/// ConfigError where it can't be read, or is larger.
[[nodiscard]] std::string text_of_file(const std::string& path, const std::string& name,
                                       std::size_t most_mib);
/// The same; `-` is standard input.
[[nodiscard]] std::string text_of_input(const std::string& path, const std::string& name,
                                        std::size_t most_mib);

}  // namespace querymark::cli
