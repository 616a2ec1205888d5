#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "querymark/support/error.hpp"
#include "track_report.hpp"

namespace querymark::cli::track {
namespace {

struct Options {
  DatabaseOption db;
  TrackOptions track;
  std::vector<std::string> by;
  bool check = false;
  bool json = false;
};

std::vector<std::string> columns_of(const std::string& route) {
  std::vector<std::string> columns;
  for (std::size_t at = 0; at <= route.size();) {
    const std::size_t end = std::min(route.find(',', at), route.size());
    if (end == at) throw ConfigError("--by " + route + " names no column at one place");
    columns.push_back(route.substr(at, end - at));
    at = end + 1;
  }
  return columns;
}

ExitCode run(const Options& options) {
  TrackOptions track = options.track;
  for (const std::string& route : options.by) track.routes.push_back(columns_of(route));
  const std::string url = options.db.url();
  const Backend& backend = backend_of_log(url);
  if (options.check)
    return tell_findings(backend.check_tracking(url, track), options.json) ? kFailure : kSuccess;
  tell_tables(backend.track(url, track), track.dry_run, options.json);
  return kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "track", "Make tables report what writes change in them, so that nobody declares tags");
  options->db.add_to(*command, "Database whose tables are meant");
  command->add_option("tables", options->track.tables, "Tables");
  command
      ->add_option(
          "--by", options->by,
          "Columns by whose values rows are told apart, such as id or tenant,id; may be given "
          "more than once. Otherwise as before, or by the primary key")
      ->allow_extra_args(false);
  command->add_flag("--all", options->track.all, "Every table that can be tracked");
  command->add_flag("--row-level", options->track.row_level,
                    "PostgreSQL: triggers for each row, which logical replication fires, too");
  command->add_flag("--dry-run", options->track.dry_run, "Only show what would be run");
  command->add_flag(
      "--check", options->check,
      "Change nothing, look whether tables are tracked as they should be; exit code 1 "
      "where they are not, with --all also where they are not tracked");
  command->add_flag("--json", options->json, "One JSON object on stdout for each table or finding");
  command->footer(kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::track
