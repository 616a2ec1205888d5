#pragma once  // For writers of ports.

#include <cstddef>
#include <string_view>
#include <vector>

#include "querymark/log/log_reader.hpp"

namespace querymark {

/// Appends a row of the log: once for each of its targets, with the same id and position, or malformed.
/// `row` has no target yet.
void append_row(std::vector<LogRow>& rows, LogRow row, std::string_view kind,
                std::string_view text);

/// Cuts what was read down to the first `limit` rows of the log, each with all its targets. Whether there
/// were more.
[[nodiscard]] bool cut_page(std::vector<LogRow>& rows, std::size_t limit);

}  // namespace querymark
