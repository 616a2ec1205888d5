#pragma once

#include <cstdint>

// For entries alone.

namespace querymark {

/// An unsigned number of 48 bits in six bytes: a user-space pointer, or a time in coarse ticks.
class Packed48 {
 public:
  static constexpr std::uint64_t kMax = (std::uint64_t{1} << 48U) - 1;

  constexpr Packed48() noexcept = default;
  /// Requires `value` <= kMax.
  constexpr explicit Packed48(std::uint64_t value) noexcept
      : parts_{static_cast<std::uint16_t>(value), static_cast<std::uint16_t>(value >> 16U),
               static_cast<std::uint16_t>(value >> 32U)} {}
  [[nodiscard]] constexpr std::uint64_t get() const noexcept {
    return parts_[0] | static_cast<std::uint64_t>(parts_[1]) << 16U |
           static_cast<std::uint64_t>(parts_[2]) << 32U;
  }

 private:
  std::uint16_t parts_[3] = {0, 0, 0};
};

}  // namespace querymark
