#pragma once

#include <atomic>
#include <cstdint>

#include "querymark/observe/cache_stats.hpp"
#include "querymark/observe/counter.hpp"

// For the read path alone; here because CacheCore holds it.

namespace querymark {

/// What the reads of one cache count. Thread-safe. `hits` and `degraded` are counted by each hit
/// and so striped; the others by what takes microseconds anyway.
struct ReadCounters {
  StripedCounter hits, degraded;
  std::atomic<std::uint64_t> shared_hits{0}, misses{0}, joined{0}, bypassed{0}, load_failures{0};
  std::atomic<std::uint64_t> expired{0}, invalidated{0}, targets_differed{0}, shared_stale{0},
      replica_stale{0}, untagged{0}, lease_waits{0}, stale{0}, outdated{0}, unwanted{0},
      declined{0}, refreshes{0}, refreshes_refused{0}, loads_queued{0}, loads_refused{0};
  std::atomic<std::uint64_t> stored{0}, oversize{0}, late_fills{0};

  void copy_to(CacheStats& stats) const;
};

}  // namespace querymark
