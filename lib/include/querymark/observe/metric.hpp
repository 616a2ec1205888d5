#pragma once  // For users.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "querymark/observe/latency.hpp"

namespace querymark {

enum class MetricKind : std::uint8_t {
  counter,    ///< Only grows, from zero at the start of what counts.
  gauge,      ///< Of now.
  histogram,  ///< Of times.
  text,       ///< For people, such as the last error.
  label,      ///< A text that names what the others of its struct speak of.
};

enum class MetricUnit : std::uint8_t { none, bytes, seconds, ratio };

/// What one number of a stats struct is. Its texts are literals.
struct Metric {
  std::string_view name;  ///< That of the field: lower case, digits, `_`.
  std::string_view help;  ///< One sentence.
  MetricKind kind = MetricKind::counter;
  MetricUnit unit = MetricUnit::none;
  std::string_view
      group{};  ///< What its struct speaks of, such as `cache`; filled in by visit_metrics.
};

/// A number as it is counted, seconds and ratios as a double, texts, histograms.
using MetricValue = std::variant<std::uint64_t, double, std::string, LatencyStats>;

/// The one list of what a stats struct holds, specialised beside it. Each format is made from it: JSON,
/// Prometheus' text, callbacks. Its members:
///
///     static constexpr std::string_view kGroup = "cache";
///     template <class Visit>
///     static void visit(const CacheStats& stats, Visit&& visit) {
///       visit({"hits", "Served from memory."}, stats.hits);
///       visit({"entries", "In memory.", MetricKind::gauge}, stats.entries);
///     }
///
/// Labels come first.
template <class Stats>
struct MetricsOf;

template <class Stats>
concept HasMetrics = requires {
  { MetricsOf<Stats>::kGroup } -> std::convertible_to<std::string_view>;
};

namespace detail {

template <class Value>
[[nodiscard]] MetricValue metric_value(const Value& value) {
  if constexpr (std::is_same_v<Value, LatencyStats>)
    return value;
  else if constexpr (std::is_convertible_v<Value, std::string_view>)
    return std::string(std::string_view(value));
  else if constexpr (std::is_floating_point_v<Value>)
    return static_cast<double>(value);
  else if constexpr (std::is_integral_v<Value>)
    return static_cast<std::uint64_t>(value);
  else
    return std::chrono::duration<double>(value).count();
}

}  // namespace detail

/// Calls `visit(const Metric&, MetricValue)` for each field, in order.
template <HasMetrics Stats, class Visit>
void visit_metrics(const Stats& stats, Visit&& visit) {
  MetricsOf<Stats>::visit(stats, [&](Metric metric, const auto& value) {
    metric.group = MetricsOf<Stats>::kGroup;
    visit(std::as_const(metric), detail::metric_value(value));
  });
}

/// `querymark_cache_hits_total`, `querymark_database_horizon_age_seconds`.
[[nodiscard]] std::string prometheus_name(const Metric& metric);
/// `querymark.cache.hits`, `querymark.database.horizon_age`.
[[nodiscard]] std::string open_telemetry_name(const Metric& metric);
/// As OpenTelemetry spells it: `By`, `s`, `1`; of what is just counted, the name in braces: `{hits}`.
[[nodiscard]] std::string open_telemetry_unit(const Metric& metric);

}  // namespace querymark
