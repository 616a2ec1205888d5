#pragma once

#include <CLI/CLI.hpp>

namespace querymark::cli {

/// Adds `querymark worker`.
void add_worker(CLI::App& app);

}  // namespace querymark::cli
