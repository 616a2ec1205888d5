#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "exit_code.hpp"
#include "json_output.hpp"
#include "output.hpp"
#include "querymark/support/error.hpp"

namespace querymark::cli::migrate {
namespace {

struct Options {
  DatabaseOption db;
  bool dry_run = false;
  bool finish = false;
  bool status = false;
  bool json = false;
};

std::string text_of_unfinished(const MigrationReport& report) {
  return report.unfinished.empty()
             ? ""
             : report.unfinished + "; once none of them runs: querymark migrate --finish\n";
}

ExitCode tell_newer(const Options& options, const SchemaError& newer) {
  if (options.json)
    say_json({{"problem", newer.what()}, {"pending", nlohmann::json::array()}});
  else
    say(std::string(newer.what()) + '\n');
  return kDegraded;
}

// Whether the schema is this program's.
ExitCode tell_schema(const Options& options, const std::string& url) {
  const auto [label, report] = backend_of_log(url).migrate(url, true);
  if (options.json)
    say_json({{"database", label},
              {"schema", report.from},
              {"needed", report.to},
              {"pending", report.applied},
              {"unfinished", !report.unfinished.empty()}});
  else if (report.applied.empty())
    say(fmt::format("{} is at schema {}, which this program needs\n{}", label, report.to,
                    text_of_unfinished(report)));
  else
    say(fmt::format("{} is at schema {}; this program needs {}: run querymark migrate\n", label,
                    report.from, report.to));
  return report.applied.empty() ? kSuccess : kDegraded;
}

ExitCode tell_status(const Options& options, const std::string& url) {
  try {
    return tell_schema(options, url);
  } catch (const SchemaError& newer) {
    return tell_newer(options, newer);
  }
}

ExitCode run(const Options& options) {
  const std::string url = options.db.url();
  if (options.status) return tell_status(options, url);
  const Backend& backend = backend_of_log(url);
  const auto [label, report] = backend.migrate(url, options.dry_run);
  const bool finished = options.finish && !report.unfinished.empty() &&
                        backend.finish_migration(url, options.dry_run);
  const bool unfinished = !report.unfinished.empty() && (!finished || options.dry_run);
  if (options.json) {
    say_json({{"database", label},
              {"from", report.from},
              {"to", report.to},
              {"applied", report.applied},
              {"notices", report.notices},
              {"finished", finished && !options.dry_run},
              {"unfinished", unfinished},
              {"dry_run", options.dry_run}});
    return kSuccess;
  }
  for (const std::string& name : report.applied)
    say(fmt::format("{} {}\n", options.dry_run ? "would apply" : "applied", name));
  for (const std::string& notice : report.notices) say(notice + '\n');
  if (report.applied.empty())
    say(fmt::format("{} is at schema {}: nothing to do\n", label, report.to));
  else
    say(fmt::format("{}: schema {} -> {}{}\n", label, report.from, report.to,
                    options.dry_run ? " (dry run: nothing was changed)" : ""));
  if (finished)
    say(options.dry_run ? "would finish: nothing would be kept for programs of earlier releases\n"
                        : "finished: nothing is kept for programs of earlier releases any more\n");
  else if (unfinished)
    say(text_of_unfinished(report));
  return kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("migrate", "Bring a database's querymark schema up to date");
  options->db.add_to(*command, "Database, created when missing if it is SQLite's");
  command->add_flag("--dry-run", options->dry_run, "Only say what would be applied");
  command->add_flag(
      "--finish", options->finish,
      "Also take away what is left for programs of earlier releases, none of which runs "
      "any more: they could not write");
  command->add_flag("--status", options->status,
                    "Only tell which schema there is and which one is needed; exit code 4 when it "
                    "is not the same");
  command->add_flag("--json", options->json, "One JSON object on stdout");
  command->footer(std::string("Forward only, and safe when several run at once.\n") + kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::migrate
