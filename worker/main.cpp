#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "commands/migrate.hpp"
#include "commands/worker.hpp"
#include "exit_code.hpp"

int main(int argc, char** argv) {
  using namespace querymark::cli;
  try {
    CLI::App app("querymark: the worker daemon and the operator's commands");
    app.set_version_flag("--version", std::string("querymark ") + QUERYMARK_VERSION);
    app.require_subcommand(1);
    add_migrate(app);
    add_worker(app);
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& failure) {
      // --help and --version come this way too, with code 0.
      return app.exit(failure) == 0 ? kSuccess : kUsage;
    }
    return kSuccess;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "querymark: {}\n", failure.what());
    return exit_code_of(failure);
  }
}
