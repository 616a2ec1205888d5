#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>
#include <vector>

#include "arguments.hpp"
#include "commands/commands.hpp"
#include "exit_code.hpp"
#include "log_lines.hpp"
#include "output.hpp"
#include "printable.hpp"
#include "querymark/support/error.hpp"
#include "secrets.hpp"

namespace {

using namespace querymark::cli;

ExitCode run(const std::vector<std::string>& arguments) {
  CLI::App app("The worker daemon and the operator's commands", "querymark");
  app.set_version_flag("--version", std::string("querymark ") + QUERYMARK_VERSION);
  app.require_subcommand(1);
  app.footer(kExitCodes);
  ExitCode code = kSuccess;
  for (const AddCommand add : all_commands()) add(app, code);
  refuse_numbers_out_of_bounds(app);
  try {
    require_known(app, arguments);
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& failure) {
    if (failure.get_exit_code() != 0)
      throw querymark::ConfigError(std::string(failure.what()) +
                                   "; run with --help for more information");
    std::ostringstream help;  // --help and --version come this way too
    app.exit(failure, help, help);
    say(help.str());
  }
  return code;
}

ExitCode report(const std::exception& failure, bool json) {
  const ExitCode code = exit_code_of(failure);
  const std::string text = without_secrets(failure.what());
  if (json)
    LogLines(true).error("failed",
                         {{"error", text}, {"exit_code", static_cast<std::uint64_t>(code)}});
  else
    complain("querymark: " + printable_lines(text) + '\n');
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  secure_output();
  ExitCode code = kFailure;
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  hide_secrets(argc, argv);
  try {
    code = run(arguments);
  } catch (const std::exception& failure) {
    code = report(failure, std::ranges::find(arguments, "--json") != arguments.end());
  }
  return code == kSuccess && output_failed() ? kOutput : code;
}
