#include "querymark/mark/position.hpp"

#include "querymark/support/bytes.hpp"
#include "querymark/support/random.hpp"

namespace querymark {

Epoch Epoch::random() { return {random_u64(), random_u64()}; }

std::optional<Epoch> Epoch::parse(std::string_view hex) {
  if (hex.size() != 32) return std::nullopt;
  auto bytes = from_hex(hex);
  if (!bytes) return std::nullopt;
  Epoch epoch;
  for (std::size_t i = 0; i < 8; ++i) {
    epoch.high = epoch.high << 8U | static_cast<unsigned char>((*bytes)[i]);
    epoch.low = epoch.low << 8U | static_cast<unsigned char>((*bytes)[8 + i]);
  }
  return epoch;
}

std::string Epoch::hex() const {
  std::string bytes;
  for (const std::uint64_t half : {high, low})
    for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(half >> shift));
  return to_hex(bytes);
}

}  // namespace querymark
