#pragma once

#include <nlohmann/json.hpp>
#include <optional>
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
  /// The same where everything is declared, to compare an automatic run with.
  std::optional<Tally> declared{};
  bool automatic = false;
  bool canary = false;
  double seconds = 0;

  [[nodiscard]] nlohmann::json json() const;
  /// A table for people.
  [[nodiscard]] std::string table() const;
  /// Why this is not what was promised; empty when it is. With the canary the promise is that the
  /// dropped invalidation shows, or that the audit finds the trigger that was switched off.
  [[nodiscard]] std::string complaint() const;
  /// How the canary was found.
  [[nodiscard]] std::string canary_song() const;

 private:
  [[nodiscard]] std::string precision_table() const;
};

}  // namespace catalogue
