#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace querymark::cli {

// What is installed beside the program, made from its own options, so that it tells no others.

/// The manual page querymark(1), as roff.
[[nodiscard]] std::string manual_page(const CLI::App& app, const std::string& version);
/// Completion of commands and options.
[[nodiscard]] std::string bash_completion(const CLI::App& app);
[[nodiscard]] std::string zsh_completion(const CLI::App& app);
[[nodiscard]] std::string fish_completion(const CLI::App& app);

/// The commands of `app` that `--help` shows.
[[nodiscard]] std::vector<const CLI::App*> shown_commands(const CLI::App& app);

}  // namespace querymark::cli
