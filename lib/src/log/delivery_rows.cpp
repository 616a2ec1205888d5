#include "querymark/log/delivery_rows.hpp"

#include <optional>
#include <string>

#include "querymark/log/fields.hpp"

namespace querymark {
namespace {

WallTime time_of(const Field& field) {
  if (field.is_null()) return WallTime::max();
  return WallTime(std::chrono::milliseconds(field.as<std::int64_t>()));
}

}  // namespace

DeliveryRecord delivery_record(const Row& row) {
  DeliveryRecord record;
  record.id = row["id"].as<std::uint64_t>();
  if (const Field kind = row["kind"]; !kind.is_null())
    record.target = Target::from_log(kind.view(), row["target"].view());
  record.epoch = epoch_of(row["epoch"]);
  record.first_position = position_of(row["first_position"]);
  record.position = position_of(row["position"]);
  record.attempts = row["attempts"].as<std::uint32_t>();
  record.available_at = time_of(row["available_at"]);
  record.deadline = time_of(row["deadline"]);
  record.last_error = text_or_empty(row["last_error"]);
  return record;
}

std::vector<DeliveryRow> delivery_rows(const ResultSet& set) {
  std::vector<DeliveryRow> rows;
  for (const Row row : set)
    rows.push_back({.state = delivery_state(row["state"].view()).value_or(DeliveryState::dead),
                    .record = delivery_record(row),
                    .consumer = row["consumer"].as<std::string>(),
                    .created_at = time_of(row["created_at"]),
                    .changed_at = time_of(row["changed_at"])});
  return rows;
}

std::vector<Delivery<delivery::Claimed>> claimed_deliveries(const ResultSet& set) {
  std::vector<Delivery<delivery::Claimed>> claimed;
  for (const Row row : set)
    if (!row["id"].is_null()) claimed.emplace_back(delivery_record(row));
  return claimed;
}

}  // namespace querymark
