#include <memory>

#include "commands/commands.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "status_report.hpp"

namespace querymark::cli::status {
namespace {

void run(const LogCommand& view) {
  const StatusReport report = look_at(view.open(), view.namespace_name);
  if (view.json)
    say_json(as_json(report));
  else
    say(as_text(report));
}

}  // namespace

void add(CLI::App& app, ExitCode& /*code*/) {
  auto view = std::make_shared<LogCommand>(LogCommand::Looks::at_all);
  CLI::App* command =
      app.add_subcommand("status", "The log, its shared targets and its subscribers, at a glance");
  view->add_to(*command);
  command->callback([view] { run(*view); });
}

}  // namespace querymark::cli::status
