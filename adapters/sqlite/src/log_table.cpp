#include "log_table.hpp"

#include <algorithm>

#include "log_file.hpp"
#include "querymark/log/subscriber_rows.hpp"
#include "sqlite_sql.hpp"
#include "sqlite_subscribers_sql.hpp"

namespace querymark::sqlite {

using std::chrono::milliseconds;

LogExtent LogTable::extent() {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  const LogState state = file_->state(0);
  const ResultSet set = file_->query(sql::prune_extent);
  const auto oldest = set.row(0)["oldest"].as<std::optional<std::uint64_t>>();
  LogExtent extent{.epoch = state.epoch,
                   .now = Snapshot::upto({state.last}),
                   .pruned = Snapshot::upto({state.floor - 1}),
                   .rows = state.last + 1 - std::min(state.floor, state.last + 1),
                   .leftover = oldest && *oldest < state.floor ? state.floor - *oldest : 0};
  for (const Row row : file_->query(sql::prune_holders))
    extent.holders.push_back({LogHolder::Kind::consumer, row["namespace"].as<std::string>(),
                              row["name"].as<std::string>(), cursor_of(row)});
  for (const Row row : file_->subscribers().look(subscribers_sql::prune_subscribers))
    extent.holders.push_back({LogHolder::Kind::subscriber, row["namespace"].as<std::string>(),
                              subscriber_of(row).for_people(), cursor_of(row)});
  const std::string epoch = state.epoch.hex();
  for (const Row row :
       file_->subscribers().look(subscribers_sql::prune_recorded, {as_parameter(epoch)}))
    extent.recorded.push_back({Snapshot::upto({row["last_id"].as<std::uint64_t>()}),
                               milliseconds(row["age"].as<std::int64_t>())});
  return extent;
}

bool LogTable::record_snapshot(milliseconds apart, milliseconds keep) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  const LogState state = file_->state(0);
  const std::string epoch = state.epoch.hex();
  file_->subscribers().execute(
      subscribers_sql::forget_recorded,
      {as_parameter(epoch), as_parameter(apart.count()), as_parameter(keep.count())});
  return file_->subscribers().execute(
             subscribers_sql::record_snapshot,
             {as_parameter(epoch), as_parameter(state.last), as_parameter(apart.count())}) == 1;
}

bool LogTable::allow(Epoch epoch, const Snapshot& snapshot) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  static_cast<void>(file_->state(0));
  const std::string of = epoch.hex();
  return file_->execute(sql::prune_allow,
                        {as_parameter(of), as_parameter(snapshot.limit().value)}) == 1;
}

Removed LogTable::remove(std::size_t limit) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  const auto rows =
      static_cast<std::size_t>(file_->execute(sql::prune_remove, {as_parameter(limit)}));
  return {.rows = rows, .more = rows == limit};
}

std::size_t LogTable::remove_deliveries(milliseconds keep, std::size_t limit) {
  const MutexLock lock(file_->mutex());
  file_->follow_path();
  return static_cast<std::size_t>(
      file_->execute(sql::prune_deliveries, {as_parameter(keep.count()), as_parameter(limit)}));
}

}  // namespace querymark::sqlite
