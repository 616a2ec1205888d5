#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "manual.hpp"
#include "output.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli::describe {
namespace {

std::string text_of(const std::string& form, const CLI::App& app) {
  if (form == "man") return manual_page(app, QUERYMARK_VERSION);
  if (form == "bash") return bash_completion(app);
  if (form == "zsh") return zsh_completion(app);
  if (form == "fish") return fish_completion(app);
  throw ConfigError("unknown form " + form + "; use man, bash, zsh or fish");
}

}  // namespace

// For the build, which installs what it says; not shown in --help.
void add(CLI::App& app, ExitCode& /*code*/) {
  auto form = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("describe", "The manual page, or a shell's completion");
  command->group("");
  command->add_option("FORM", *form, "man, bash, zsh or fish")->required();
  command->callback([form, &app] { say(text_of(*form, app)); });
}

}  // namespace querymark::cli::describe
