#pragma once  // For writers of ports.

#include <cstdint>

namespace querymark {

/// 64 bits from the operating system's generator (getrandom). Thread-safe. Throws Error if it
/// fails.
[[nodiscard]] std::uint64_t random_u64();

}  // namespace querymark
