#pragma once

#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace querymark::cli {

/// What hurts: the database's own findings, and those that its reports lead to. Throws what the log
/// throws.
[[nodiscard]] std::vector<Finding> findings_of(const LogEndpoint& log,
                                               const std::string& namespace_name);

}  // namespace querymark::cli
