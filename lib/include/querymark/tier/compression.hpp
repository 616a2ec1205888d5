#pragma once  // For writers of ports.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "querymark/support/bytes.hpp"

namespace querymark {

/// Makes what a shared tier stores shorter. Thread-safe.
class Compression {
 public:
  virtual ~Compression() = default;
  /// Which it is, as the header of a value tells: 1 to 255, the same for ever. 1 is zstd.
  [[nodiscard]] virtual std::uint8_t id() const noexcept = 0;
  /// Throws Error when it can't.
  [[nodiscard]] virtual std::string pack(ByteView bytes) const = 0;
  /// Exactly `size` bytes, or nothing where `packed`, for which nobody vouches, is not what `pack`
  /// makes of that many. Takes memory for `size` bytes and a constant, whatever `packed` claims.
  [[nodiscard]] virtual std::optional<std::string> unpack(ByteView packed,
                                                          std::size_t size) const = 0;
};

}  // namespace querymark
