#pragma once  // For writers of ports.

#include "querymark/key/target.hpp"
#include "querymark/mark/position.hpp"

namespace querymark {

/// One invalidation on its way to a shared tier.
struct SharedInvalidation {
  Target target;
  Position position;
  /// Of several for equal targets, which are one here: the first one's; `position` is the last's.
  Position first_position;
};

}  // namespace querymark
