#pragma once  // For users.

#include <memory>

#include "querymark/tier/compression.hpp"

namespace querymark {

/// zstd, as ValueCodecOptions::compression. `level` is 1 (fast) to 19 (small); throws ConfigError for
/// any other. Keeps a context per thread, of up to some megabytes where threads compress.
[[nodiscard]] std::shared_ptr<const Compression> zstd_compression(int level = 3);

}  // namespace querymark
