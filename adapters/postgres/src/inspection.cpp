#include "inspection.hpp"

#include <optional>

#include "log_connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/postgres/types.hpp"
#include "snapshot_text.hpp"

namespace querymark::postgres {

DatabaseReport Inspection::database() {
  const MutexLock lock(log_->mutex());
  return database_report(log_->query_for_people(sql::inspect_database));
}

std::vector<ConsumerReport> Inspection::consumers(const std::string& namespace_name) {
  const MutexLock lock(log_->mutex());
  return consumer_reports(
      log_->query_for_people(sql::inspect_consumers, {as_parameter(namespace_name)}));
}

Backlog Inspection::behind(const std::string& namespace_name, const Cursor& cursor,
                           std::uint64_t most) {
  const std::string snapshot = snapshot_text(cursor.snapshot);
  const MutexLock lock(log_->mutex());
  const ResultSet set =
      log_->query(sql::inspect_behind,
                  {as_parameter(namespace_name), as_parameter(snapshot), as_parameter(most)});
  return backlog_of(set.row(0));
}

std::vector<RowDetails> Inspection::details(std::span<const LogRow> rows) {
  std::vector<std::optional<std::string>> positions;
  std::vector<std::int64_t> ids;
  for (const LogRow& row : rows) {
    positions.emplace_back(std::to_string(row.position.value));
    ids.push_back(static_cast<std::int64_t>(row.id));
  }
  const MutexLock lock(log_->mutex());
  return row_details(
      log_->query_for_people(sql::inspect_rows, {as_parameter(positions), as_parameter(ids)}));
}

std::vector<Finding> Inspection::findings(std::chrono::milliseconds longest_open) {
  const MutexLock lock(log_->mutex());
  return findings_of(
      log_->query_for_people(sql::inspect_findings, {as_parameter(longest_open.count())}));
}

}  // namespace querymark::postgres
