#include "log_table.hpp"

#include "log_connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/log/fields.hpp"
#include "querymark/log/subscriber_rows.hpp"
#include "querymark/postgres/types.hpp"
#include "snapshot_text.hpp"

namespace querymark::postgres {
namespace {

using std::chrono::milliseconds;

LogHolder holder_of(const Row& row) {
  LogHolder holder{.namespace_name = row["namespace"].as<std::string>(),
                   .name = text_or_empty(row["name"]),
                   .cursor = cursor_of(row)};
  if (row["consumer"].as<bool>()) return holder;
  holder.kind = LogHolder::Kind::subscriber;
  holder.name = subscriber_of(row).for_people();
  return holder;
}

}  // namespace

LogExtent LogTable::extent() {
  const MutexLock lock(log_->mutex());
  static_cast<void>(log_->state());  // the epoch is this server's
  const ResultSet set = log_->query(sql::prune_extent);
  require_meta(set);
  const Row row = set.row(0);
  LogExtent extent{.epoch = epoch_of(row["epoch"]),
                   .now = snapshot_of(row["snapshot"]),
                   .pruned = snapshot_of(row["pruned"]),
                   .rows = row["rows"].as<std::uint64_t>(),
                   .leftover = row["leftover"].as<std::uint64_t>(),
                   .bytes = row["bytes"].as<std::uint64_t>()};
  for (const Row holder : log_->query_for_people(sql::prune_holders))
    extent.holders.push_back(holder_of(holder));
  const std::string epoch = extent.epoch.hex();
  for (const Row recorded : log_->query(sql::prune_recorded, {as_parameter(epoch)}))
    extent.recorded.push_back(
        {snapshot_of(recorded["snapshot"]), milliseconds(recorded["age"].as<std::int64_t>())});
  return extent;
}

bool LogTable::record_snapshot(milliseconds apart, milliseconds keep) {
  const MutexLock lock(log_->mutex());
  return log_->execute(sql::record_snapshot,
                       {as_parameter(apart.count()), as_parameter(keep.count())}) == 1;
}

bool LogTable::allow(Epoch epoch, const Snapshot& snapshot) {
  const MutexLock lock(log_->mutex());
  const std::string of = epoch.hex();
  const std::string text = snapshot_text(snapshot);
  return log_->execute(sql::prune_allow, {as_parameter(of), as_parameter(text)}) == 1;
}

Removed LogTable::remove(std::size_t limit) {
  const MutexLock lock(log_->mutex());
  const ResultSet set = log_->query(sql::prune_remove, {as_parameter(limit)});
  const Row row = set.row(0);
  return {.rows = row["rows"].as<std::uint64_t>(),
          .more = row["more"].as<bool>(),
          .busy = row["busy"].as<bool>()};
}

std::size_t LogTable::remove_deliveries(milliseconds keep, std::size_t limit) {
  const MutexLock lock(log_->mutex());
  return static_cast<std::size_t>(
      log_->execute(sql::prune_deliveries, {as_parameter(keep.count()), as_parameter(limit)}));
}

std::optional<HorizonHolder> LogTable::horizon_holder() {
  const MutexLock lock(log_->mutex());
  const ResultSet set = log_->query_for_people(sql::horizon_holder);
  if (set.empty()) return std::nullopt;
  const Row row = set.row(0);
  HorizonHolder holder{.what = text_or_empty(row["what"]),
                       .pid = row["pid"].as<std::int64_t>(),
                       .application = text_or_empty(row["application"]),
                       .state = text_or_empty(row["state"]),
                       .database = text_or_empty(row["database"])};
  if (!row["age"].is_null()) holder.age = milliseconds(row["age"].as<std::int64_t>());
  return holder;
}

}  // namespace querymark::postgres
