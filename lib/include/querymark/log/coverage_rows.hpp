#pragma once

#include <functional>
#include <vector>

#include "querymark/log/coverage.hpp"
#include "querymark/result/result_set.hpp"

// For writers of ports: how far consumers are out of what a statement answers, by the names of its
// columns, in the order of the consumers' names:
//
//   name                       null: there are no consumers
//   consumer_epoch, cursor     null: it has never flushed its target
//   flush_owed                 a position, or null
//   first_position, position   of a delivery; null: it has none
//   ended                      whether nothing more will come of that
//
// Positions are integers, or their text.

namespace querymark {

/// `snapshot_of` reads the column `cursor`. Throws SchemaError or TypeError for a row that no version
/// of the library has written, and what `snapshot_of` throws.
[[nodiscard]] std::vector<ConsumerCoverage> coverage_rows(
    const ResultSet& set, const std::function<Snapshot(const Field&)>& snapshot_of);

}  // namespace querymark
