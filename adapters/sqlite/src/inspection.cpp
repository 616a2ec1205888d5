#include "inspection.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <system_error>

#include "checkpoints.hpp"
#include "log_file.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

constexpr std::uintmax_t kLongestWal = 2 * Checkpoints::kKeptBytes;

// SQLite keeps the write-ahead log beside the name by which a file was opened.
void look_at_names(const char* file, std::vector<Finding>& findings) {
  struct statx info{};
  if (::statx(AT_FDCWD, file, 0, STATX_NLINK, &info) != 0) return;
  constexpr const char* kApart =
      ": who opens it by another name has another write-ahead log, and neither sees what the other "
      "commits until the file breaks";
  if (info.stx_nlink > 1)
    findings.push_back(
        {Finding::Severity::warning,
         "the file has " + std::to_string(info.stx_nlink) + " names (hard links)" + kApart,
         "leave it one; symbolic links are followed"});
  if ((info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0)
    findings.push_back({Finding::Severity::warning,
                        std::string("the file is mounted by itself, without its folder") + kApart,
                        "mount its folder instead"});
}

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
  // As SQLite has resolved it, all symbolic links followed.
  if (const char* name = sqlite3_db_filename(file_->connection().native().getHandle(), "main"))
    look_at_names(name, findings);
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
