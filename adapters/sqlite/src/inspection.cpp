#include "inspection.hpp"

#include <filesystem>
#include <optional>
#include <system_error>

#include "checkpoints.hpp"
#include "log_file.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

constexpr std::uintmax_t kLongestWal = 2 * Checkpoints::kKeptBytes;

}  // namespace

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

std::vector<Finding> Inspection::findings(std::chrono::milliseconds /*longest_open*/) {
  const MutexLock lock(file_->mutex());
  std::vector<Finding> findings = findings_of(file_->query(sql::inspect_findings));
  // Who reads is not told by SQLite; what it comes to is.
  constexpr std::uintmax_t kMiB = 1U << 20U;
  std::error_code missing;
  const std::uintmax_t bytes = std::filesystem::file_size(file_->wal_name(), missing);
  if (!missing && bytes > kLongestWal)
    findings.push_back({Finding::Severity::warning,
                        "the write-ahead log has " + std::to_string(bytes / kMiB) +
                            " MiB: reads become slower, and a crash takes longer to mend",
                        "end the reads and transactions that stay open: while there is one from "
                        "before, it is not begun anew"});
  return findings;
}

}  // namespace querymark::sqlite
