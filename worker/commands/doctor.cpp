#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "health.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "printable.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli {
namespace {

std::vector<Finding> examine(const LogView& view) {
  try {
    const LogEndpoint log = view.open();
    return findings_of(log, view.namespace_name);
  } catch (const SchemaError& failure) {
    return {{Finding::Severity::error, failure.what(), "run querymark migrate"}};
  }
}

void tell(const Finding& finding, bool json) {
  if (json)
    say_json({{"severity", to_string(finding.severity)},
              {"what", finding.what},
              {"advice", finding.advice}});
  else
    say(fmt::format("{}: {}\n    {}\n", to_string(finding.severity), printable(finding.what),
                    printable(finding.advice)));
}

ExitCode run(const LogView& view) {
  const std::vector<Finding> findings = examine(view);
  using enum Finding::Severity;
  for (const auto severity : {error, warning, notice})
    for (const Finding& finding : findings)
      if (finding.severity == severity) tell(finding, view.json);
  const bool sick = std::ranges::any_of(findings, [](const Finding& finding) {
    return finding.severity != Finding::Severity::notice;
  });
  if (findings.empty() && !view.json) say("nothing found\n");
  return sick ? kDegraded : kSuccess;
}

}  // namespace

void add_doctor(CLI::App& app, ExitCode& code) {
  auto view = std::make_shared<LogView>();
  CLI::App* command =
      app.add_subcommand("doctor", "Look for what hurts, and say what to do about it");
  view->add_to(*command);
  command->callback([view, &code] { code = run(*view); });
}

}  // namespace querymark::cli
