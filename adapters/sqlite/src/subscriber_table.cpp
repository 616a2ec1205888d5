#include "subscriber_table.hpp"

#include "log_file.hpp"
#include "querymark/log/subscriber_rows.hpp"
#include "sqlite_subscribers_sql.hpp"

namespace querymark::sqlite {
namespace {

std::int64_t stored(SubscriberId id) { return static_cast<std::int64_t>(id.value); }

}  // namespace

void SubscriberTable::enter(const SubscriberEntry& entry) {
  const MutexLock lock(file_->mutex());
  file_->subscribers().execute(
      subscribers_sql::subscriber_enter,
      {as_parameter(stored(entry.id)), as_parameter(file_->namespace_name()),
       as_parameter(entry.lease.count()), as_parameter(entry.application), as_parameter(entry.host),
       as_parameter(entry.pid), as_parameter(entry.version)});
}

Beaten SubscriberTable::beat(SubscriberId id, const Cursor& cursor) {
  const MutexLock lock(file_->mutex());
  return file_->beat({.id = id, .count_live = true}, cursor);
}

void SubscriberTable::leave(SubscriberId id) {
  const MutexLock lock(file_->mutex());
  file_->subscribers().execute(subscribers_sql::subscriber_leave, {as_parameter(stored(id))});
}

std::vector<SubscriberRow> SubscriberTable::subscribers() {
  const MutexLock lock(file_->mutex());
  std::vector<SubscriberRow> rows;
  for (const Row row : file_->subscribers().look(subscribers_sql::subscribers,
                                                 {as_parameter(file_->namespace_name())}))
    rows.push_back(subscriber_row(row, cursor_of(row)));
  return rows;
}

bool SubscriberTable::reap(SubscriberId id, std::uint64_t seen) {
  const MutexLock lock(file_->mutex());
  return file_->subscribers().execute(subscribers_sql::subscriber_reap,
                                      {as_parameter(stored(id)), as_parameter(seen)}) == 1;
}

void SubscriberTable::ask_report() {
  const MutexLock lock(file_->mutex());
  file_->subscribers().touch();
}

}  // namespace querymark::sqlite
