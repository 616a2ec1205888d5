#include "querymark/observe/metrics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "escape.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/spelt.hpp"

namespace querymark {
namespace {

bool is_label_name(std::string_view name) noexcept {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
  constexpr std::string_view kAll =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  return !name.empty() && kLetters.find(name.front()) != std::string_view::npos &&
         name.find_first_not_of(kAll) == std::string_view::npos && !name.starts_with("__") &&
         name != "le" && name != "quantile";
}

void require_labels(const MetricLabels& labels) {
  for (auto at = labels.begin(); at != labels.end(); ++at) {
    if (!is_label_name(at->name))
      throw ConfigError(fmt::format("\"{}\" can't be the name of a label", at->name));
    if (std::any_of(labels.begin(), at, [&](const auto& one) { return one.name == at->name; }))
      throw ConfigError(fmt::format("the label \"{}\" is given twice", at->name));
  }
}

// 1 or 0 for a text.
std::string prometheus_number(const MetricValue& value) {
  if (const auto* count = std::get_if<std::uint64_t>(&value)) return std::to_string(*count);
  if (const auto* text = std::get_if<std::string>(&value)) return text->empty() ? "0" : "1";
  const double number = std::get<double>(value);
  if (std::isnan(number)) return "NaN";
  if (std::isinf(number)) return number > 0 ? "+Inf" : "-Inf";
  return fmt::format("{}", number);
}

double in_seconds(std::chrono::nanoseconds time) noexcept {
  return std::chrono::duration<double>(time).count();
}

std::string json_histogram(const LatencyStats& times) {
  std::string text =
      fmt::format(R"({{"count":{},"sum_seconds":{})", times.count(), in_seconds(times.total));
  for (const auto& [name, part] : {std::pair("p50", 0.5), std::pair("p90", 0.9),
                                   std::pair("p99", 0.99), std::pair("max", 1.0)})
    text.append(fmt::format(R"(,"{}_seconds":{})", name, in_seconds(times.quantile(part))));
  return text.append("}");
}

std::string json_value(const MetricValue& value) {
  if (const auto* times = std::get_if<LatencyStats>(&value)) return json_histogram(*times);
  if (const auto* count = std::get_if<std::uint64_t>(&value)) return std::to_string(*count);
  if (const auto* text = std::get_if<std::string>(&value)) return detail::json_string(*text);
  const double number = std::get<double>(value);
  return std::isfinite(number) ? fmt::format("{}", number) : "null";
}

std::string json_name(const Metric& metric) {
  std::string name(metric.name);
  if (metric.kind == MetricKind::histogram) return name;
  if (metric.unit == MetricUnit::seconds && !name.ends_with("seconds")) name.append("_seconds");
  return name;
}

std::string json_labels(const MetricLabels& labels) {
  std::string text;
  for (const MetricLabel& label : labels) {
    if (!text.empty()) text.append(",");
    text.append(detail::json_string(label.name)).append(":");
    text.append(detail::json_string(label.value));
  }
  return text;
}

std::string prometheus_labels(const MetricLabels& labels) {
  if (labels.empty()) return {};
  std::string text("{");
  for (const MetricLabel& label : labels) {
    if (text.size() > 1) text.append(",");
    text.append(label.name).append("=").append(detail::prometheus_string(label.value));
  }
  return text.append("}");
}

MetricValue together(const Metric& metric, const MetricValue& a, const MetricValue& b) {
  if (const auto* count = std::get_if<std::uint64_t>(&a))
    return *count + std::get<std::uint64_t>(b);
  if (const auto* text = std::get_if<std::string>(&a)) return text->empty() ? b : a;
  if (const auto* times = std::get_if<LatencyStats>(&a))
    return LatencyStats(*times) += std::get<LatencyStats>(b);
  const double x = std::get<double>(a);
  const double y = std::get<double>(b);
  return metric.kind == MetricKind::counter ? x + y : std::max(x, y);
}

// The buckets that end at a power of two: what a label of a database costs is paid for each of them.
std::string prometheus_histogram(const std::string& name, const MetricLabels& labels,
                                 const LatencyStats& times) {
  const std::string own = prometheus_labels(labels);
  std::string before = own.empty() ? "{" : own.substr(0, own.size() - 1) + ",";
  std::string lines;
  std::uint64_t sum = 0;
  for (std::size_t bucket = 0; bucket < times.counts.size(); ++bucket) {
    sum += times.counts[bucket];
    const auto bound = LatencyStats::bound(bucket);
    const bool last = bucket + 1 == times.counts.size();  // it has no end
    if (!last && std::has_single_bit(static_cast<std::uint64_t>(bound.count())))
      lines.append(
          fmt::format("{}_bucket{}le=\"{}\"}} {}\n", name, before, in_seconds(bound), sum));
  }
  lines.append(fmt::format("{}_bucket{}le=\"+Inf\"}} {}\n", name, before, sum));
  lines.append(fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, own, in_seconds(times.total), name,
                           own, sum));
  return lines;
}

std::string_view type_of(const Metric& metric) noexcept {
  if (metric.kind == MetricKind::histogram) return "histogram";
  return metric.kind == MetricKind::counter ? "counter" : "gauge";
}

// All of one name, which Prometheus wants side by side.
struct Family {
  Metric metric;
  std::string lines{};
};

}  // namespace

