#pragma once  // For users.

#include <cstddef>
#include <cstdint>

namespace querymark {

/// Counters of one cache since its start, and gauges of now. A plain value.
struct CacheStats {
  // Reads, by what happened.
  std::uint64_t hits = 0;         ///< Served from memory.
  std::uint64_t shared_hits = 0;  ///< Served from a shared tier.
  std::uint64_t misses = 0;       ///< Loaded.
  std::uint64_t joined = 0;       ///< Served by another caller's load.
  std::uint64_t bypassed = 0;     ///< Cache switched off, not trusted, or refused for this read.
  std::uint64_t degraded = 0;     ///< Hits served although freshness could not be claimed (policy).
  std::uint64_t stale = 0;        ///< Served past their ttl (policy).
  std::uint64_t outdated = 0;     ///< Served past an invalidation (policy).
  std::uint64_t refreshes = 0;    ///< Loads in the background that were begun (policy).
  std::uint64_t refreshes_refused = 0;  ///< Those that could not: no room, no executor, no memory.
  std::uint64_t load_failures = 0;
  std::uint64_t untagged = 0;  ///< Loads of cached queries without a tag: only a TTL ends them.
  // Why what was in memory was not served.
  std::uint64_t expired = 0;
  std::uint64_t invalidated = 0;       ///< An invalidation that the entry's stamp does not include.
  std::uint64_t targets_differed = 0;  ///< The call's targets were no subset of the entry's.
  // Shared tiers.
  std::uint64_t shared_stale = 0;  ///< Refused by this process's marks, epoch or floor.
  /// Loads from a replica that this process's marks, epoch or floor refused: they were repeated on the
  /// primary.
  std::uint64_t replica_stale = 0;
  std::uint64_t lease_waits = 0;  ///< Reads that found another process loading the same.
  // Stores.
  std::uint64_t stored = 0;
  std::uint64_t oversize = 0;
  std::uint64_t unwanted = 0;    ///< Loads that the policy's `cache_if` kept from the cache.
  std::uint64_t declined = 0;    ///< Loads whose rows the policy did not keep.
  std::uint64_t late_fills = 0;  ///< Loads that were invalidated before they could be stored.
  std::uint64_t evictions = 0;
  // Gauges.
  std::size_t entries = 0;
  std::size_t entry_bytes = 0;
  std::size_t prefix_bytes = 0;
  std::size_t mark_bytes = 0;
  std::size_t capacity_bytes = 0;
  /// Upper bound of the estimated share of hits on unrelated entries that the marks refuse
  /// (collisions), for an entry with one target that is as old as the mark table.
  double false_invalidation_estimate = 0;
};

}  // namespace querymark
