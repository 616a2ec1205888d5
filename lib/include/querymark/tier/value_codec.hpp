#pragma once  // For users.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "querymark/support/bytes.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/tier/compression.hpp"
#include "querymark/tier/sealing_keys.hpp"
#include "querymark/tier/shared_tier.hpp"

namespace querymark {

/// Of the encoding. What another version of it has stored is not read, and need not be looked for.
inline constexpr std::uint16_t kSharedValueVersion = 3;

struct ValueCodecOptions {
  /// Makes values shorter (`zstd_compression()` of the component zstd); null: they stay as they are,
  /// and what others have compressed is not read.
  std::shared_ptr<const Compression> compression{};
  /// Least bytes of a value that are worth it.
  std::size_t compress_from = 1024;
  /// Seals values; null: they are readable, and writable, for whoever reaches the tier.
  std::shared_ptr<const SealingKeys> keys{};
};

/// How a shared tier's values become bytes, and bytes values again. One may serve several tiers; all
/// processes of a tier have the same. Thread-safe.
///
/// What is stored names the version, the value's name and namespace, its stamp, times, compression
/// and length, and has a checksum against accidents. Sealed, all of that is authenticated, and targets
/// and rows are secret too; lengths are not. What is not sealed is not read then.
class ValueCodec {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  /// Neither compresses nor seals.
  ValueCodec() : ValueCodec(ValueCodecOptions{}) {}
  explicit ValueCodec(ValueCodecOptions options);

  /// The bytes; nothing when they, or what they unpack to, would be more than `limit`. Throws Error
  /// when compressing or sealing fails.
  [[nodiscard]] std::optional<std::string> encode(const SharedName& under, const SharedValue& value,
                                                  std::size_t limit = kNoLimit) const;
  /// Nothing when the bytes are not what `encode` writes for a value under this very name with such
  /// options and one of the keys, or carry more targets than an entry can. Never reads out of bounds,
  /// unpacks nothing that is not authentic where values are sealed, nor anything to more than `limit`
  /// bytes. The time it takes is linear in those.
  [[nodiscard]] std::optional<SharedValue> decode(const SharedName& under, ByteView encoded,
                                                  std::size_t limit = kNoLimit) const;

  [[nodiscard]] bool seals() const noexcept { return seals_; }
  /// Seals with these from now on, and opens what they open: for programs that are not to be
  /// restarted. Throws ConfigError for null, and where values are not sealed.
  void replace_keys(std::shared_ptr<const SealingKeys> keys);

 private:
  [[nodiscard]] std::shared_ptr<const SealingKeys> keys() const;

  std::shared_ptr<const Compression> compression_;
  std::size_t compress_from_;
  bool seals_;
  mutable Mutex keys_mutex_;  // held for a copy
  std::shared_ptr<const SealingKeys> keys_ QUERYMARK_GUARDED_BY(keys_mutex_);
};

/// Neither compresses nor seals: what tiers use that are given nothing else.
[[nodiscard]] std::shared_ptr<const ValueCodec> plain_values();

}  // namespace querymark
