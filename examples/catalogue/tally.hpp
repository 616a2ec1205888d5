#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <vector>

namespace catalogue {

/// What one instance has counted in the exercise.
struct Tally {
  // Its writes.
  std::uint64_t bumps = 0, removals = 0, publications = 0;
  // Its reads of what the other has just written, each compared with the database.
  std::uint64_t checked_reads = 0, checked_hits = 0, stale_reads_after_wait = 0;
  std::uint64_t waits_not_satisfied = 0;
  std::uint64_t old_answers_cached = 0;  ///< Held in memory right before the other's write.
  // Its reads of what it has just written itself, compared likewise.
  std::uint64_t own_checked_reads = 0, own_stale_reads = 0;
  // Its cache, over all reads, also those of the visitors.
  std::uint64_t memory_hits = 0, file_tier_hits = 0, misses = 0, joined = 0, late_fills = 0;
  /// Milliseconds from just before the other's COMMIT to the moment when this instance's answers
  /// included it.
  std::vector<double> propagation_ms;
  std::uint64_t not_seen_coming = 0;  ///< Writes that only the wait made visible.
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Tally, bumps, removals, publications, checked_reads,
                                   checked_hits, stale_reads_after_wait, waits_not_satisfied,
                                   old_answers_cached, own_checked_reads, own_stale_reads,
                                   memory_hits, file_tier_hits, misses, joined, late_fills,
                                   propagation_ms, not_seen_coming)

/// Both instances together.
[[nodiscard]] inline Tally operator+(Tally a, const Tally& b) {
  a.bumps += b.bumps;
  a.removals += b.removals;
  a.publications += b.publications;
  a.checked_reads += b.checked_reads;
  a.checked_hits += b.checked_hits;
  a.stale_reads_after_wait += b.stale_reads_after_wait;
  a.waits_not_satisfied += b.waits_not_satisfied;
  a.old_answers_cached += b.old_answers_cached;
  a.own_checked_reads += b.own_checked_reads;
  a.own_stale_reads += b.own_stale_reads;
  a.memory_hits += b.memory_hits;
  a.file_tier_hits += b.file_tier_hits;
  a.misses += b.misses;
  a.joined += b.joined;
  a.late_fills += b.late_fills;
  a.propagation_ms.insert(a.propagation_ms.end(), b.propagation_ms.begin(), b.propagation_ms.end());
  a.not_seen_coming += b.not_seen_coming;
  return a;
}

}  // namespace catalogue
