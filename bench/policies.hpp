#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace querymark::bench {

/// Hits of textbook policies over a trace, all entries of one size.
[[nodiscard]] std::uint64_t lru_hits(const std::vector<std::uint32_t>& trace, std::size_t size);
/// S3-FIFO (Yang and others, SOSP 2023): 10 % small queue, two-bit counters, ghosts for as many
/// entries as the main queue holds.
[[nodiscard]] std::uint64_t s3_fifo_hits(const std::vector<std::uint32_t>& trace, std::size_t size);
/// Belady's: evicts what is used latest. Nothing can do better.
[[nodiscard]] std::uint64_t opt_hits(const std::vector<std::uint32_t>& trace, std::size_t size);

}  // namespace querymark::bench
