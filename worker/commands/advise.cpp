#include <algorithm>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "json_output.hpp"
#include "printable.hpp"
#include "querymark/support/error.hpp"
#include "whole_text.hpp"

namespace querymark::cli::advise {
namespace {

struct Options {
  DatabaseOption db;
  std::vector<std::string> sql;
  std::vector<std::string> files;
  bool counted = false;
  std::size_t most = 1000;
  Promises promises;
  bool json = false;
};

// What was asked about, and how many calls of what is hidden.
CountedStatements asked_about(const Options& options, const Backend& backend,
                              const std::string& url) {
  if (options.sql.empty() && options.files.empty() && !options.counted)
    throw ConfigError(
        "about which queries? Give them, or --file, or --counted for those that the server has "
        "counted");
  CountedStatements all;
  for (const std::string& sql : options.sql) all.queries.push_back({.sql = sql});
  const auto add = [&all](std::vector<SeenQuery> more) {
    std::ranges::move(more, std::back_inserter(all.queries));
  };
  constexpr std::size_t kMostMib = 64;
  for (const std::string& file : options.files)
    add(backend.queries_in(text_of_input(file, "the script", kMostMib)));
  if (options.counted) {
    CountedStatements counted = backend.counted_statements(url, options.most);
    all.hidden = counted.hidden;
    add(std::move(counted.queries));
  }
  for (SeenQuery& query : all.queries) query.promises = options.promises;
  return all;
}

nlohmann::json shown(const Advice& advice) {
  const auto texts = [&](const std::vector<std::size_t>& places) {
    nlohmann::json list = nlohmann::json::array();
    for (const std::size_t at : places)
      list.push_back({{"sql", advice.queries[at].sql}, {"calls", advice.queries[at].calls}});
    return list;
  };
  nlohmann::json tables = nlohmann::json::array();
  for (const TableAdvice& table : advice.tables) {
    nlohmann::json routes = nlohmann::json::array();
    for (const RouteAdvice& route : table.routes)
      routes.push_back({{"columns", route.columns}, {"gains", texts(route.gains)}});
    tables.push_back({{"table", table.table},
                      {"relation", table.relation},
                      {"tracked", table.tracked},
                      {"kept", table.kept},
                      {"routes", routes},
                      {"kept_at_all", texts(table.kept_at_all)},
                      {"command", table.command()}});
  }
  nlohmann::json left = nlohmann::json::array();
  for (const LeftQuery& one : advice.left)
    left.push_back({{"sql", advice.queries[one.query].sql},
                    {"calls", advice.queries[one.query].calls},
                    {"relation", one.relation},
                    {"why", one.why}});
  return {{"queries", advice.queries.size()},
          {"good", advice.good},
          {"tables", tables},
          {"left", left},
          {"notes", advice.notes}};
}

ExitCode run(const Options& options) {
  const std::string url = options.db.url();
  const Backend& backend = backend_of_log(url);
  CountedStatements asked = asked_about(options, backend, url);
  Advice advice = backend.advise(url, std::move(asked.queries));
  if (asked.hidden != 0)
    advice.notes.push_back(std::to_string(asked.hidden) +
                           " calls of other roles' statements are hidden from this one: grant "
                           "pg_read_all_stats to it");
  if (options.json)
    say_json(shown(advice));
  else
    say(printable_lines(advice.str()) + '\n');
  return kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "advise", "Tell by which columns tables should report, so that writes end fewer results");
  options->db.add_to(*command, "Database that the queries are for");
  command->add_option("sql", options->sql, "Queries, with their parameters as they are");
  command
      ->add_option("--file", options->files,
                   "A script of queries, each ended by a semicolon; - is standard input. Writes "
                   "and commands in it are left out")
      ->allow_extra_args(false);
  command->add_flag("--counted", options->counted,
                    "PostgreSQL: the queries that pg_stat_statements has counted");
  command->add_option("--most", options->most, "How many of these, the most called first")
      ->capture_default_str();
  command
      ->add_option("--reads", options->promises.reads,
                   "As .reads(TABLE): functions that can't be looked into read this")
      ->allow_extra_args(false);
  command
      ->add_option("--pure", options->promises.pure,
                   "As .pure(FUNCTION): it depends on its arguments alone")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->footer(std::string("Runs none of the queries, and changes nothing.\n") + kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::advise
