#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "exit_code.hpp"
#include "querymark/database/database.hpp"

namespace querymark::cli {

/// How long a command waits for a write, and for whom.
struct WaitOption {
  std::string scope = "local";
  std::string timeout = "30s";

  /// Throws ConfigError for an unknown scope, and for a timeout that is none.
  [[nodiscard]] Wait wait() const;
};

/// For `--help`.
inline constexpr const char* kWaitScopes =
    "local (the log shows it to whoever follows it)";

/// Waits and tells how it went; with `json`, as one object that also holds the receipt.
[[nodiscard]] ExitCode wait_and_tell(Database& database, const Receipt& receipt, const Wait& wait,
                                     bool json);

}  // namespace querymark::cli
