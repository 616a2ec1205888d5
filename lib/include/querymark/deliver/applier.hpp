#pragma once  // For writers of ports: what a shared tier offers to the worker.

#include <span>
#include <string>

#include "querymark/log/shared_invalidation.hpp"

namespace querymark {

/// A shared tier as the worker sees it.
class Applier {
 public:
  virtual ~Applier() = default;
  /// Stable identity of the target: the name of its consumer in the log.
  [[nodiscard]] virtual std::string name() const = 0;
  /// Removes what the invalidations hit, all of them or (by throwing) possibly only some; applying
  /// again must be harmless. Values stamped above an invalidation's position may stay. Blocks on
  /// I/O.
  virtual void apply(Epoch epoch, std::span<const SharedInvalidation> invalidations) = 0;
  /// Asks the target for what hits nothing, by the same commands as `apply`: throws when it takes
  /// nothing at the moment, so that a failure of `apply` is known for an outage, or else for the
  /// invalidation's own. Blocks on I/O.
  virtual void control(Epoch epoch) {
    const SharedInvalidation nothing{key_named("querymark control"), {}, {}};
    apply(epoch, {&nothing, 1});
  }
};

}  // namespace querymark
