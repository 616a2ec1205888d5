#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.hpp"

namespace querymark::cli {

/// A process that follows the log.
struct FollowerReport {
  LogHolder who;
  Backlog behind;
  bool current = false;  ///< Its cursor is of this history.
};

/// Everything that `status` and `top` show.
struct StatusReport {
  DatabaseReport database;
  LogExtent log;
  std::optional<HorizonHolder> horizon;
  std::vector<ConsumerReport> consumers;
  std::vector<FollowerReport> followers;
};

/// Asks the database; `namespace_name` narrows it down, unless it is empty. Throws what the log
/// throws.
[[nodiscard]] StatusReport look_at(const LogEndpoint& log, const std::string& namespace_name);

[[nodiscard]] nlohmann::json as_json(const StatusReport& report);
/// For people, printable.
[[nodiscard]] std::string as_text(const StatusReport& report);

}  // namespace querymark::cli
