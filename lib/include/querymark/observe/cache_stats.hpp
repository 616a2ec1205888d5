#pragma once  // For users.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "querymark/observe/metric.hpp"
#include "querymark/observe/read_stats.hpp"

namespace querymark {

/// Counters of one cache since its start, and gauges of now. A plain value.
struct CacheStats : ReadStats {
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
    MetricsOf<ReadStats>::visit(stats, visit);
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
