#pragma once

#include <CLI/CLI.hpp>
#include <span>

#include "exit_code.hpp"

namespace querymark::cli {

/// Adds one command to the program. Its run leaves an exit code in `code`, which outlives it, unless
/// that is success; what it throws is reported by main().
using AddCommand = void (*)(CLI::App& app, ExitCode& code);

/// All commands, in the order of `--help`. Each is a file of this folder.
[[nodiscard]] std::span<const AddCommand> all_commands() noexcept;

void add_migrate(CLI::App& app, ExitCode& code);
void add_worker(CLI::App& app, ExitCode& code);
void add_delivery(CLI::App& app, ExitCode& code);
void add_dead(CLI::App& app, ExitCode& code);
void add_invalidate(CLI::App& app, ExitCode& code);
void add_wait(CLI::App& app, ExitCode& code);
void add_status(CLI::App& app, ExitCode& code);
void add_top(CLI::App& app, ExitCode& code);
void add_tail(CLI::App& app, ExitCode& code);
void add_doctor(CLI::App& app, ExitCode& code);
void add_prune(CLI::App& app, ExitCode& code);
void add_track(CLI::App& app, ExitCode& code);
void add_untrack(CLI::App& app, ExitCode& code);
void add_explain(CLI::App& app, ExitCode& code);
void add_advise(CLI::App& app, ExitCode& code);
void add_reconcile(CLI::App& app, ExitCode& code);
void add_describe(CLI::App& app, ExitCode& code);

}  // namespace querymark::cli
