#pragma once  // For users.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/observe/metric.hpp"

namespace querymark {

/// One key or tag of those that something happens to most often. A plain value.
struct HotSpot {
  std::string query{};  ///< What the key's query is counted under; empty for a tag.
  /// The parameters of the key, or the name of its value, by their beginning; or the tag: `entity product:7`.
  std::string what{};
  std::uint64_t count = 0;  ///< About how often, since the start: never too low.
  std::uint64_t error = 0;  ///< By how much `count` may be too high at most.
};

template <>
struct MetricsOf<HotSpot> {
  static constexpr std::string_view kGroup = "hot";
  template <class Visit>
  static void visit(const HotSpot& spot, Visit&& visit) {
    using enum MetricKind;
    visit({"query", "", label}, spot.query);
    visit({"what", "", label}, spot.what);
    visit({"count", "How often it was read, missed or invalidated, about, as `of` says.", gauge},
          spot.count);
    visit({"error", "By how much the count may be too high.", gauge}, spot.error);
  }
};

/// The hot spots of a cache, the hottest first.
struct HotStats {
  std::vector<HotSpot>
      reads{};  ///< Keys that memory serves; of about a thousand hits one is counted, for all.
  std::vector<HotSpot> misses{};   ///< Keys that were loaded.
  std::vector<HotSpot> deaths{};   ///< Keys whose value in memory a read found invalidated.
  std::vector<HotSpot> killers{};  ///< Tags whose invalidation had reached these.
};

}  // namespace querymark
