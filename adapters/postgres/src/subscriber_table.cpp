#include "subscriber_table.hpp"

#include "log_connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/log/subscriber_rows.hpp"
#include "querymark/postgres/types.hpp"
#include "snapshot_text.hpp"
#include "untranslatable.hpp"

namespace querymark::postgres {
namespace {

constexpr std::size_t kMostOfAName = 200;  // the table takes no more

std::int64_t stored(SubscriberId id) { return static_cast<std::int64_t>(id.value); }

}  // namespace

void SubscriberTable::enter(const SubscriberEntry& entry) {
  const MutexLock lock(log_->mutex());
  static_cast<void>(storing_for_people([&](Letters letters) QUERYMARK_REQUIRES(log_->mutex()) {
    const bool ascii = letters == Letters::ascii;
    const std::string application =
        ascii ? spelt(entry.application, Letters::ascii, kMostOfAName) : entry.application;
    const std::string host = ascii ? spelt(entry.host, Letters::ascii, kMostOfAName) : entry.host;
    return log_->execute(
               sql::subscriber_enter,
               {as_parameter(stored(entry.id)), as_parameter(log_->namespace_name()),
                as_parameter(entry.lease.count()), as_parameter(application), as_parameter(host),
                as_parameter(entry.pid), as_parameter(entry.version)}) == 1;
  }));
}

Beaten SubscriberTable::beat(SubscriberId id, const Cursor& cursor) {
  const MutexLock lock(log_->mutex());
  const std::string epoch = cursor.epoch.hex();
  const std::string snapshot = snapshot_text(cursor.snapshot);
  return beaten_of(log_->query(sql::subscriber_beat, {as_parameter(stored(id)), as_parameter(epoch),
                                                      as_parameter(snapshot), as_parameter(true)}));
}

void SubscriberTable::leave(SubscriberId id) {
  const MutexLock lock(log_->mutex());
  log_->execute(sql::subscriber_leave, {as_parameter(stored(id))});
}

std::vector<SubscriberRow> SubscriberTable::subscribers() {
  const MutexLock lock(log_->mutex());
  std::vector<SubscriberRow> rows;
  for (const Row row :
       log_->query_for_people(sql::subscribers, {as_parameter(log_->namespace_name())}))
    rows.push_back(subscriber_row(row, cursor_of(row)));
  return rows;
}

bool SubscriberTable::reap(SubscriberId id, std::uint64_t seen) {
  const MutexLock lock(log_->mutex());
  return log_->execute(sql::subscriber_reap, {as_parameter(stored(id)), as_parameter(seen)}) == 1;
}

void SubscriberTable::ask_report() {
  const MutexLock lock(log_->mutex());
  static_cast<void>(log_->query(sql::ask_report, {as_parameter(log_->namespace_name())}));
}

}  // namespace querymark::postgres
