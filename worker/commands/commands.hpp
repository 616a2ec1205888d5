#pragma once

#include <CLI/CLI.hpp>
#include <span>

#include "exit_code.hpp"

namespace querymark::cli {

/// Adds one command to the program. Its run leaves an exit code in `code`, which outlives it, unless
/// that is success; what it throws is reported by main().
using AddCommand = void (*)(CLI::App& app, ExitCode& code);

/// All commands, in the order of `--help`. Each is a file of this folder, and a namespace.
[[nodiscard]] std::span<const AddCommand> all_commands() noexcept;

namespace migrate {
void add(CLI::App& app, ExitCode& code);
}
namespace worker {
void add(CLI::App& app, ExitCode& code);
}
namespace delivery {
void add(CLI::App& app, ExitCode& code);
}
namespace dead {
void add(CLI::App& app, ExitCode& code);
}
namespace invalidate {
void add(CLI::App& app, ExitCode& code);
}
namespace wait {
void add(CLI::App& app, ExitCode& code);
}
namespace status {
void add(CLI::App& app, ExitCode& code);
}
namespace top {
void add(CLI::App& app, ExitCode& code);
}
namespace tail {
void add(CLI::App& app, ExitCode& code);
}
namespace doctor {
void add(CLI::App& app, ExitCode& code);
}
namespace prune {
void add(CLI::App& app, ExitCode& code);
}
namespace track {
void add(CLI::App& app, ExitCode& code);
}
namespace untrack {
void add(CLI::App& app, ExitCode& code);
}
namespace explain {
void add(CLI::App& app, ExitCode& code);
}
namespace advise {
void add(CLI::App& app, ExitCode& code);
}
namespace reconcile {
void add(CLI::App& app, ExitCode& code);
}
namespace describe {
void add(CLI::App& app, ExitCode& code);
}

}  // namespace querymark::cli
