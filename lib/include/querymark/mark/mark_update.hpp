#pragma once  // For writers of ports.

#include <optional>

#include "querymark/key/target.hpp"
#include "querymark/mark/position.hpp"

namespace querymark {

/// One invalidation as the marks see it. A flush has no target.
struct MarkUpdate {
  std::optional<TargetId> target{};
  Position position{};  ///< Zero: nobody knows it yet.

  /// What an intent at `position` of the log does to the marks.
  [[nodiscard]] static MarkUpdate of(const Target& target, Position position = {}) noexcept {
    return {target.is_flush() ? std::nullopt : std::optional(target.id()), position};
  }
  [[nodiscard]] static MarkUpdate everything(Position position = {}) noexcept {
    return {std::nullopt, position};
  }
  [[nodiscard]] bool is_flush() const noexcept { return !target.has_value(); }
};

}  // namespace querymark
