#pragma once  // For users.

#include <cstddef>
#include <cstdint>

#include "querymark/observe/metric.hpp"

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
  std::uint64_t loads_queued = 0;       ///< Loads that waited for their turn: see LoadBudget.
  std::uint64_t loads_refused = 0;      ///< By a full queue of those, or the query's `break_after`.
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

template <>
struct MetricsOf<CacheStats> {
  static constexpr std::string_view kGroup = "cache";
  template <class Visit>
  static void visit(const CacheStats& stats, Visit&& visit) {
    using enum MetricKind;
    using enum MetricUnit;
    visit({"hits", "Reads served from memory."}, stats.hits);
    visit({"shared_hits", "Reads served from a shared tier."}, stats.shared_hits);
    visit({"misses", "Reads that loaded."}, stats.misses);
    visit({"joined", "Reads served by another caller's load."}, stats.joined);
    visit({"bypassed", "Reads past the cache: switched off, not trusted, or refused."},
          stats.bypassed);
    visit({"degraded", "Hits served although freshness could not be claimed."}, stats.degraded);
    visit({"stale", "Reads served past their ttl, by policy."}, stats.stale);
    visit({"outdated", "Reads served past an invalidation, by policy."}, stats.outdated);
    visit({"refreshes", "Loads in the background that were begun."}, stats.refreshes);
    visit({"refreshes_refused", "Loads in the background that could not be begun."},
          stats.refreshes_refused);
    visit({"loads_queued", "Loads that waited for their turn."}, stats.loads_queued);
    visit({"loads_refused", "Reads that were not to load: a full queue, or a query that fails."},
          stats.loads_refused);
    visit({"load_failures", "Loads that threw."}, stats.load_failures);
    visit({"untagged", "Loads of cached queries without a tag."}, stats.untagged);
    visit({"expired", "Entries in memory that were too old for a read."}, stats.expired);
    visit({"invalidated", "Entries in memory that an invalidation had reached."},
          stats.invalidated);
    visit({"targets_differed", "Entries in memory that lacked some of a read's targets."},
          stats.targets_differed);
    visit({"shared_stale", "Values of shared tiers that this process's marks refused."},
          stats.shared_stale);
    visit({"replica_stale", "Loads from a replica that were repeated on the primary."},
          stats.replica_stale);
    visit({"lease_waits", "Reads that found another process loading the same."}, stats.lease_waits);
    visit({"stored", "Loads that memory kept."}, stats.stored);
    visit({"oversize", "Loads that were too large for memory."}, stats.oversize);
    visit({"unwanted", "Loads that the policy's cache_if kept from the cache."}, stats.unwanted);
    visit({"declined", "Loads whose rows the policy did not keep."}, stats.declined);
    visit({"late_fills", "Loads that were invalidated before they could be stored."},
          stats.late_fills);
    visit({"evictions", "Entries that had to make room."}, stats.evictions);
    visit({"entries", "Entries in memory.", gauge}, stats.entries);
    visit({"entry_bytes", "Bytes of the entries in memory.", gauge, bytes}, stats.entry_bytes);
    visit({"prefix_bytes", "Bytes of the queries in use.", gauge, bytes}, stats.prefix_bytes);
    visit({"mark_bytes", "Bytes of the mark tables.", gauge, bytes}, stats.mark_bytes);
    visit({"capacity_bytes", "Bytes that the cache may take.", gauge, bytes}, stats.capacity_bytes);
    visit({"false_invalidation_estimate",
           "Upper bound of the share of hits that collisions of marks refuse.", gauge, ratio},
          stats.false_invalidation_estimate);
  }
};

}  // namespace querymark
