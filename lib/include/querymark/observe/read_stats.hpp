#pragma once  // For users.

#include <cstdint>
#include <string_view>

#include "querymark/observe/metric.hpp"

namespace querymark {

/// What became of reads since the start. A plain value.
struct ReadStats {
  // Reads, by what happened.
  std::uint64_t hits = 0;         ///< Reads served from memory.
  std::uint64_t shared_hits = 0;  ///< Reads served from a shared tier.
  std::uint64_t misses = 0;       ///< Reads that loaded.
  std::uint64_t joined = 0;       ///< Reads served by another caller's load.
  std::uint64_t bypassed = 0;     ///< Reads past the cache: switched off, not trusted, or refused.
  std::uint64_t degraded = 0;   ///< Hits served although freshness could not be claimed, by policy.
  std::uint64_t stale = 0;      ///< Reads served past their ttl, by policy.
  std::uint64_t outdated = 0;   ///< Reads served past an invalidation, by policy.
  std::uint64_t refreshes = 0;  ///< Loads in the background that were begun, by policy.
  /// Loads in the background that could not be begun: no room, no executor, no memory.
  std::uint64_t refreshes_refused = 0;
  std::uint64_t loads_queued = 0;   ///< Loads that waited for their turn: see LoadBudget.
  std::uint64_t loads_refused = 0;  ///< By a full queue of those, or the query's `break_after`.
  std::uint64_t load_failures = 0;  ///< Loads that threw.
  std::uint64_t untagged = 0;  ///< Loads of cached queries without a tag: only a TTL ends them.
  // Why what was in memory was not served.
  std::uint64_t expired = 0;  ///< Entries in memory that were too old for a read.
  /// Entries in memory that an invalidation had reached which their stamp does not include.
  std::uint64_t invalidated = 0;
  std::uint64_t targets_differed = 0;  ///< Entries in memory that lacked some of a read's targets.
  // Why what others had was not.
  /// Values of shared tiers that this process's marks, epoch or floor refused.
  std::uint64_t shared_stale = 0;
  /// Loads from a replica that this process's marks, epoch or floor refused: they were repeated on
  /// the primary.
  std::uint64_t replica_stale = 0;
  std::uint64_t lease_waits = 0;  ///< Reads that found another process loading the same.
  // What became of loads.
  std::uint64_t stored = 0;      ///< Loads that memory kept.
  std::uint64_t oversize = 0;    ///< Loads that were too large for memory.
  std::uint64_t superseded = 0;  ///< Loads that were not kept: memory has a later value.
  std::uint64_t late_fills = 0;  ///< Loads that were invalidated before they could be stored.
  /// Loads in a snapshot that can't be judged, or is older than an invalidation.
  std::uint64_t not_covered = 0;
  std::uint64_t disabled = 0;        ///< Loads while caching was switched off.
  std::uint64_t lagging = 0;         ///< Loads while the log had not been reached for max_lag.
  std::uint64_t in_transaction = 0;  ///< Loads in a transaction that had written.
  std::uint64_t reentrant = 0;       ///< Loads within the load of the same key.
  /// Loads whose rows imply more targets than a value can carry.
  std::uint64_t too_many_targets = 0;
  std::uint64_t uncacheable = 0;     ///< Loads of what no invalidation speaks of.
  std::uint64_t unwanted = 0;        ///< Loads that the policy's cache_if kept from the cache.
  std::uint64_t audits_agreed = 0;   ///< Hits that were checked, and were what the database has.
  std::uint64_t audits_excused = 0;  ///< That were not, since a write came in between.
  std::uint64_t audits_wrong = 0;    ///< That were not, and nothing told of it.
  std::uint64_t audits_incomparable = 0;  ///< Of a type that can't be compared.
  std::uint64_t unproven = 0;    ///< Loads of queries whose automatic tags can't be found out.
  std::uint64_t unverified = 0;  ///< Copies served that `untracked_ok` alone has kept.
  std::uint64_t declined = 0;    ///< Loads whose rows the policy did not keep.