void Metrics::take(Row& row, const Metric& metric, MetricValue value) {
  if (metric.kind == MetricKind::label)
    row.labels.push_back({std::string(metric.name), std::get<std::string>(std::move(value))});
  else
    row.values.push_back({metric, std::move(value)});
}

void Metrics::add_row(Row row) {
  require_labels(row.labels);
  for (MetricLabel& label : row.labels) label.value = spelt(label.value, Letters::all);
  for (Number& one : row.values)
    if (auto* text = std::get_if<std::string>(&one.value)) *text = spelt(*text, Letters::all);
  const auto same = [&](const Row& known) {
    return known.group == row.group && known.labels == row.labels &&
           std::ranges::equal(
               known.values, row.values, {}, [](const Number& one) { return one.metric.name; },
               [](const Number& one) { return one.metric.name; });
  };
  if (const auto known = std::ranges::find_if(rows_, same); known != rows_.end())
    add_up(*known, row);
  else
    rows_.push_back(std::move(row));
}

void Metrics::add_up(Row& known, const Row& more) {
  for (std::size_t i = 0; i < known.values.size(); ++i) {
    Number& one = known.values[i];
    one.value = together(one.metric, one.value, more.values[i].value);
  }
}

std::string Metrics::prometheus() const {
  std::vector<Family> families;
  std::map<std::string, std::size_t, std::less<>> places;
  for (const Row& row : rows_) {
    const std::string labels = prometheus_labels(row.labels);
    for (const Number& one : row.values) {
      const std::string name = prometheus_name(one.metric);
      const auto* const times = std::get_if<LatencyStats>(&one.value);
      if (times != nullptr && times->counts.empty()) continue;
      const auto [place, fresh] = places.try_emplace(name, families.size());
      if (fresh) families.push_back({one.metric});
      families[place->second].lines.append(
          times != nullptr ? prometheus_histogram(name, row.labels, *times)
                           : fmt::format("{}{} {}\n", name, labels, prometheus_number(one.value)));
    }
  }
  std::string page;
  for (const Family& family : families) {
    const std::string name = prometheus_name(family.metric);
    const std::string_view type = type_of(family.metric);
    page.append(fmt::format("# HELP {} {}\n# TYPE {} {}\n", name,
                            detail::prometheus_help(family.metric.help), name, type));
    page.append(family.lines);
  }
  return page;
}

void Metrics::append_values(std::string& text, const Row& row, std::string_view before) {
  for (const Number& one : row.values) {
    text.append(before).append(detail::json_string(json_name(one.metric))).append(":");
    text.append(json_value(one.value));
    before = ",";
  }
}

std::string Metrics::json() const {
  std::vector<std::pair<std::string_view, std::string>> groups;
  for (const Row& row : rows_) {
    auto group = std::ranges::find(groups, row.group, &decltype(groups)::value_type::first);
    if (group == groups.end()) group = groups.insert(groups.end(), {row.group, {}});
    std::string& text = group->second;
    if (!text.empty()) text.append(",");
    text.append("{\"labels\":{").append(json_labels(row.labels)).append("}");
    append_values(text, row, ",");
    text.append("}");
  }
  std::string all("{");
  for (const auto& [group, text] : groups) {
    if (all.size() > 1) all.append(",");
    all.append(detail::json_string(group)).append(":[").append(text).append("]");
  }
  return all.append("}");
}

std::string Metrics::one_json() const {
  const Row& row = rows_.front();
  std::string text("{");
  text.append(json_labels(row.labels));
  append_values(text, row, row.labels.empty() ? "" : ",");
  return text.append("}");
}

}  // namespace querymark
