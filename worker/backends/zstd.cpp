#include "backends/readable_tier.hpp"
#include "querymark/zstd/zstd_compression.hpp"

namespace querymark::cli {

std::shared_ptr<const Compression> known_compression() { return zstd_compression(); }

}  // namespace querymark::cli
