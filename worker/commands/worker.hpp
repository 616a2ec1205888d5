#pragma once

#include <CLI/CLI.hpp>

#include "exit_code.hpp"

namespace querymark::cli {

/// Adds `querymark worker`, which leaves its exit code in `code`.
void add_worker(CLI::App& app, ExitCode& code);

}  // namespace querymark::cli
