#pragma once  // For users.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "querymark/observe/latency.hpp"
#include "querymark/observe/metric.hpp"
#include "querymark/observe/read_stats.hpp"

namespace querymark {

/// What is counted of one query, or of those that share a name. A plain value.
struct QueryStats {
  std::string name{};
  ReadStats reads{};
  LatencyStats loads{};       ///< How long the database took, failures included.
  LatencyStats waits{};       ///< How long a caller waited for another's load, here or elsewhere.
  LatencyStats tier_reads{};  ///< How long a shared tier took to answer.
  // Gauges, of memory.
  std::uint64_t entries = 0;
  std::uint64_t entry_bytes = 0;

  /// The part of the reads that caused no load of their own. Zero of none.
  [[nodiscard]] double hit_ratio() const noexcept {
    const std::uint64_t all = reads.reads();
    return all == 0 ? 0 : static_cast<double>(reads.saved()) / static_cast<double>(all);
  }
  /// What these would have taken the database, by the mean of the loads that there were.
  [[nodiscard]] std::chrono::duration<double> saved_time() const noexcept {
    return std::chrono::duration<double>(loads.mean()) * static_cast<double>(reads.saved());
  }
};

template <>
struct MetricsOf<QueryStats> {
  static constexpr std::string_view kGroup = "query";
  template <class Visit>
  static void visit(const QueryStats& stats, Visit&& visit) {
    using enum MetricKind;
    using enum MetricUnit;
    visit({"query", "", label}, stats.name);
    MetricsOf<ReadStats>::visit(stats.reads, visit);
    visit({"load", "How long the database took, failures included.", histogram, seconds},
          stats.loads);
    visit({"wait", "How long callers waited for another's load.", histogram, seconds}, stats.waits);
    visit({"tier_read", "How long shared tiers took to answer.", histogram, seconds},
          stats.tier_reads);
    visit({"entries", "Entries in memory.", gauge}, stats.entries);
    visit({"entry_bytes", "Bytes of the entries in memory.", gauge, bytes}, stats.entry_bytes);
    visit({"hit_ratio", "The part of the reads that caused no load.", gauge, ratio},
          stats.hit_ratio());
    visit({"saved", "What these would have taken the database.", gauge, seconds},
          stats.saved_time());
  }
};

}  // namespace querymark
