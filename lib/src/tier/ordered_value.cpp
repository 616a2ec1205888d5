#include "querymark/tier/ordered_value.hpp"

#include <cstdint>

namespace querymark {
namespace {

constexpr std::size_t kEpochBytes = 16;

std::string order_of(const SharedStamp& stamp) {
  std::string order;
  for (const std::uint64_t number : {stamp.epoch.high, stamp.epoch.low, stamp.horizon.value})
    for (int shift = 56; shift >= 0; shift -= 8) order += static_cast<char>(number >> shift);
  return order;
}

}  // namespace

std::optional<std::string> encode_ordered(const ValueCodec& codec, const SharedName& under,
                                          const SharedValue& value, std::size_t limit) {
  const auto encoded = codec.encode(under, value, limit);
  if (!encoded) return std::nullopt;
  return order_of(value.stamp) + *encoded;
}

std::optional<SharedValue> decode_ordered(const ValueCodec& codec, const SharedName& under,
                                          std::string_view bytes, std::size_t limit) {
  if (bytes.size() <= kOrderBytes) return std::nullopt;
  auto value = codec.decode(under, bytes.substr(kOrderBytes), limit);
  if (value && order_of(value->stamp) != bytes.substr(0, kOrderBytes)) return std::nullopt;
  return value;
}

bool holds_later(std::string_view held, std::string_view bytes) noexcept {
  return held.size() >= kOrderBytes &&
         held.substr(0, kEpochBytes) == bytes.substr(0, kEpochBytes) &&
         held.substr(0, kOrderBytes) > bytes.substr(0, kOrderBytes);
}

}  // namespace querymark
