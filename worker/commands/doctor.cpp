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
#include "times.hpp"

namespace querymark::cli {
namespace {

struct Options {
  LogCommand view{LogCommand::Looks::at_all};
  std::string largest_ttl;
  std::string longest_open = "1min";
};

std::vector<Finding> examine(const Options& options) {
  Expected expected{.namespace_name = options.view.namespace_name,
                    .longest_open = parse_span(options.longest_open, "--longest-open")};
  if (const std::string& ttl = options.largest_ttl; !ttl.empty())
    expected.largest_ttl = parse_span(ttl, "--largest-ttl");
  try {
    const LogEndpoint log = options.view.open();
    return findings_of(log, expected);
  } catch (const SchemaError& failure) {
    return {{Finding::Severity::error, failure.what(), "run querymark migrate"}};
  } catch (const ConfigError&) {
    throw;  // where --db leads, there is no log to be had
  } catch (const Error& failure) {
    // The log refuses what it can't work with, and says what to do.
    if (failure.connection_lost() || failure.retryable()) throw;
    return {{Finding::Severity::error, failure.what(),
             "nobody who connects like this can follow the log"}};
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

ExitCode run(const Options& options) {
  const std::vector<Finding> findings = examine(options);
  const bool json = options.view.json;
  using enum Finding::Severity;
  for (const auto severity : {error, warning, notice})
    for (const Finding& finding : findings)
      if (finding.severity == severity) tell(finding, json);
  const bool sick = std::ranges::any_of(findings, [](const Finding& finding) {
    return finding.severity != Finding::Severity::notice;
  });
  if (findings.empty() && !json) say("nothing found\n");
  return sick ? kDegraded : kSuccess;
}

}  // namespace

void add_doctor(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("doctor", "Look for what hurts, and say what to do about it");
  options->view.add_to(*command);
  command->add_option("--largest-ttl", options->largest_ttl,
                      "The applications' largest TTL, such as 1h, 1d: is the log kept that long?");
  command
      ->add_option("--longest-open", options->longest_open,
                   "How long a transaction may stay open, such as 30s, 10min")
      ->capture_default_str();
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli
