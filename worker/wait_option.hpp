#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "exit_code.hpp"
#include "querymark/database/database.hpp"

namespace querymark::cli {

/// How long a command waits for a write, and for whom.
struct WaitOption {
  std::string scope = "local";
  std::vector<std::string> targets;  ///< Of the scope `shared`.
  std::string timeout = "30s";

  /// Adds `--for` and `--timeout` to `command`, for which this must live as long.
  void add_to(CLI::App& command);
  /// Throws ConfigError for an unknown scope, for targets without `shared` or the other way round,
  /// and for a timeout that is none.
  [[nodiscard]] Wait wait() const;
};

/// For `--help`.
inline constexpr const char* kWaitScopes =
    "local (whoever follows the log sees it), shared (the targets of --for have it) or cluster "
    "(every process and every target has it)";

/// Waits and tells how it went; with `json`, as one object that also holds the receipt.
[[nodiscard]] ExitCode wait_and_tell(Database& database, const Receipt& receipt, const Wait& wait,
                                     bool json);

}  // namespace querymark::cli
