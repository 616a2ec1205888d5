#pragma once

#include <cstdint>
#include <vector>

#include "querymark/deliver/applier.hpp"
#include "querymark/log/log_reader.hpp"

namespace querymark {

/// What a page of the log asks of a target: one invalidation for all rows of equal targets, with
/// the first and the last of their positions. What lies at or below a flush is swallowed by it; a
/// malformed row is a flush. In order of position.
[[nodiscard]] std::vector<SharedInvalidation> coalesce(const std::vector<LogRow>& rows);

}  // namespace querymark
