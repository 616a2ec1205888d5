#include "querymark/log/subscriber_rows.hpp"

#include <utility>

#include "querymark/log/fields.hpp"

namespace querymark {

SubscriberEntry subscriber_of(const Row& row) {
  SubscriberEntry entry;
  entry.application = text_or_empty(row["application"]);
  entry.host = text_or_empty(row["host"]);
  entry.pid = row["pid"].as<std::optional<std::int64_t>>().value_or(0);
  return entry;
}

SubscriberRow subscriber_row(const Row& row, std::optional<Cursor> cursor) {
  SubscriberEntry entry = subscriber_of(row);
  entry.id = {static_cast<std::uint64_t>(row["id"].as<std::int64_t>())};
  entry.lease = std::chrono::milliseconds(row["lease_ms"].as<std::int64_t>());
  entry.version = text_or_empty(row["version"]);
  return {.entry = std::move(entry),
          .beat = row["beat"].as<std::uint64_t>(),
          .cursor = std::move(cursor),
          .age = std::chrono::milliseconds(row["age"].as<std::int64_t>())};
}

}  // namespace querymark
