// The main job on real data: imports this machine's package catalogue, measures cached against
// direct answers, then lets a worker and two instances of the service write and read as separate
// processes, and counts stale reads.

#include <CLI/CLI.hpp>
#include <cstdio>

#include "import.hpp"
#include "instances.hpp"
#include "interrupts.hpp"
#include "measure.hpp"
#include "place.hpp"
#include "progress.hpp"
#include "report.hpp"
#include "scratch_folder.hpp"

namespace {

using namespace catalogue;
using std::chrono::steady_clock;

struct Arguments {
  bool json = false, automatic = false, canary = false;
  PlaceOptions place;
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
  const PackageLists lists = find_package_lists(arguments.catalogue);
  const ScratchFolder folder(arguments.place.keep);
  const std::unique_ptr<Place> place = make_place(arguments.place, folder);
  SharedFiles files{
      .database = place->url(), .tier = folder.file("catalogue.tier"), .log_folder = folder.path()};
  const std::unique_ptr<Backend> backend = backend_of(place->url());
  const qm::Tags tags = arguments.automatic ? qm::Tags::automatic : qm::Tags::declared;
  Report report{.source = lists.kind,
                .database = backend->name(),
                .automatic = arguments.automatic,
                .canary = arguments.canary};

  const auto importing = steady_clock::now();
  report.imported = import_catalogue(*backend, lists, [&](const ImportResult& so_far) {
    interrupts.check();
    progress.update(fmt::format("importing: {} packages", so_far.packages));
  });
  progress.done(fmt::format("imported {} packages and {} dependencies ({}) into {} in {:.1f} s",
                            report.imported.packages, report.imported.dependencies, lists.kind,
                            report.database, seconds_since(importing)));
  migrate(arguments.programs, files, interrupts);

  const auto exercise = [&](bool automatic) {
    const auto began_exercise = steady_clock::now();
    const std::string what =
        fmt::format("worker and two instances{}", automatic ? " that declare nothing" : "");
    const InstanceOptions options{
        .seconds = arguments.seconds, .automatic = automatic, .canary = arguments.canary};
    Tally tally =
        run_instances(arguments.programs, files, options, interrupts, [&](std::uint64_t checked) {
          progress.update(fmt::format("{}: {} reads checked", what, checked));
        });
    progress.done(fmt::format("ran the {} for {:.1f} s: {} reads checked", what,
                              seconds_since(began_exercise), tally.checked_reads));
    return tally;
  };
  if (arguments.automatic) {
    // To compare with, while nothing reports writes but the service.
    if (!arguments.canary) report.declared = exercise(false);
    files.tier = folder.file("automatic.tier");
    track(arguments.programs, files, interrupts);
  }

  const auto measuring = steady_clock::now();
  report.measured = measure(files.database, files.tier, tags, [&] {
    interrupts.check();
    progress.update("measuring: direct, from memory, from the file tier");
  });
  progress.done(
      fmt::format("measured direct and cached answers in {:.1f} s", seconds_since(measuring)));
  report.exercised = exercise(arguments.automatic);
  if (arguments.place.keep && !arguments.place.private_server)
    progress.done(fmt::format("kept; to ask it: {} --db '{}' --tier {}{}",
                              arguments.programs.service, place->label(), files.tier,
                              arguments.automatic ? " --automatic" : ""));
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
    fmt::print(stderr, "  {}\n", report.canary_song());
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kUsage = 2, kInterrupted = 130;
  CLI::App app{"Real queries cached, real writes invalidating them in other processes", "demo"};
  Arguments arguments;
  app.add_flag("--json", arguments.json, "Print one JSON object instead of the table");
  app.add_flag(
      "--automatic", arguments.automatic,
      "Declare nothing: triggers tell of writes, also of those of strangers' sessions, and "
      "the database says on what answers depend. Compared with a declared run before it");
  app.add_flag("--canary", arguments.canary,
               "Drop one invalidation on purpose: stale reads must then be found. With --automatic "
               "switch one trigger off where nothing tells of it: the audit must find it");
  app.add_flag("--keep", arguments.place.keep, "Keep the database, the tier and the logs");
  auto* server = app.add_option("--db", arguments.place.server,
                                "A PostgreSQL server instead of a SQLite file: postgresql://…");
  app.add_flag("--postgres", arguments.place.private_server,
               "A PostgreSQL server of its own, which ends with the demo")
      ->excludes(server);
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
  // Not shown: it may hold a password.
  if (const std::string& db = arguments.place.server;
      !db.empty() && !db.starts_with("postgresql://") && !db.starts_with("postgres://")) {
    fmt::print(stderr, "demo: --db takes postgresql://USER@HOST:PORT/DATABASE\n");
    return kUsage;
  }
  arguments.place.tracked = arguments.automatic;
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
