#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "import.hpp"
#include "measure.hpp"
#include "tally.hpp"

namespace catalogue {

/// All that the demo has found out.
struct Report {
  std::string source;
  std::string database;  ///< The kind: "SQLite", "PostgreSQL".
  ImportResult imported;
  Measurement measured;
  Tally exercised;  ///< Of both instances.
  bool canary = false;
  double seconds = 0;

  [[nodiscard]] nlohmann::json json() const;
  /// A table for people.
  [[nodiscard]] std::string table() const;
  /// Why this is not what was promised; empty when it is. With the canary the promise is that the
  /// dropped invalidation shows.
  [[nodiscard]] std::string complaint() const;
};

}  // namespace catalogue
