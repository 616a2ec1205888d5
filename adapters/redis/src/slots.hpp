#pragma once

#include <cstdint>
#include <string_view>

namespace querymark::redis {

/// Into how many slots a Redis Cluster divides its keys.
inline constexpr std::uint16_t kSlots = 16'384;

/// The slot of a key: CRC16 (XMODEM) of it, or of what its first braces hold, if they hold anything,
/// so that keys that share it share a slot.
[[nodiscard]] std::uint16_t slot_of(std::string_view key) noexcept;

}  // namespace querymark::redis
