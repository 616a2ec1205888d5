#include "subscriber_table.hpp"

#include "log_file.hpp"
#include "sqlite_subscribers_sql.hpp"

namespace querymark::sqlite {
namespace {

std::int64_t stored(SubscriberId id) { return static_cast<std::int64_t>(id.value); }

std::string text_of(const Field& field) {
  return field.as<std::optional<std::string>>().value_or("");
}

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
  for (const Row row : file_->subscribers().query(subscribers_sql::subscribers,
                                                  {as_parameter(file_->namespace_name())}))
    rows.push_back(
        {.entry = {.id = {static_cast<std::uint64_t>(row["id"].as<std::int64_t>())},
                   .lease = std::chrono::milliseconds(row["lease_ms"].as<std::int64_t>()),
                   .application = text_of(row["application"]),
                   .host = text_of(row["host"]),
                   .pid = row["pid"].as<std::optional<std::int64_t>>().value_or(0),
                   .version = text_of(row["version"])},
         .beat = row["beat"].as<std::uint64_t>(),
         .cursor = cursor_of(row),
         .age = std::chrono::milliseconds(row["age"].as<std::int64_t>())});
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
