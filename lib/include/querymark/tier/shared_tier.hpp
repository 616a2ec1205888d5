#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/target.hpp"
#include "querymark/mark/stamp.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/support/digest.hpp"
#include "querymark/support/store_status.hpp"

namespace querymark {

/// What a shared tier holds under a name. Nobody vouches for it: the reader judges it by its own
/// marks.
struct SharedValue {
  SharedStamp stamp;
  WallTime stored;
  WallTime expires;
  std::vector<Target> targets;
  ResultSet rows;
};

/// Encodes everything but the name; `decode_shared_value` reads it back. Versioned and checksummed.
[[nodiscard]] std::string encode_shared_value(const SharedValue& value);
/// Nothing when the bytes are not what `encode_shared_value` writes. Never reads out of bounds.
[[nodiscard]] std::optional<SharedValue> decode_shared_value(ByteView encoded);

/// A place for values outside the process, shared by several. Thread-safe; may block on I/O.
///
/// Neither call throws for a tier that is down, full or corrupt: a read is then a counted miss, a
/// write a counted loss. (What must never fail silently is invalidation; that is the worker's
/// `Applier`.)
class SharedTier {
 public:
  virtual ~SharedTier() = default;
  [[nodiscard]] virtual std::string_view label() const noexcept = 0;
  [[nodiscard]] virtual std::optional<SharedValue> get(const Digest& name) noexcept = 0;
  /// `space` is the namespace whose flush removes the value.
  virtual StoreStatus put(std::string_view space, const Digest& name,
                          const SharedValue& value) noexcept = 0;
};

}  // namespace querymark
