#include "commands/worker.hpp"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "endpoint.hpp"
#include "log_lines.hpp"
#include "querymark/log/worker.hpp"
#include "querymark/support/error.hpp"
#include "signals.hpp"

namespace querymark::cli {
namespace {

struct Options {
  std::string db;
  std::string space = "default";
  std::string target;
  bool once = false;
  bool json = false;
  std::uint64_t lease_ms = 30'000;
  std::uint64_t poll_ms = 1'000;
};

// Drains what is there. A standby drains nothing: the lease is another's.
void drain(Worker& worker, const LogLines& log, const std::stop_token& stop) {
  for (;;) {
    const WorkerRound round = worker.run_once();
    if (round.standby) {
      log.warn("another worker holds the lease; nothing was drained");
      return;
    }
    if (round.retried > 0) throw Error("the target failed; what is left stays in the log");
    if (round.idle() || stop.stop_requested()) return;
  }
}

void run(const Options& options) {
  const StopOnSignal signals;
  const LogLines log(options.json);
  const LogEndpoint source = open_log(options.db, options.space);
  const TargetEndpoint target = open_target(options.target, options.space);
  WorkerOptions settings;
  settings.lease = std::chrono::milliseconds(options.lease_ms);
  settings.poll_interval = std::chrono::milliseconds(options.poll_ms);
  settings.on_round = [&log](const WorkerRound& round, std::string_view error) {
    if (!error.empty())
      log.warn("round failed, will try again", {{"retried", round.retried}, {"error", error}});
    else if (round.fenced)
      log.warn("lost the lease in the middle of a segment; its new owner applies it");
    else if (round.flushed)
      log.info("flushed the namespace on the target, which is new or has missed rows");
    else
      log.info("applied",
               {{"claimed", round.claimed}, {"applied", round.applied}, {"dead", round.dead}});
  };
  Worker worker(*source.outbox, *target.applier, source.doorbell.get(), settings);
  log.info("worker started", {{"namespace", options.space},
                              {"target", target.applier->name()},
                              {"owner", worker.owner()}});
  if (options.once) {
    drain(worker, log, signals.token());
    worker.release();
  } else {
    worker.run(signals.token());
  }
  const WorkerRound totals = worker.totals();
  log.info("worker stopped", {{"claimed", totals.claimed},
                              {"applied", totals.applied},
                              {"retried", totals.retried},
                              {"dead", totals.dead}});
}

}  // namespace

void add_worker(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "worker", "Apply a database's invalidations to a shared tier, until SIGTERM");
  command
      ->add_option("--db", options->db,
                   "Database with the log: postgresql://USER@HOST/NAME or sqlite:PATH")
      ->required();
  command->add_option("--namespace", options->space, "Namespace to drain")->capture_default_str();
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
  command->add_flag("--json", options->json, "Log lines as JSON objects");
  command->footer("Any number may run: one holds the lease, the others stand by.");
  command->callback([options] { run(*options); });
}

}  // namespace querymark::cli
