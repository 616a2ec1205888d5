#pragma once

#include <exception>

namespace querymark::cli {

/// What the shell sees.
enum ExitCode : int {
  kSuccess = 0,
  kFailure = 1,
  kUsage = 2,
  kUnreachable = 3,
  kStandby = 4,  ///< `worker --once`: another worker holds the lease, nothing was drained.
  kOutput = 5,   ///< All was done, but standard output or error could not be written.
};

/// For `--help`.
inline constexpr const char* kExitCodes =
    "Exit codes: 0 success, 1 failure, 2 usage, 3 database unreachable, 4 another worker holds the "
    "lease (worker --once), 5 output could not be written.";

/// The code for an error that reached main(): ConfigError is usage, a lost connection unreachable.
[[nodiscard]] ExitCode exit_code_of(const std::exception& failure) noexcept;

}  // namespace querymark::cli
