#include "tracked_head.hpp"

#include <algorithm>

#include "querymark/key/tracked.hpp"

namespace querymark::postgres {
namespace {

// The number is the version of what triggers do.
constexpr std::string_view kReports = "-- querymark 1 reports ";
constexpr std::string_view kBy = "-- by ";

// What escape_tracked has written; nothing: it has not.
std::optional<std::string> unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '%') {
      plain += text[at];
      continue;
    }
    const std::string_view code = text.substr(at + 1, 2);
    if (code == "25")
      plain += '%';
    else if (code == "3A")
      plain += ':';
    else if (code == "2C")
      plain += ',';
    else if (code == "2B")
      plain += '+';
    else
      return std::nullopt;
    at += 2;
  }
  return plain;
}

std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find(separator, at), text.size());
    parts.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

std::string TrackedHead::text() const {
  std::string text(kReports);
  text.append(relation).append("\n").append(kBy);
  for (const auto& route : routes) {
    if (&route != routes.data()) text += ',';
    text += route_name(route);
  }
  return text;
}

std::optional<TrackedHead> TrackedHead::read(std::string_view text) {
  const std::size_t line = text.find('\n');
  if (line == std::string_view::npos) return std::nullopt;
  std::string_view reports = text.substr(0, line);
  std::string_view by = text.substr(line + 1);
  if (!reports.starts_with(kReports) || !by.starts_with(kBy) ||
      by.find('\n') != std::string_view::npos)
    return std::nullopt;
  reports.remove_prefix(kReports.size());
  by.remove_prefix(kBy.size());
  TrackedHead head{.relation = std::string(reports)};
  if (by.empty()) return head;
  for (const std::string_view route : parts_of(by, ',')) {
    std::vector<std::string> columns;
    for (const std::string_view part : parts_of(route, '+')) {
      auto column = unescaped(part);
      if (!column || column->empty()) return std::nullopt;
      columns.push_back(*std::move(column));
    }
    head.routes.push_back(std::move(columns));
  }
  return head;
}

}  // namespace querymark::postgres
