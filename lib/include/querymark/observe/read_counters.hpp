#pragma once  // For the library itself.

#include <atomic>
#include <cstdint>

#include "querymark/observe/counter.hpp"
#include "querymark/observe/read_stats.hpp"

namespace querymark {

/// What the reads of one query count. Thread-safe. What each hit counts is striped; the rest is
/// counted by what takes microseconds anyway.
struct ReadCounters {
  using Count = std::atomic<std::uint64_t>;

  /// Returns the thread's number of it, if it is one of the first threads; else that of all others.
  std::uint64_t hit() noexcept { return in_memory.add<0>(); }
  void degraded_hit() noexcept { in_memory.add<1>(); }
  void add_to(ReadStats& stats) const noexcept;

  StripedCounters<2> in_memory;
  Count shared_hits{0}, misses{0}, joined{0}, bypassed{0}, stale{0}, outdated{0};
  Count refreshes{0}, refreshes_refused{0}, loads_queued{0}, loads_refused{0}, load_failures{0},
      untagged{0};
  Count expired{0}, invalidated{0}, targets_differed{0};
  Count shared_stale{0}, replica_stale{0}, lease_waits{0};
  Count stored{0}, oversize{0}, superseded{0}, late_fills{0}, not_covered{0}, disabled{0},
      lagging{0}, in_transaction{0}, reentrant{0}, too_many_targets{0}, uncacheable{0}, unwanted{0},
      unproven{0}, unverified{0}, audits_agreed{0}, audits_excused{0}, audits_wrong{0},
      audits_incomparable{0}, declined{0};
};

}  // namespace querymark
