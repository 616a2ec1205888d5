#pragma once  // For writers of ports.

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
  SharedStamp stamp{};
  WallTime stored{};
  WallTime expires{};
  std::vector<Target> targets{};
  ResultSet rows{};
};

/// Under what a shared tier holds a value.
struct SharedName {
  std::string_view namespace_name;  ///< The namespace whose flush removes the value.
  Digest name;
};

/// Encodes the value together with its name and namespace; `decode_shared_value` reads it back.
/// Versioned and checksummed.
[[nodiscard]] std::string encode_shared_value(const SharedName& under, const SharedValue& value);
/// Nothing when the bytes are not what `encode_shared_value` writes for a value under this very
/// name, or carry more targets than an entry can. Never reads out of bounds. The time it takes is
/// linear in the bytes.
[[nodiscard]] std::optional<SharedValue> decode_shared_value(const SharedName& under,
                                                             ByteView encoded);

/// A place for values outside the process, shared by several. Thread-safe.
///
/// Neither call throws for a tier that is down, full or corrupt: a read is then a counted miss, a
/// write a counted loss. (What must never fail silently is invalidation; that is the worker's
/// `Applier`.)
///
/// Neither call may hold up its callers for long, however slow the tier is: each ends by a deadline
/// of the tier's own, nobody waits for another caller's call, and a tier that has just failed or
/// overrun its deadline is passed by at once for a while. A miss costs a load; waiting costs
/// everybody.
class SharedTier {
 public:
  virtual ~SharedTier() = default;
  [[nodiscard]] virtual std::string_view label() const noexcept = 0;
  [[nodiscard]] virtual std::optional<SharedValue> get(const Digest& name) noexcept = 0;
  /// `namespace_name` is the namespace whose flush removes the value.
  virtual StoreStatus put(std::string_view namespace_name, const Digest& name,
                          const SharedValue& value) noexcept = 0;
  /// The newest stamp of the epoch among what the tier holds from before: by it a database can tell
  /// that it was rewound while nobody watched. Nothing for a tier that can't say.
  [[nodiscard]] virtual std::optional<SharedStamp> newest(Epoch epoch) const {
    static_cast<void>(epoch);
    return std::nullopt;
  }
};

}  // namespace querymark
