#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "querymark/mark/snapshot.hpp"

namespace querymark::postgres {

/// Reads PostgreSQL's text of a pg_snapshot, `xmin:xmax:xip,xip`. Nothing for any other text.
[[nodiscard]] std::optional<Snapshot> parse_snapshot(std::string_view text);
/// The text that pg_snapshot's input function takes.
[[nodiscard]] std::string snapshot_text(const Snapshot& snapshot);

/// The same for a position (xid8); throws Error for other text.
[[nodiscard]] Position parse_position(std::string_view text);

}  // namespace querymark::postgres
