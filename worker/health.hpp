#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace querymark::cli {

/// What the log's findings are measured by.
struct Expected {
  std::string namespace_name{};                            ///< Empty: all.
  std::optional<std::chrono::milliseconds> largest_ttl{};  ///< The applications', if it is known.
  std::chrono::milliseconds longest_open{};                ///< Of a transaction.
};

/// What hurts of one target.
[[nodiscard]] std::vector<Finding> findings_of(const ConsumerReport& consumer);
/// What hurts: the database's own findings, and those that its reports lead to. Throws what the log
/// throws.
[[nodiscard]] std::vector<Finding> findings_of(const LogEndpoint& log, const Expected& expected);

}  // namespace querymark::cli
