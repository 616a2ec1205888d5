#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "exit_code.hpp"
#include "output.hpp"

namespace querymark::cli {
namespace {

struct Options {
  DatabaseOption db;
  bool dry_run = false;
  bool json = false;
};

void run(const Options& options) {
  const std::string url = options.db.url();
  const auto [label, report] = backend_of_log(url).migrate(url, options.dry_run);
  if (options.json) {
    const nlohmann::json out{{"database", label},         {"from", report.from},
                             {"to", report.to},           {"applied", report.applied},
                             {"notices", report.notices}, {"dry_run", options.dry_run}};
    say(out.dump() + '\n');
    return;
  }
  for (const std::string& name : report.applied)
    say(fmt::format("{} {}\n", options.dry_run ? "would apply" : "applied", name));
  for (const std::string& notice : report.notices) say(notice + '\n');
  if (report.applied.empty())
    say(fmt::format("{} is at schema {}: nothing to do\n", label, report.to));
  else
    say(fmt::format("{}: schema {} -> {}{}\n", label, report.from, report.to,
                    options.dry_run ? " (dry run: nothing was changed)" : ""));
}

}  // namespace

void add_migrate(CLI::App& app, ExitCode& /*code*/) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("migrate", "Bring a database's querymark schema up to date");
  options->db.add_to(*command, "Database, created when missing if it is SQLite's");
  command->add_flag("--dry-run", options->dry_run, "Only say what would be applied");
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->footer(std::string("Forward only, and safe when several run at once.\n") + kExitCodes);
  command->callback([options] { run(*options); });
}

}  // namespace querymark::cli
