#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace querymark::bench {

/// Reads a trace: keys as big-endian 32-bit numbers, or one decimal number a line (lines that are
/// `*` are skipped); plain, `.gz` or `.xz`. Throws when it can't be read.
[[nodiscard]] std::vector<std::uint32_t> read_trace(const std::string& path);

}  // namespace querymark::bench
