#pragma once  // For users.

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "querymark/observe/metric.hpp"

namespace querymark {

/// What numbers of one kind are told apart by: {"cache", "shop"}.
struct MetricLabel {
  std::string name;
  std::string value;

  friend bool operator==(const MetricLabel&, const MetricLabel&) = default;
};
using MetricLabels = std::vector<MetricLabel>;

/// Stats of one moment, to be written out in one text:
///
///     qm::Metrics metrics;
///     metrics.add(cache.stats(), {{"cache", cache.name()}}).add(db.stats(), {{"database", "shop"}});
///     std::string page = metrics.prometheus();
///
/// Labels may hold any bytes: what is no UTF-8 is written as `\xNN`. What was added twice under the same
/// labels counts as one: numbers are added up, of ages and ratios the greater one counts. A value type;
/// for one thread at a time.
class Metrics {
 public:
  /// Throws ConfigError for a label whose name is none (letters, digits, `_`, no digit first, not two
  /// `_` first, not `le` or `quantile`), or that is given twice.
  template <HasMetrics Stats>
  Metrics& add(const Stats& stats, MetricLabels labels = {}) {
    Row row{MetricsOf<Stats>::kGroup, std::move(labels), {}};
    visit_metrics(stats, [&](const Metric& metric, MetricValue value) {
      take(row, metric, std::move(value));
    });
    add_row(std::move(row));
    return *this;
  }

  /// Prometheus' text format, version 0.0.4, as `text/plain; version=0.0.4; charset=utf-8`. Of a text it
  /// says whether there is one: 1 or 0. A histogram has buckets that end at powers of two of a microsecond; one
  /// that has counted nothing is left out.
  [[nodiscard]] std::string prometheus() const;
  /// `{"cache":[{"labels":{"cache":"shop"},"hits":7,...}],...}`: one object per struct that was added.
  /// Seconds as numbers, under names that end in `_seconds`; of a histogram its count, its sum and quantiles.
  [[nodiscard]] std::string json() const;

  /// That content type.
  static constexpr std::string_view kPrometheusType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Number {
    Metric metric;
    MetricValue value;
  };
  struct Row {
    std::string_view group;
    MetricLabels labels;
    std::vector<Number> values;
  };
  static void take(Row& row, const Metric& metric, MetricValue value);
  void add_row(Row row);
  static void add_up(Row& known, const Row& more);
  static void append_values(std::string& text, const Row& row, std::string_view before);
  template <HasMetrics Stats>
  friend std::string to_json(const Stats& stats);
  [[nodiscard]] std::string one_json() const;

  std::vector<Row> rows_;
};

/// One struct as one object: `{"hits":7,...}`.
template <HasMetrics Stats>
[[nodiscard]] std::string to_json(const Stats& stats) {
  return Metrics().add(stats).one_json();
}
/// One struct as Prometheus' text.
template <HasMetrics Stats>
[[nodiscard]] std::string to_prometheus(const Stats& stats, MetricLabels labels = {}) {
  return Metrics().add(stats, std::move(labels)).prometheus();
}

}  // namespace querymark
