#include "querymark/log/inspector.hpp"

#include <algorithm>

#include "querymark/log/fields.hpp"
#include "querymark/support/error.hpp"

namespace querymark {
namespace {

using Milliseconds = std::chrono::milliseconds;

Milliseconds span_of(const Field& field) { return Milliseconds(field.as<std::int64_t>()); }

std::optional<Milliseconds> span_if_any(const Field& field) {
  if (field.is_null()) return std::nullopt;
  return span_of(field);
}

// What a bounded statement counts above its bound, it did not count to the end.
BoundedCount count_of(const Field& rows, std::uint64_t bound) {
  const auto counted = rows.as<std::optional<std::uint64_t>>().value_or(0);
  return {std::min(counted, bound), counted > bound};
}

}  // namespace

DatabaseReport database_report(const ResultSet& set) {
  if (set.empty()) throw SchemaError("the database's querymark meta is empty; migrate anew");
  const Row row = set.row(0);
  return {.database_id = row["database_id"].as<std::string>(),
          .epoch = epoch_of(row["epoch"]),
          .floor = row["floor"].as<std::string>(),
          .schema = static_cast<int>(row["schema"].as<std::int64_t>()),
          .now = WallTime(span_of(row["now"])),
          .oldest = span_if_any(row["oldest"])};
}

std::vector<ConsumerReport> consumer_reports(const ResultSet& set) {
  std::vector<ConsumerReport> reports;
  for (const Row row : set) {
    const auto bound = row["bound"].as<std::uint64_t>();
    ConsumerReport report{.namespace_name = row["namespace"].as<std::string>(),
                          .name = row["name"].as<std::string>(),
                          .owner = text_or_empty(row["owner"]),
                          .current = row["current"].as<bool>(),
                          .cursor = text_or_empty(row["cursor"]),
                          .behind = backlog_of(row),
                          .attempts = row["attempts"].as<std::uint32_t>(),
                          .owes_flush = row["owes_flush"].as<bool>(),
                          .down = span_if_any(row["down"]),
                          .down_reason = text_or_empty(row["down_reason"]),
                          .waiting = count_of(row["waiting"], bound),
                          .dead = count_of(row["dead"], bound),
                          .expired = count_of(row["expired"], bound),
                          .forgetting = row["forgetting"].as<std::string>()};
    reports.push_back(std::move(report));
  }
  return reports;
}

Backlog backlog_of(const Row& row) {
  return {.rows = {row["behind"].as<std::uint64_t>(), row["behind_more"].as<bool>()},
          .lag = span_if_any(row["lag"])};
}

std::vector<RowDetails> row_details(const ResultSet& set) {
  std::vector<RowDetails> details;
  for (const Row row : set)
    details.push_back({.id = row["id"].as<std::uint64_t>(),
                       .reason = text_or_empty(row["reason"]),
                       .created_at = WallTime(span_of(row["created_at"]))});
  return details;
}

std::vector<Finding> findings_of(const ResultSet& set) {
  std::vector<Finding> findings;
  for (const Row row : set) {
    const std::string_view severity = row["severity"].view();
    findings.push_back({.severity = severity == "error"     ? Finding::Severity::error
                                    : severity == "warning" ? Finding::Severity::warning
                                                            : Finding::Severity::notice,
                        .what = row["what"].as<std::string>(),
                        .advice = row["advice"].as<std::string>()});
  }
  return findings;
}

std::string_view to_string(Finding::Severity severity) noexcept {
  switch (severity) {
    case Finding::Severity::notice:
      return "notice";
    case Finding::Severity::warning:
      return "warning";
    case Finding::Severity::error:
      break;
  }
  return "error";
}

}  // namespace querymark
