#pragma once

#include <optional>

#include "querymark/log/subscribers.hpp"
#include "querymark/result/result_set.hpp"

// For writers of ports: subscribers out of what a statement answers, by the names of its columns:
//
//   application, host, pid     for people; null where they are not known
//   id, beat                   integers; these and the next are of `subscriber_row` alone
//   lease_ms, age              milliseconds
//   version                    text or null

namespace querymark {

/// What is for people. Throws TypeError.
[[nodiscard]] SubscriberEntry subscriber_of(const Row& row);
/// A whole row, with its cursor as the dialect reads it. Throws TypeError.
[[nodiscard]] SubscriberRow subscriber_row(const Row& row, std::optional<Cursor> cursor);

}  // namespace querymark
