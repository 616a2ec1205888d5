#include "commands/migrate.hpp"

#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "endpoint.hpp"

namespace querymark::cli {
namespace {

struct Options {
  std::string db;
  bool dry_run = false;
  bool json = false;
};

void run(const Options& options) {
  const auto [label, report] = migrate_database(options.db, options.dry_run);
  if (options.json) {
    const nlohmann::json out{{"database", label},
                             {"from", report.from},
                             {"to", report.to},
                             {"applied", report.applied},
                             {"dry_run", options.dry_run}};
    fmt::print("{}\n", out.dump());
    return;
  }
  for (const std::string& name : report.applied)
    fmt::print("{} {}\n", options.dry_run ? "would apply" : "applied", name);
  if (report.applied.empty())
    fmt::print("{} is at schema {}: nothing to do\n", label, report.to);
  else
    fmt::print("{}: schema {} -> {}{}\n", label, report.from, report.to,
               options.dry_run ? " (dry run: nothing was changed)" : "");
}

}  // namespace

void add_migrate(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("migrate", "Bring a database's querymark schema up to date");
  command
      ->add_option("--db", options->db,
                   "Database: postgresql://USER@HOST/NAME, or sqlite:PATH (created when missing)")
      ->required();
  command->add_flag("--dry-run", options->dry_run, "Only say what would be applied");
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->footer("Forward only, and safe when several run at once.");
  command->callback([options] { run(*options); });
}

}  // namespace querymark::cli
