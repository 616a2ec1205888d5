#pragma once

#include <CLI/CLI.hpp>

namespace querymark::cli {

/// Adds `querymark migrate`.
void add_migrate(CLI::App& app);

}  // namespace querymark::cli
