#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "printable.hpp"
#include "querymark/database/reconcile.hpp"
#include "querymark/read/cache.hpp"
#include "querymark/support/counted.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/sql_text.hpp"
#include "whole_text.hpp"

namespace querymark::cli::reconcile {
namespace {

struct Options {
  LogCommand log;
  std::string tier;
  std::string tier_keys;
  std::string calls;
  bool only_look = false;
};

constexpr std::array kOutcomes{
    std::pair(Reconciled::absent, "absent"), std::pair(Reconciled::agrees, "agrees"),
    std::pair(Reconciled::excused, "excused"), std::pair(Reconciled::wrong, "wrong"),
    std::pair(Reconciled::failed, "failed")};

std::string_view text_of(Reconciled outcome) {
  for (const auto& [one, text] : kOutcomes)
    if (one == outcome) return text;
  return "";
}

// Types count: 7 and 7.0 are other parameters to an application, too.
void add_parameter(Parameters& parameters, const nlohmann::json& value) {
  if (value.is_null())
    parameters.add(std::optional<std::string>());
  else if (value.is_boolean())
    parameters.add(value.get<bool>());
  else if (value.is_number_unsigned() &&
           value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()})
    throw ConfigError("a whole number lies outside of 64 bits: " + value.dump());
  else if (value.is_number_integer())
    parameters.add(value.get<std::int64_t>());
  else if (value.is_number_float())
    parameters.add(value.get<double>());
  else if (value.is_string())
    parameters.add(value.get<std::string>());
  else
    throw ConfigError("a parameter is a number, a text, true, false or null");
}

constexpr std::array<std::string_view, 3> kFields{"sql", "parameters", "scope"};

std::string text_field(const nlohmann::json& value, const std::string& name) {
  if (!value.is_string()) throw ConfigError('"' + name + "\" is a text, not " + value.dump());
  return value.get<std::string>();
}

KnownCall call_in(const std::string& line) {
  const nlohmann::json json = nlohmann::json::parse(line);
  if (!json.is_object() || !json.contains("sql"))
    throw ConfigError(
        R"(a call is an object such as {"sql": "select ...", "parameters": [7], "scope": "..."})");
  KnownCall call;
  for (const auto& [name, value] : json.items()) {
    if (std::ranges::find(kFields, name) == kFields.end())
      throw ConfigError("unknown field \"" + name +
                        R"("; a call has "sql", "parameters", "scope")");
    if (name == "sql") call.sql = text_field(value, name);
    if (name == "scope") call.scope = text_field(value, name);
    if (name != "parameters") continue;
    if (!value.is_array()) throw ConfigError("\"parameters\" is a list, not " + value.dump());
    for (const auto& each : value) add_parameter(call.parameters, each);
  }
  return call;
}

std::vector<KnownCall> calls_in(const std::string& text) {
  std::istringstream lines(text);
  std::vector<KnownCall> calls;
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    try {
      calls.push_back(call_in(line));
    } catch (const nlohmann::json::exception& problem) {
      throw ConfigError(fmt::format("line {} is no JSON: {}", number, problem.what()));
    } catch (const ConfigError& problem) {
      throw ConfigError(fmt::format("line {}: {}", number, problem.what()));
    }
  }
  return calls;
}

void tell(const KnownCall& call, const ReconciledCall& one, bool json) {
  if (json) {
    say_json({{"sql", call.sql},
              {"parameters", one.parameters},
              {"became", text_of(one.became)},
              {"problem", one.problem}});
    return;
  }
  if (one.became != Reconciled::wrong && one.became != Reconciled::failed) return;
  say(fmt::format("{}: {}{}{}{}\n", text_of(one.became), printable(shown_sql(call.sql)),
                  one.parameters.empty() ? "" : " with ", printable(one.parameters),
                  one.problem.empty() ? "" : ": " + printable(one.problem)));
}

// Those of the file that was named, or else that the environment names.
std::shared_ptr<const SealingKeys> keys_of(const Options& options) {
  if (!options.tier_keys.empty()) return SealingKeys::from_file(options.tier_keys);
  const char* file =
      std::getenv("QUERYMARK_TIER_KEYS");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  return file == nullptr || *file == '\0' ? nullptr : SealingKeys::from_file(file);
}

ExitCode run(const Options& options) {
  options.log.require_namespace();
  constexpr std::size_t kMostMib = 64;
  const std::vector<KnownCall> calls =
      calls_in(text_of_input(options.calls, "the file of calls", kMostMib));
  const std::shared_ptr<SharedTier> tier =
      backend_of_target(options.tier).open_tier(options.tier, keys_of(options));
  const std::string url = options.log.db.url();
  Cache cache({.memory_bytes = 256U << 20U});
  const auto database = backend_of_log(url).open_database(url, cache, options.log.namespace_name);
  const auto all = querymark::reconcile(*database, tier, calls, options.only_look);
  std::array<std::size_t, kOutcomes.size()> counts{};
  for (const ReconciledCall& one : all) {
    ++counts.at(static_cast<std::size_t>(one.became));
    tell(calls[one.call], one, options.log.json);
  }
  const auto count = [&](Reconciled outcome) {
    return counts.at(static_cast<std::size_t>(outcome));
  };
  if (!options.log.json)
    say(fmt::format("{}: {} agree, {} absent, {} excused by a write, {} wrong, {} failed\n",
                    counted(calls.size(), "call"), count(Reconciled::agrees),
                    count(Reconciled::absent), count(Reconciled::excused), count(Reconciled::wrong),
                    count(Reconciled::failed)));
  if (count(Reconciled::wrong) > 0) return kDegraded;
  return count(Reconciled::failed) > 0 ? kFailure : kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "reconcile", "Compare what a shared tier holds of some calls with the database");
  options->log.add_to(*command);
  command
      ->add_option("--tier", options->tier,
                   "Shared tier: sqlite:PATH of a file tier, or redis://HOST")
      ->required();
  command->add_option("--tier-keys", options->tier_keys,
                      "File of the keys with which the tier's values are sealed; else that which "
                      "QUERYMARK_TIER_KEYS names");
  command
      ->add_option(
          "calls", options->calls,
          R"(File of calls, a JSON object a line: {"sql": "...", "parameters": [7, "tea"]}; - is standard input)")
      ->required();
  command->add_flag("--dry-run", options->only_look, "Only look: invalidate nothing");
  command->footer(
      std::string(
          "What is wrong is invalidated in all processes and tiers. Values are found where text, "
          "types of parameters and session are the application's; one that is there but can't be "
          "read, since it is sealed with another key, say, is a failure. Exit code 4 where "
          "something was wrong.\n") +
      kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::reconcile
