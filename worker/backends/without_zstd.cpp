#include "backends/readable_tier.hpp"

namespace querymark::cli {

std::shared_ptr<const Compression> known_compression() { return nullptr; }

}  // namespace querymark::cli
