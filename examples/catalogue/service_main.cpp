// One instance of the catalogue service. By itself it answers questions from standard input:
//
//   catalogue_service --db catalogue.db --tier catalogue.tier
//   > largest games
//
// With --automatic it declares nothing: `querymark track` has made the tables report their writes.
//
// Start two on one database and see what one's `bump` does to the other's answers. The demo starts
// two with --exercise, connected to each other by their standard input.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <mutex>
#include <sstream>

#include "exercise.hpp"

namespace {

using namespace catalogue;

constexpr const char* kHelp =
    "package NAME | largest SECTION | needed-by NAME | reach NAME | totals | bump NAME VERSION | "
    "remove NAME | wait RECEIPT | help | quit";

void print(const Package& p) {
  fmt::print("{} {} ({}, {} bytes)\n", p.name, p.version, p.section, p.size);
}
void print(const NeededBy& n) { fmt::print("{} ({})\n", n.name, n.kind); }
void print(const Large& l) { fmt::print("{} {} {} bytes\n", l.name, l.version, l.size); }
void print(std::int64_t count) { fmt::print("{} packages\n", count); }
void print(const Totals& t) { fmt::print("{} packages, {} KiB\n", t.packages, t.installed_size); }

template <class Rows>
void answer(const Rows& rows) {
  for (const auto& row : rows) print(row);
  fmt::print("  {} rows, {}\n", rows.size(), rows.outcome());
}

void wait_for(Service& service, const std::string& text) {
  const auto receipt = qm::Receipt::parse(text);
  if (!receipt) throw std::invalid_argument("not a receipt");
  const qm::WaitOutcome outcome = service.wait(*receipt, std::chrono::seconds(5));
  fmt::print("  {}\n", qm::to_string(outcome.status));
}

// False: unknown.
bool obey(Service& service, const std::string& verb, const std::string& what,
          const std::string& more) {
  if (verb == "package")
    answer(service.package(what));
  else if (verb == "largest")
    answer(service.largest(what));
  else if (verb == "needed-by")
    answer(service.needed_by(what));
  else if (verb == "reach")
    answer(service.reach(what));
  else if (verb == "totals")
    answer(service.totals());
  else if (verb == "bump" && !more.empty())
    fmt::print("  {}\n", service.bump(what, more).str());
  else if (verb == "remove")
    fmt::print("  {}\n", service.remove(what).receipt.str());
  else if (verb == "wait")
    wait_for(service, what);
  else
    return false;
  return true;
}

void converse(Service& service) {
  const bool prompt = isatty(STDIN_FILENO) != 0;
  for (std::string line;
       (prompt && std::cout << "> " << std::flush), std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string verb, what, more;
    words >> verb >> what >> more;
    if (verb == "quit") break;
    if (verb.empty()) continue;
    try {
      if (!obey(service, verb, what, more)) fmt::print("{}\n", kHelp);
    } catch (const std::exception& failure) {
      fmt::print("  {}\n", failure.what());
    }
    std::fflush(stdout);
  }
}

// What audits have found. Thread-safe.
class Found {
 public:
  void add(const qm::AuditFailure& failure) {
    fmt::print(stderr, "{}\n", failure.str());
    const std::scoped_lock lock(mutex_);
    queries_.push_back(failure.query);
  }
  [[nodiscard]] std::vector<std::string> take() {
    const std::scoped_lock lock(mutex_);
    return std::exchange(queries_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> queries_;
};

// A session for the exercise, to which those strangers belong that this instance has beside it.
Beside beside(const std::string& database) {
  std::signal(SIGPIPE, SIG_IGN);  // one that has gone is an error
  const std::unique_ptr<Backend> backend = backend_of(database);
  Beside beside{.session = Stranger(program_folder() + "/catalogue_stranger", database),
                .sabotage = backend->sabotage()};
  if (const std::string greeting = backend->greeting(); !greeting.empty())
    beside.session.run(greeting);
  return beside;
}

// Lines of JSON on standard output: progress, then the result.
void exercise(Service& service, const std::string& database, bool automatic, Found& found,
              const ExerciseOptions& options) {
  Direct direct(database);
  Peer peer(STDIN_FILENO);
  std::optional<Beside> stranger;
  if (automatic) stranger.emplace(beside(database));
  const auto say = [](const nlohmann::json& line) { std::cout << line.dump() << std::endl; };
  Exercise exercise(service, direct, peer, stranger ? &*stranger : nullptr, options);
  Tally tally =
      exercise.run([&](const Tally& so_far) { say({{"progress", so_far.checked_reads}}); });
  tally.audit_found = found.take();
  say({{"result", tally}});
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"One instance of the catalogue service: answers from a cached database",
               "catalogue_service"};
  std::string database, tier;
  bool exercising = false, automatic = false;
  double audited = 0;
  ExerciseOptions options;
  std::int64_t seconds = 10;
  app.add_option("--db", database,
                 "The imported and migrated catalogue: sqlite:PATH or postgresql://USER@HOST/NAME")
      ->required();
  app.add_option("--tier", tier, "A file tier, shared by the instances");
  app.add_flag("--automatic", automatic,
               "No tags and no intents: the tables report their writes (querymark track)");
  app.add_option("--audit", audited, "Share of the hits to check in the background, such as 0.01")
      ->check(CLI::Range(0.0, 1.0));
  app.add_flag("--exercise", exercising, "Take turns with the instance at standard input");
  app.add_flag("--leads", options.leads, "Write first, and decide when the exercise is over");
  app.add_option("--seconds", seconds, "Length of the exercise")->check(CLI::Range(1, 3600));
  app.add_flag("--canary", options.canary, "Drop one invalidation on purpose, or one trigger");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& failure) {
    return app.exit(failure) == 0 ? 0 : 2;
  }
  options.duration = std::chrono::seconds(seconds);
  try {
    Found found;
    Service service(
        database, tier,
        {.tags = automatic ? qm::Tags::automatic : qm::Tags::declared,
         .audit = {.share = audited, .on_failure = [&found](const qm::AuditFailure& failure) {
                     found.add(failure);
                   }}});
    if (exercising)
      exercise(service, database, automatic, found, options);
    else
      converse(service);
    return 0;
  } catch (const std::exception& failure) {
    fmt::print(stderr, "catalogue_service: {}\n", failure.what());
    return 1;
  }
}
