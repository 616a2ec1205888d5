#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace querymark::cli {

/// Throws ConfigError for a command or an option that `app` does not know, with those that may have
/// been meant. CLI11 would only miss a command, or complain of what it needs first.
void require_known(const CLI::App& app, const std::vector<std::string>& arguments);

/// Makes each option that takes a whole number refuse one below zero or beyond 2^64-1. CLI11 2.1 would
/// take either for 2^64-1.
void refuse_numbers_out_of_bounds(CLI::App& app);

}  // namespace querymark::cli
