#pragma once

#include <vector>

#include "querymark/log/deliveries.hpp"
#include "querymark/result/result_set.hpp"

// For writers of ports: deliveries out of what a statement answers, by the names of its columns:
//
//   state, consumer            of `delivery_rows` alone; so
//   created_at, changed_at     are these: milliseconds since 1970
//   id, attempts               integers
//   kind, target               null where the log's row was malformed
//   epoch                      text
//   first_position, position   integers, or their text
//   available_at, deadline     milliseconds since 1970; null: never
//   last_error                 text or null

namespace querymark {

// All throw SchemaError or TypeError for a row that no version of the library has written.

[[nodiscard]] DeliveryRecord delivery_record(const Row& row);
[[nodiscard]] std::vector<DeliveryRow> delivery_rows(const ResultSet& set);
/// Leaves out a row without an id, by which a statement says that it has claimed nothing.
[[nodiscard]] std::vector<Delivery<delivery::Claimed>> claimed_deliveries(const ResultSet& set);

}  // namespace querymark
