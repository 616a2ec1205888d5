#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "querymark/tier/compression.hpp"
#include "querymark/tier/sealing_keys.hpp"
#include "querymark/tier/shared_tier.hpp"
#include "querymark/tier/value_codec.hpp"

namespace querymark::cli {

/// The largest value that it takes: whatever applications may have set.
inline constexpr std::size_t kLargestValue = 256U << 20U;

/// What this program unpacks; null: nothing.
[[nodiscard]] std::shared_ptr<const Compression> known_compression();

/// How it reads what applications have stored. Without keys what they have sealed can't be read, with keys what
/// they have not.
[[nodiscard]] inline std::shared_ptr<const ValueCodec> codec_with(
    std::shared_ptr<const SealingKeys> keys) {
  return std::make_shared<const ValueCodec>(
      ValueCodecOptions{.compression = known_compression(), .keys = std::move(keys)});
}

/// A tier of which a value that is there but can't be read is no miss but a failure, for who compares what it
/// holds: else all would look well. For one thread.
template <class Tier>
class ReadableTier final : public SharedTier {
 public:
  explicit ReadableTier(Tier tier) : tier_(std::move(tier)), unreadable_(tier_.stats().corrupt) {}

  [[nodiscard]] std::string_view label() const noexcept override { return tier_.label(); }
  [[nodiscard]] TierLimits limits() const noexcept override { return tier_.limits(); }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view namespace_name,
                                                std::span<TierRead> wanted) noexcept override {
    if (auto failure = tier_.read(namespace_name, wanted)) return failure;
    try {
      const std::uint64_t unreadable = tier_.stats().corrupt;
      if (std::exchange(unreadable_, unreadable) == unreadable) return std::nullopt;
      return TierFailure{.cause =
                             "what it holds can't be read: it is sealed with a key that was not "
                             "given, or not sealed though a key was given (--tier-keys), "
                             "compressed in a way that this program does not know, or damaged"};
    } catch (const std::exception&) {  // it can't be asked how many there were
      return TierFailure{};
    }
  }
  StoreStatus put(std::string_view namespace_name, const Digest& name,
                  const SharedValue& value) noexcept override {
    return tier_.put(namespace_name, name, value);
  }
  std::size_t remove(std::string_view namespace_name, std::span<const Digest> names) override {
    return tier_.remove(namespace_name, names);
  }
  [[nodiscard]] bool names_newest() const noexcept override { return tier_.names_newest(); }
  [[nodiscard]] std::optional<SharedStamp> newest(Epoch epoch) const override {
    return tier_.newest(epoch);
  }

 private:
  Tier tier_;
  std::uint64_t unreadable_;
};

}  // namespace querymark::cli
