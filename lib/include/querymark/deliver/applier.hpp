#pragma once  // For writers of ports: what a shared tier offers to the worker.

#include <span>
#include <string>

#include "querymark/key/target.hpp"
#include "querymark/mark/position.hpp"

namespace querymark {

/// One invalidation on its way to a shared tier.
struct SharedInvalidation {
  Target target;
  Position position;
};

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
};

}  // namespace querymark
