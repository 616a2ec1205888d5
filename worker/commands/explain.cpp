#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "json_output.hpp"
#include "printable.hpp"

namespace querymark::cli::explain {
namespace {

struct Options {
  DatabaseOption db;
  std::string sql;
  Promises promises;
  bool json = false;
};

nlohmann::json shown(const RoutedColumn& column) {
  nlohmann::json values = nlohmann::json::array();
  for (const RouteValue& value : column.values) {
    if (value.parameter)
      values.push_back({{"parameter", *value.parameter + 1}, {"elements", value.elements}});
    else
      values.push_back({{"constant", value.constant}});
  }
  return values;
}

nlohmann::json shown(const Analysis& analysis) {
  nlohmann::json occurrences = nlohmann::json::array();
  for (const Occurrence& one : analysis.occurrences) {
    nlohmann::json columns = nlohmann::json::array();
    for (const RoutedColumn& column : one.columns) columns.push_back(shown(column));
    occurrences.push_back({{"relation", one.relation}, {"route", one.route}, {"values", columns}});
  }
  return {{"verdict", to_string(analysis.verdict)},
          {"why", analysis.why},
          {"keys_apart", analysis.keys_apart},
          {"occurrences", occurrences}};
}

ExitCode run(const Options& options) {
  const std::string url = options.db.url();
  const Analysis analysis = backend_of_log(url).analyse(url, options.sql, options.promises);
  if (options.json)
    say_json(shown(analysis));
  else
    say(printable_lines(analysis.str()) + '\n');
  return analysis.verdict == Verdict::cache ? kSuccess : kFailure;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "explain",
      "Tell on which rows of which tables a query's result depends, or why it is not cached");
  options->db.add_to(*command, "Database that the query is for");
  command->add_option("sql", options->sql, "The query, with its parameters as they are")
      ->required();
  command->add_option("--reads", options->promises.reads,
                      "As .reads(TABLE): functions that can't be looked into read this");
  command->add_option("--pure", options->promises.pure,
                      "As .pure(FUNCTION): it depends on its arguments alone");
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->footer(std::string("Runs nothing of the query. Exit code 1 where it is not cached.\n") +
                  kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::explain
