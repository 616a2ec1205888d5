#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace catalogue {

/// What writes did to the answers that an instance held, over some of the writes.
struct Precision {
  std::uint64_t held = 0;         ///< In memory, right before.
  std::uint64_t invalidated = 0;  ///< Of those: no longer served afterwards.
  std::uint64_t needed = 0;       ///< Of those: the database had indeed another answer.
  std::uint64_t stale = 0;        ///< Still served, though the database had another answer.

  Precision& operator+=(const Precision& other) {
    held += other.held;
    invalidated += other.invalidated;
    needed += other.needed;
    stale += other.stale;
    return *this;
  }
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Precision, held, invalidated, needed, stale)

/// By question.
using Precisions = std::map<std::string, Precision>;

inline Precisions& operator+=(Precisions& a, const Precisions& b) {
  for (const auto& [question, precision] : b) a[question] += precision;
  return a;
}

[[nodiscard]] inline Precision sum_of(const Precisions& precisions) {
  Precision sum;
  for (const auto& [question, precision] : precisions) sum += precision;
  return sum;
}

/// What one instance has counted in the exercise.
struct Tally {
  // Its writes.
  std::uint64_t bumps = 0, removals = 0, publications = 0;
  std::uint64_t strangers_writes = 0;  ///< By the session that it has beside it.
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
  Precisions precision;               ///< Of the other's writes.
  Precisions strangers_precision;     ///< Of those of the other's stranger.
  std::uint64_t unproven = 0;         ///< Reads of what could not be analysed.
  std::uint64_t audits_agreed = 0, audits_excused = 0, audits_wrong = 0;
  std::vector<std::string> audit_found;  ///< The SQL of what was wrong.
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Tally, bumps, removals, publications, strangers_writes,
                                   checked_reads, checked_hits, stale_reads_after_wait,
                                   waits_not_satisfied, old_answers_cached, own_checked_reads,
                                   own_stale_reads, memory_hits, file_tier_hits, misses, joined,
                                   late_fills, propagation_ms, not_seen_coming, precision,
                                   strangers_precision, unproven, audits_agreed, audits_excused,
                                   audits_wrong, audit_found)

/// Both instances together.
[[nodiscard]] inline Tally operator+(Tally a, const Tally& b) {
  a.bumps += b.bumps;
  a.removals += b.removals;
  a.publications += b.publications;
  a.strangers_writes += b.strangers_writes;
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
  a.precision += b.precision;
  a.strangers_precision += b.strangers_precision;
  a.unproven += b.unproven;
  a.audits_agreed += b.audits_agreed;
  a.audits_excused += b.audits_excused;
  a.audits_wrong += b.audits_wrong;
  a.audit_found.insert(a.audit_found.end(), b.audit_found.begin(), b.audit_found.end());
  return a;
}

}  // namespace catalogue
