#pragma once  // For writers of ports.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "querymark/tier/value_codec.hpp"

namespace querymark {

/// What a tier that can't read values writes before each, so that it can compare them: epoch (16
/// bytes) and horizon (8 bytes) of the stamp, the highest byte first. Nobody has authenticated it, so
/// a value is read only where its own stamp says the same.
inline constexpr std::size_t kOrderBytes = 24;

/// The value's encoding behind that, by the codec; nothing when that gives nothing.
[[nodiscard]] std::optional<std::string> encode_ordered(const ValueCodec& codec,
                                                        const SharedName& under,
                                                        const SharedValue& value,
                                                        std::size_t limit);
/// Nothing when the codec reads nothing of what is behind, or something of another stamp.
[[nodiscard]] std::optional<SharedValue> decode_ordered(const ValueCodec& codec,
                                                        const SharedName& under,
                                                        std::string_view bytes, std::size_t limit);
/// Whether what is held begins with a later stamp of the same epoch than `bytes`.
[[nodiscard]] bool holds_later(std::string_view held, std::string_view bytes) noexcept;

}  // namespace querymark
