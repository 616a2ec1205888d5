#pragma once

#include <vector>

#include "querymark/automatic/tracking.hpp"
#include "querymark/log/inspector.hpp"

namespace querymark::cli {

/// Tells what has become of tables, a line or a JSON object each; with their statements if that is all.
void tell_tables(const TrackReport& report, bool dry_run, bool json);
/// Tells what was found, the worst first; whether it is more than notices.
[[nodiscard]] bool tell_findings(const std::vector<Finding>& findings, bool json);

}  // namespace querymark::cli
