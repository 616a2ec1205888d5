#include <algorithm>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "health.hpp"
#include "log_command.hpp"
#include "querymark/support/error.hpp"
#include "times.hpp"
#include "track_report.hpp"

namespace querymark::cli::doctor {
namespace {

struct Options {
  LogCommand view{LogCommand::Looks::at_all};
  std::string largest_ttl;
  std::string longest_open = "1min";
};

// Tables that are tracked, but not as they should be. What is not tracked is nobody's fault.
std::vector<Finding> broken_tracking(const std::string& url) {
  std::vector<Finding> findings;
  try {
    findings = backend_of_log(url).check_tracking(url, {});
  } catch (const SchemaError&) {
    throw;
  } catch (const Error& failure) {
    if (failure.connection_lost() || failure.retryable()) throw;
    // What can't be looked at is not well.
    findings.push_back({Finding::Severity::error,
                        std::string("whether tables report what is written to them can't be "
                                    "checked: ") +
                            failure.what(),
                        "querymark track --check"});
  }
  std::erase_if(findings,
                [](const Finding& one) { return one.severity != Finding::Severity::error; });
  return findings;
}

std::vector<Finding> examine(const Options& options) {
  Expected expected{.namespace_name = options.view.namespace_name,
                    .longest_open = parse_span(options.longest_open, "--longest-open")};
  if (const std::string& ttl = options.largest_ttl; !ttl.empty())
    expected.largest_ttl = parse_span(ttl, "--largest-ttl");
  try {
    const LogEndpoint log = options.view.open();
    std::vector<Finding> findings = findings_of(log, expected);
    std::ranges::move(broken_tracking(options.view.db.url()), std::back_inserter(findings));
    return findings;
  } catch (const SchemaError& failure) {
    return {{Finding::Severity::error, failure.what(), "nobody follows the log until then"}};
  } catch (const ConfigError&) {
    throw;  // where --db leads, there is no log to be had
  } catch (const Error& failure) {
    // The log refuses what it can't work with, and says what to do.
    if (failure.connection_lost() || failure.retryable()) throw;
    return {{Finding::Severity::error, failure.what(),
             "nobody who connects like this can follow the log"}};
  }
}

ExitCode run(const Options& options) {
  const std::vector<Finding> findings = examine(options);
  return tell_findings(findings, options.view.json) ? kDegraded : kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
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

}  // namespace querymark::cli::doctor
