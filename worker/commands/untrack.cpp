#include <memory>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "track_report.hpp"

namespace querymark::cli::untrack {
namespace {

struct Options {
  DatabaseOption db;
  TrackOptions track;
  bool json = false;
};

ExitCode run(const Options& options) {
  const std::string url = options.db.url();
  tell_tables(backend_of_log(url).untrack(url, options.track), options.track.dry_run, options.json);
  return kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("untrack", "Take away what track has given to tables");
  options->db.add_to(*command, "Database whose tables are meant");
  command->add_option("tables", options->track.tables, "Tables");
  command->add_flag("--all", options->track.all, "Every table that is tracked");
  command->add_flag("--dry-run", options->track.dry_run, "Only show what would be run");
  command->add_flag("--json", options->json, "One JSON object on stdout for each table");
  command->footer(kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::untrack
