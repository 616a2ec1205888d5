// The main job on real data: imports this machine's package catalogue, measures cached against
// direct answers, then lets a worker and two instances of the service write and read as separate
// processes, and counts stale reads.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "import.hpp"
#include "instances.hpp"
#include "interrupts.hpp"
#include "measure.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "scratch_folder.hpp"

namespace {

using namespace catalogue;
using std::chrono::steady_clock;

struct Arguments {
  bool json = false, canary = false, keep = false;
  std::int64_t seconds = 10;
  std::string catalogue;
  Programs programs{.querymark = program_folder() + "/../../worker/querymark",
                    .service = program_folder() + "/catalogue_service"};
};

double seconds_since(steady_clock::time_point began) {
  return std::chrono::duration<double>(steady_clock::now() - began).count();
}

Report run(const Arguments& arguments, Interrupts& interrupts) {
  const auto began = steady_clock::now();
  Progress progress;
  const ScratchFolder folder(arguments.keep);
  const SharedFiles files{.database = folder.file("catalogue.db"),
                          .tier = folder.file("catalogue.tier"),
                          .log_folder = folder.path()};
  const PackageLists lists = find_package_lists(arguments.catalogue);
  Report report{.source = lists.kind, .canary = arguments.canary};

  report.imported = import_catalogue(files.database, lists, [&](const ImportResult& so_far) {
    interrupts.check();
    progress.update(fmt::format("importing: {} packages", so_far.packages));
  });
  progress.done(fmt::format("imported {} packages and {} dependencies ({}) in {:.1f} s",
                            report.imported.packages, report.imported.dependencies, lists.kind,
                            seconds_since(began)));
  migrate(arguments.programs, files, interrupts);

  const auto measuring = steady_clock::now();
  report.measured = measure(files.database, files.tier, [&] {
    interrupts.check();
    progress.update("measuring: direct, from memory, from the file tier");
  });
  progress.done(
      fmt::format("measured direct and cached answers in {:.1f} s", seconds_since(measuring)));

  const auto exercising = steady_clock::now();
  const InstanceOptions options{.seconds = arguments.seconds, .canary = arguments.canary};
  report.exercised =
      run_instances(arguments.programs, files, options, interrupts, [&](std::uint64_t checked) {
        progress.update(fmt::format("worker and two instances: {} reads checked", checked));
      });
  progress.done(fmt::format("ran the worker and two instances for {:.1f} s: {} reads checked",
                            seconds_since(exercising), report.exercised.checked_reads));
  if (arguments.keep)
    progress.done(fmt::format("kept; to ask it: {} --db {} --tier {}", arguments.programs.service,
                              files.database, files.tier));
  report.seconds = seconds_since(began);
  return report;
}

void print(const Report& report, bool as_json) {
  if (as_json)
    fmt::print("{}\n", report.json().dump());
  else
    fmt::print("{}", report.table());
  std::fflush(stdout);
  if (report.canary && report.complaint().empty())
    fmt::print(stderr,
               "  canary: one invalidation was dropped on purpose, and {} stale reads showed it\n",
               report.exercised.stale_reads_after_wait);
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kUsage = 2, kInterrupted = 130;
  CLI::App app{"Real queries cached, real writes invalidating them in other processes", "demo"};
  Arguments arguments;
  app.add_flag("--json", arguments.json, "Print one JSON object instead of the table");
  app.add_flag("--canary", arguments.canary,
               "Drop one invalidation on purpose: stale reads must then be found");
  app.add_flag("--keep", arguments.keep, "Keep the database, the tier and the logs");
  app.add_option("--seconds", arguments.seconds, "How long the two instances run")
      ->check(CLI::Range(1, 3600))
      ->capture_default_str();
  app.add_option("--catalogue", arguments.catalogue, "A Packages file to import instead")
      ->check(CLI::ExistingFile);
  app.add_option("--querymark", arguments.programs.querymark, "The program querymark");
  app.add_option("--service", arguments.programs.service, "The program catalogue_service");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure) == 0 ? 0 : kUsage;
  }
  try {
    Interrupts interrupts;
    try {
      const Report report = run(arguments, interrupts);
      print(report, arguments.json);
      const std::string complaint = report.complaint();
      if (complaint.empty()) return 0;
      fmt::print(stderr, "demo: {}\n", complaint);
      return 1;
    } catch (const std::exception&) {
      // Ctrl-C reaches the children too; what then fails is not the news.
      if (!interrupts.pending()) throw;
      fmt::print(stderr, "\ndemo: interrupted\n");
      return kInterrupted;
    }
  } catch (const std::exception& failure) {
    fmt::print(stderr, "demo: {}\n", failure.what());
    return 1;
  }
}
