#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "backends/backend.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "log_lines.hpp"
#include "querymark/deliver/worker.hpp"
#include "querymark/support/error.hpp"
#include "signals.hpp"

namespace querymark::cli {
namespace {

struct Options {
  DatabaseOption db;
  std::string namespace_name = "default";
  std::string target;
  bool once = false;
  bool json = false;
  std::uint64_t lease_ms = 30'000;
  std::uint64_t poll_ms = 1'000;
  unsigned attempts = RetryPolicy().max_attempts;
  std::uint64_t largest_ttl_s = 86'400;
  bool no_flush = false;
};

// Whatever ends the work, others need not wait for the lease.
struct ReleaseAtEnd {
  Worker& worker;
  ~ReleaseAtEnd() { worker.release(); }
};

// Drains what is there. A standby drains nothing: the lease is another's.
ExitCode drain(Worker& worker, const LogLines& lines, const std::stop_token& stop) {
  for (;;) {
    const WorkerRound round = worker.run_once();
    if (round.standby) {
      lines.warn("another worker holds the lease; what is left was not drained");
      return kDegraded;
    }
    if (round.down) throw Error("the target failed; what is left stays in the log");
    if (round.idle()) {
      if (round.next_due)
        lines.warn("invalidations that the target did not take wait to be tried again",
                   {{"next_due_ms", static_cast<std::uint64_t>(round.next_due->count())}});
      return kSuccess;
    }
    if (stop.stop_requested()) {
      lines.warn("stopped by a signal; what is left stays in the log");
      return kFailure;
    }
  }
}

// A worker of the wrong namespace would wait for ever, and look healthy.
void warn_of_idleness(const LogLines& lines, const std::vector<std::string>& used,
                      const std::string& namespace_name) {
  if (used.empty() || std::ranges::find(used, namespace_name) != used.end()) return;
  lines.warn("the log's newest rows are of other namespaces only: is --namespace right?",
             {{"namespace", namespace_name}, {"used", fmt::format("{}", fmt::join(used, ", "))}});
}

ExitCode run(const Options& options) {
  const StopOnSignal signals;
  const LogLines lines(options.json);
  const std::string url = options.db.url();
  if (options.namespace_name.empty()) throw ConfigError("--namespace is empty");
  const Backend& database = backend_of_log(url);
  const Backend& tier = backend_of_target(options.target);
  const LogEndpoint log = database.open_log(url, options.namespace_name);
  const auto target = tier.open_target(options.target, options.namespace_name);
  WorkerOptions settings;
  settings.lease = std::chrono::milliseconds(options.lease_ms);
  settings.poll_interval = std::chrono::milliseconds(options.poll_ms);
  settings.retry.max_attempts = options.attempts;
  settings.largest_ttl = std::chrono::seconds(options.largest_ttl_s);
  settings.on_death = options.no_flush ? OnDeath::nothing : OnDeath::flush;
  settings.on_round = [&lines](const WorkerRound& round, std::string_view error) {
    if (round.down)
      lines.warn("the target takes nothing, will try again",
                 {{"retried", round.retried}, {"error", error}});
    else if (round.died > 0)
      lines.warn("gave up invalidations that the target does not take",
                 {{"died", round.died}, {"error", error}});
    else if (round.left > 0)
      lines.warn("the target did not take some invalidations, will try them again",
                 {{"left", round.left}, {"error", error}});
    else if (!error.empty())
      lines.warn("round failed, will try again", {{"retried", round.retried}, {"error", error}});
    else if (round.fenced)
      lines.warn("lost the lease in the middle of a segment; its new owner applies it");
    else if (round.flushed)
      lines.info("flushed the namespace on the target, which is new or has missed rows");
    if (round.applied > 0 || round.recovered > 0 || round.malformed > 0)
      lines.info("applied", {{"claimed", round.claimed},
                             {"applied", round.applied},
                             {"malformed", round.malformed},
                             {"recovered", round.recovered}});
  };
  Worker worker({*log.reader, *log.claims, *log.deliveries, log.doorbell.get()}, *target, settings);
  lines.info("worker started", {{"namespace", options.namespace_name},
                                {"target", target->name()},
                                {"owner", worker.owner()}});
  warn_of_idleness(lines, log.namespaces, options.namespace_name);
  ExitCode code = kSuccess;
  if (options.once) {
    const ReleaseAtEnd release{worker};
    code = drain(worker, lines, signals.token());
  } else {
    worker.run(signals.token());
  }
  const WorkerCounts totals = worker.totals();
  lines.info("worker stopped", {{"claimed", totals.claimed},
                                {"applied", totals.applied},
                                {"retried", totals.retried},
                                {"malformed", totals.malformed},
                                {"left", totals.left},
                                {"recovered", totals.recovered},
                                {"died", totals.died}});
  return code;
}

}  // namespace

void add_worker(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "worker", "Apply a database's invalidations to a shared tier, until SIGTERM");
  options->db.add_to(*command, "Database with the log");
  command->add_option("--namespace", options->namespace_name, "Namespace to drain")
      ->capture_default_str();
  command->add_option("--target", options->target, "Shared tier: sqlite:PATH of a file tier")
      ->required();
  command->add_flag("--once", options->once, "Drain what is there and exit");
  command->add_option("--lease-ms", options->lease_ms, "Length of the lease, in milliseconds")
      ->check(CLI::Range(100, 3'600'000))
      ->capture_default_str();
  command
      ->add_option("--poll-ms", options->poll_ms, "Longest time between two looks, in milliseconds")
      ->check(CLI::Range(1, 3'600'000))
      ->capture_default_str();
  command
      ->add_option(
          "--attempts", options->attempts,
          "How often an invalidation is tried that the target does not take, while it takes "
          "others; 0: no limit")
      ->capture_default_str();
  command
      ->add_option("--largest-ttl", options->largest_ttl_s,
                   "The largest TTL in use, in seconds: what is older is not delivered any more")
      ->check(CLI::Range(1, 2'000'000))
      ->capture_default_str();
  command->add_flag("--no-flush-on-death", options->no_flush,
                    "Do not flush the namespace in place of an invalidation that is given up");
  command->add_flag("--json", options->json, "Log lines as JSON objects");
  command->footer(std::string("Any number may run: one holds the lease, the others stand by.\n") +
                  kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli
