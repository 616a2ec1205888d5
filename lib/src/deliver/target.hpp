#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "querymark/deliver/applier.hpp"
#include "querymark/deliver/retry_policy.hpp"

namespace querymark {

/// What the target made of one invalidation.
struct TargetVerdict {
  enum class Is : std::uint8_t {
    applied,
    poison,  ///< It fails while others succeed.
    outage,  ///< The target takes nothing at all.
    skipped  ///< Not tried: the target was found to be down before.
  } is = Is::applied;
  FailureKind kind = FailureKind::retriable;  ///< Of poison.
  std::string error;
};

/// A shared target, asked so that a failure is known for what it is: after each one a control
/// operation decides whether the target is down or the invalidation is poison.
class TargetProbe {
 public:
  explicit TargetProbe(Applier& applier) : applier_(applier) {}

  /// Applies all, in as few calls as go well: a failing batch is halved until the culprits stand
  /// alone. One verdict each; from the first outage on the rest is skipped.
  [[nodiscard]] std::vector<TargetVerdict> apply(Epoch epoch,
                                                 std::span<const SharedInvalidation> batch);
  /// The same one by one, so that an outage names the row at which it came.
  [[nodiscard]] TargetVerdict apply_one(Epoch epoch, const SharedInvalidation& invalidation);
  /// Nothing when the target works; else why not.
  [[nodiscard]] std::string control(Epoch epoch) noexcept;
  /// Does `work` with the target's relay, if it has one. Nothing when that went well; else why not.
  [[nodiscard]] std::string relayed(const std::function<void(Relay&)>& work);

 private:
  // False: the target is down, and nothing more is to be tried.
  bool apply_span(Epoch epoch, std::span<const SharedInvalidation> batch,
                  std::span<TargetVerdict> out);

  Applier& applier_;
};

}  // namespace querymark
