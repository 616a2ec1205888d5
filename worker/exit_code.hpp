#pragma once

#include <exception>

namespace querymark::cli {

/// What the shell sees.
enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,
  kUsage = 2,
  kUnreachable = 3,
  /// Degraded or timed out: a wait was not satisfied, a look found something to mend, or `worker
  /// --once` drained nothing because another worker holds the lease.
  kDegraded = 4,
  kOutput = 5,  ///< All was done, but standard output or error could not be written.
};

/// For `--help`.
inline constexpr const char* kExitCodes =
    "Exit codes: 0 success, 1 failure, 2 usage, 3 database unreachable, 4 degraded or "
    "timed out, 5 output could not be written.";

/// The code for an error that reached main(): ConfigError is usage, a lost connection unreachable.
[[nodiscard]] ExitCode exit_code_of(const std::exception& failure) noexcept;

}  // namespace querymark::cli