  /// Hits that were checked, and could be compared.
  [[nodiscard]] std::uint64_t audited() const noexcept {
    return audits_agreed + audits_excused + audits_wrong;
  }
  /// The share of wrong hits is below this, with 95 % confidence, as far as the audits show: the exact bound of Clopper
  /// and Pearson over those that agreed or were wrong; 3 / n, the rule of three, where none was wrong. One without any.
  [[nodiscard]] double audit_bound() const noexcept;
  /// How many nines that proves: 3 for 99.9 % of the hits.
  [[nodiscard]] std::uint64_t audit_nines() const noexcept;
  /// Answered, however.
  [[nodiscard]] std::uint64_t reads() const noexcept { return saved() + misses + bypassed; }
  /// Answered without a load of their own.
  [[nodiscard]] std::uint64_t saved() const noexcept {
    return hits + degraded + shared_hits + joined + stale + outdated;
  }
};

template <>
struct MetricsOf<ReadStats> {
  static constexpr std::string_view kGroup = "reads";
  template <class Visit>
  static void visit(const ReadStats& stats, Visit&& visit) {
    visit({"hits", "Reads served from memory."}, stats.hits);
    visit({"shared_hits", "Reads served from a shared tier."}, stats.shared_hits);
    visit({"misses", "Reads that loaded."}, stats.misses);
    visit({"joined", "Reads served by another caller's load."}, stats.joined);
    visit({"bypassed", "Reads past the cache: switched off, not trusted, or refused."},
          stats.bypassed);
    visit({"degraded", "Hits served although freshness could not be claimed, by policy."},
          stats.degraded);
    visit({"stale", "Reads served past their ttl, by policy."}, stats.stale);
    visit({"outdated", "Reads served past an invalidation, by policy."}, stats.outdated);
    visit({"refreshes", "Loads in the background that were begun, by policy."}, stats.refreshes);
    visit({"refreshes_refused",
           "Loads in the background that could not be begun: no room, no executor, no memory."},
          stats.refreshes_refused);
    visit({"loads_queued", "Loads that waited for their turn."}, stats.loads_queued);
    visit({"loads_refused", "Reads that were not to load: a full queue, or a query that fails."},
          stats.loads_refused);
    visit({"load_failures", "Loads that threw."}, stats.load_failures);
    visit({"untagged", "Loads of cached queries without a tag: only a TTL ends them."},
          stats.untagged);
    visit({"expired", "Entries in memory that were too old for a read."}, stats.expired);
    visit(
        {"invalidated",
         "Entries in memory that an invalidation had reached which their stamp does not include."},
        stats.invalidated);
    visit({"targets_differed", "Entries in memory that lacked some of a read's targets."},
          stats.targets_differed);
    visit({"shared_stale",
           "Values of shared tiers that this process's marks, epoch or floor refused."},
          stats.shared_stale);
    visit({"replica_stale",
           "Loads from a replica that this process's marks, epoch or floor refused: they were "
           "repeated on the primary."},
          stats.replica_stale);
    visit({"lease_waits", "Reads that found another process loading the same."}, stats.lease_waits);
    visit({"stored", "Loads that memory kept."}, stats.stored);
    visit({"oversize", "Loads that were too large for memory."}, stats.oversize);
    visit({"superseded", "Loads that were not kept: memory has a later value."}, stats.superseded);
    visit({"late_fills", "Loads that were invalidated before they could be stored."},
          stats.late_fills);
    visit({"not_covered",
           "Loads in a snapshot that can't be judged, or is older than an invalidation."},
          stats.not_covered);
    visit({"disabled", "Loads while caching was switched off."}, stats.disabled);
    visit({"lagging", "Loads while the log had not been reached for max_lag."}, stats.lagging);
    visit({"in_transaction", "Loads in a transaction that had written."}, stats.in_transaction);
    visit({"reentrant", "Loads within the load of the same key."}, stats.reentrant);
    visit({"too_many_targets", "Loads whose rows imply more targets than a value can carry."},
          stats.too_many_targets);
    visit({"uncacheable", "Loads of what no invalidation speaks of."}, stats.uncacheable);
    visit({"audits_agreed", "Hits that were checked, and were what the database has."},
          stats.audits_agreed);
    visit({"audits_excused", "Hits that were checked while a write changed their rows."},
          stats.audits_excused);
    visit({"audits_wrong", "Hits that were checked, and that the database contradicts."},
          stats.audits_wrong);
    visit({"audits_incomparable", "Hits whose type can't be compared."}, stats.audits_incomparable);
    visit({"audited", "Hits that were checked, and could be compared."}, stats.audited());
    visit({"audit_bound",
           "The share of wrong hits is below this, with 95 % confidence, as far as audits show.",
           MetricKind::gauge, MetricUnit::ratio},
          stats.audit_bound());
    visit({"audit_nines", "How many nines that proves.", MetricKind::gauge}, stats.audit_nines());
    visit({"unproven", "Loads of queries whose automatic tags can't be found out."},
          stats.unproven);
    visit({"unverified", "Copies served that untracked_ok alone has kept."}, stats.unverified);
    visit({"unwanted", "Loads that the policy's cache_if kept from the cache."}, stats.unwanted);
    visit({"declined", "Loads whose rows the policy did not keep."}, stats.declined);
  }
};

}  // namespace querymark
