#pragma once  // For users.

#include <cstddef>

namespace querymark {

/// How much of one database the loads of one process may take, so that a flush, or the end of an outage,
/// does not flatten it. It is for loads that others may share, each with the look at the shared tiers
/// before it; `fetch_many` counts as one. Reads that pass the cache by, and reads inside a load, take
/// none of it. A value type.
struct LoadBudget {
  /// So many at a time. Zero: as many as come.
  std::size_t loads = 0;
  /// So many wait for their turn, first come, first served. Who comes on top of that gets an Error that is
  /// `retryable()`, or the old value where the policy's `stale_if_error` has one.
  std::size_t queue = 1000;
};

}  // namespace querymark
