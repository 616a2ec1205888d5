#include "querymark/observe/metric.hpp"

namespace querymark {
namespace {

std::string_view suffix_of(MetricUnit unit) noexcept {
  switch (unit) {
    case MetricUnit::bytes:
      return "bytes";
    case MetricUnit::seconds:
      return "seconds";
    case MetricUnit::none:
    case MetricUnit::ratio:
      break;
  }
  return {};
}

}  // namespace

std::string prometheus_name(const Metric& metric) {
  std::string name("querymark_");
  name.append(metric.group).append("_").append(metric.name);
  const std::string_view unit = suffix_of(metric.unit);
  if (!unit.empty() && !metric.name.ends_with(unit)) name.append("_").append(unit);
  if (metric.kind == MetricKind::counter) name.append("_total");
  return name;
}

std::string open_telemetry_name(const Metric& metric) {
  std::string name("querymark.");
  return name.append(metric.group).append(".").append(metric.name);
}

std::string open_telemetry_unit(const Metric& metric) {
  switch (metric.unit) {
    case MetricUnit::bytes:
      return "By";
    case MetricUnit::seconds:
      return "s";
    case MetricUnit::ratio:
      return "1";
    case MetricUnit::none:
      break;
  }
  std::string counted("{");
  return counted.append(metric.name).append("}");
}

}  // namespace querymark
