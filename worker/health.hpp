#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace querymark::cli {

/// What hurts: the database's own findings, and those that its reports lead to. `largest_ttl` is
/// that of the applications, if it is known. Throws what the log throws.
[[nodiscard]] std::vector<Finding> findings_of(
    const LogEndpoint& log, const std::string& namespace_name,
    std::optional<std::chrono::milliseconds> largest_ttl = std::nullopt);

}  // namespace querymark::cli
