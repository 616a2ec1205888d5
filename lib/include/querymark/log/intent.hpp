#pragma once  // For users.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/key/target.hpp"
#include "querymark/support/distinct.hpp"

namespace querymark {

/// The intents of one write transaction: what it will have made stale, and why. Equal targets
/// collapse, so a batch holds each target once. Not thread-safe.
class IntentBatch {
 public:
  IntentBatch() = default;
  /// Throws as `reason` does.
  explicit IntentBatch(std::string text) { reason(std::move(text)); }

  /// Adds a target unless an equal one is there. Takes the same time whatever the batch holds.
  IntentBatch& add(Target target);
  /// Sets what operators see in the log: "price import". At most 500 bytes of UTF-8; throws
  /// ConfigError.
  IntentBatch& reason(std::string text);

  [[nodiscard]] const std::vector<Target>& targets() const noexcept { return targets_.values(); }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }
  [[nodiscard]] bool empty() const noexcept { return targets_.empty(); }
  [[nodiscard]] std::size_t size() const noexcept { return targets_.size(); }

 private:
  struct IdOf {
    [[nodiscard]] std::size_t operator()(const Target& target) const noexcept {
      return static_cast<std::size_t>(target.id());
    }
  };
  Distinct<Target, IdOf> targets_;
  std::string reason_;
};

}  // namespace querymark
