#pragma once  // For users.

#include <cstddef>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "querymark/observe/metric.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

/// Asks for the value of one number now. Any thread may call it, as long as what its stats are read from
/// lives.
using MetricReader = std::function<MetricValue()>;

namespace detail {

/// Stats that are read once for all the numbers of one collection: anew when a number is asked for that
/// the last reading has given already.
template <class Stats>
class SharedReading {
 public:
  SharedReading(std::function<Stats()> read, std::size_t numbers)
      : read_(std::move(read)), given_(numbers, true) {}

  [[nodiscard]] MetricValue value(std::size_t number) {
    const MutexLock lock(mutex_);
    if (given_[number]) {
      std::vector<MetricValue> values;
      visit_metrics(read_(), [&](const Metric& /*metric*/, MetricValue value) {
        values.push_back(std::move(value));
      });
      values_ = std::move(values);
      given_.assign(given_.size(), false);
    }
    given_[number] = true;
    return values_[number];
  }

 private:
  Mutex mutex_;  // one reading at a time
  const std::function<Stats()> read_;
  std::vector<bool> given_ QUERYMARK_GUARDED_BY(mutex_);
  std::vector<MetricValue> values_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace detail

/// For OpenTelemetry and what works like it, where each instrument has a callback: calls
/// `instrument(const Metric&, MetricReader)` once for each number of the stats that `read` returns. The
/// numbers that one collection asks for are those of one reading. `read` is called by them under a
/// mutex of theirs, and once here to learn what there is.
///
///     qm::observe_stats([&cache] { return cache.stats(); }, [&](const qm::Metric& metric, auto value) {
///       meter.observe(qm::open_telemetry_name(metric), metric.help,
///                     qm::open_telemetry_unit(metric), std::move(value));
///     });
template <class Read, class Instrument>
  requires HasMetrics<std::invoke_result_t<Read&>>
void observe_stats(Read read, Instrument&& instrument) {
  using Stats = std::invoke_result_t<Read&>;
  std::vector<Metric> metrics;
  visit_metrics(read(), [&](const Metric& metric, const MetricValue& /*value*/) {
    metrics.push_back(metric);
  });
  const auto shared =
      std::make_shared<detail::SharedReading<Stats>>(std::move(read), metrics.size());
  for (std::size_t i = 0; i < metrics.size(); ++i)
    if (metrics[i].kind == MetricKind::counter || metrics[i].kind == MetricKind::gauge)
      instrument(std::as_const(metrics[i]), MetricReader([shared, i] { return shared->value(i); }));
}

}  // namespace querymark
