#include "inspection.hpp"

#include <optional>

#include "log_file.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {

DatabaseReport Inspection::database() {
  const MutexLock lock(file_->mutex());
  return database_report(file_->query(sql::inspect_database));
}

std::vector<ConsumerReport> Inspection::consumers(const std::string& namespace_name) {
  const MutexLock lock(file_->mutex());
  return consumer_reports(file_->query(sql::inspect_consumers, {as_parameter(namespace_name)}));
}

Backlog Inspection::behind(const std::string& namespace_name, const Cursor& cursor,
                           std::uint64_t most) {
  const auto last = static_cast<std::int64_t>(cursor.snapshot.limit().value) - 1;
  const MutexLock lock(file_->mutex());
  const ResultSet set = file_->query(
      sql::inspect_behind, {as_parameter(namespace_name), as_parameter(last), as_parameter(most)});
  return backlog_of(set.row(0));
}

std::vector<RowDetails> Inspection::details(std::span<const LogRow> rows) {
  std::string ids = "[";
  for (const LogRow& row : rows) ids += (ids.size() > 1 ? "," : "") + std::to_string(row.id);
  ids += ']';
  const MutexLock lock(file_->mutex());
  return row_details(file_->query(sql::inspect_rows, {as_parameter(ids)}));
}

std::vector<Finding> Inspection::findings() {
  const MutexLock lock(file_->mutex());
  return findings_of(file_->query(sql::inspect_findings));
}

}  // namespace querymark::sqlite
