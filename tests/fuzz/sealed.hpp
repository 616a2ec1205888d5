#pragma once

#include <cstring>
#include <string>
#include <string_view>

#include "querymark/support/digest.hpp"

namespace querymark::fuzz {

/// `input` with right checksums, so that the fuzzer gets behind them: both formats of ours hold
/// that of all that follows in the bytes 8 to 15 behind their magic number.
inline std::string sealed(std::string_view input) {
  constexpr std::size_t kChecked = 16;
  std::string bytes(input);
  const auto seal = [&bytes](std::size_t begin) {
    if (bytes.size() < begin + kChecked) return;
    const std::uint64_t sum = checksum(std::string_view(bytes).substr(begin + kChecked));
    std::memcpy(bytes.data() + begin + 8, &sum, sizeof(sum));
  };
  // The inner one first: the outer one's covers it.
  if (const std::size_t inner = bytes.find("QMRS", 1); inner != std::string::npos) seal(inner);
  seal(0);
  return bytes;
}

}  // namespace querymark::fuzz
