#pragma once

#include <exception>

namespace querymark::cli {

/// What the shell sees.
enum ExitCode : int { kSuccess = 0, kFailure = 1, kUsage = 2, kUnreachable = 3 };

/// The code for an error that reached main(): ConfigError is usage, a lost connection unreachable.
[[nodiscard]] ExitCode exit_code_of(const std::exception& failure) noexcept;

}  // namespace querymark::cli
