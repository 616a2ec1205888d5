#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backends/scheme.hpp"
#include "commands/commands.hpp"
#include "database_option.hpp"
#include "drain_settings.hpp"
#include "fleet.hpp"
#include "log_lines.hpp"
#include "metrics_server.hpp"
#include "querymark/support/counted.hpp"
#include "querymark/support/error.hpp"
#include "secrets.hpp"
#include "service_manager.hpp"
#include "signals.hpp"

namespace querymark::cli::worker {
namespace {

struct Options {
  std::string config;
  DatabaseOption db;
  std::string namespace_name;
  std::string target;
  const CLI::Option* namespace_given = nullptr;
  const CLI::Option* target_given = nullptr;
  bool once = false;
  bool json = false;
  std::string metrics;
  // What flags set over the file, or over the defaults.
  std::vector<std::function<void(DrainSettings&)>> overrides;
};

// Those of the file that the environment names, if it names one.
FeedKeys keys_of_environment() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody sets it
  const char* file = std::getenv("QUERYMARK_FEED_KEYS");
  return file == nullptr || *file == '\0' ? FeedKeys{} : FeedKeys::in_file(file);
}

// The file's, and what was given on the command line over it.
WorkerConfig config_of(const Options& options) {
  WorkerConfig config;
  if (options.config.empty())
    config.drains.emplace_back();
  else
    config = read_config(options.config);
  config.json = config.json || options.json;
  if (!options.metrics.empty()) {
    check_metrics_address(options.metrics);
    config.metrics = options.metrics;
  }
  const bool named = options.namespace_given->count() > 0;
  const bool aimed = options.target_given->count() > 0;
  if (config.drains.size() > 1 && (named || aimed))
    throw ConfigError("--namespace and --target say which drain, but " + options.config +
                      " has several");
  for (DrainSettings& drain : config.drains) {
    if (drain.db.empty() || options.db.given()) drain.db = options.db.url();
    if (named) drain.namespace_name = options.namespace_name;
    if (aimed) drain.target = options.target;
    for (const auto& set : options.overrides) set(drain);
    if (!drain.feed_keys && names_redis(drain.target)) drain.feed_keys = keys_of_environment();
    if (drain.namespace_name.empty()) throw ConfigError("--namespace is empty");
    if (drain.target.empty())
      throw ConfigError(
          "no shared tier is named: give --target, or target in the file of --config");
    drain.require_sane();
  }
  return config;
}

void reload(const Options& options, const WorkerConfig& at_start, const LogLines& lines,
            Fleet& fleet) {
  try {
    const WorkerConfig wanted = config_of(options);
    if (wanted.json != at_start.json)
      lines.warn("json can't be reloaded: log lines keep their form until a restart");
    if (wanted.metrics != at_start.metrics)
      lines.warn("metrics can't be reloaded: they stay where they are until a restart");
    fleet.become(wanted.drains, fleet.open(wanted.drains));
    lines.info("reloaded", {{"drains", static_cast<std::uint64_t>(fleet.size())}});
  } catch (const std::exception& failure) {
    const std::string text = without_secrets(failure.what());
    lines.error("the new configuration does not work; the old one goes on", {{"error", text}});
  }
}

// One after the other. The worst exit code is that of all.
ExitCode drain_once(const WorkerConfig& config, const LogLines& lines, StopOnSignal& signals) {
  ExitCode worst = kSuccess;
  for (const DrainSettings& settings : config.drains) {
    const auto drain =
        signals.ended_at_once([&] { return std::make_unique<Drain>(settings, lines); });
    const ExitCode code = drain->once(signals.token());
    if (worst == kSuccess) worst = code;
  }
  return worst;
}

std::unique_ptr<MetricsServer> serve_metrics(const WorkerConfig& config, const LogLines& lines,
                                             const Fleet& fleet) {
  if (config.metrics.empty()) return nullptr;
  auto server = std::make_unique<MetricsServer>(
      config.metrics, MetricsAnswers{.metrics = [&fleet] { return fleet.prometheus(); },
                                     .illness = [&fleet] { return fleet.illness(); }});
  const std::string address = server->address();
  lines.info("metrics are served", {{"address", address}});
  return server;
}

ExitCode run(const Options& options) {
  const ServiceManager manager;
  const WorkerConfig config = config_of(options);  // before signals wait: a file may be a pipe
  StopOnSignal signals(options.config.empty() ? OnHangup::stop : OnHangup::reload);
  const LogLines lines(config.json);
  if (options.once) return drain_once(config, lines, signals);
  Fleet fleet(lines, config.metrics.empty() ? Watched::no : Watched::yes);
  // Before any lease is taken: where nobody may listen, nothing begins.
  const auto metrics = serve_metrics(config, lines, fleet);
  fleet.become(config.drains, signals.ended_at_once([&] { return fleet.open(config.drains); }));
  manager.ready();
  const std::chrono::nanoseconds patience = manager.watchdog().value_or(std::chrono::hours(1));
  const std::chrono::nanoseconds pause =
      std::min<std::chrono::nanoseconds>(patience / 3, std::chrono::seconds(10));
  while (!signals.stopped_within(pause)) {
    // A drain that hangs is for the service manager to end.
    if (manager.watchdog() && fleet.silent_for() < patience) manager.alive();
    manager.status(fmt::format("{}, {} applied", counted(fleet.size(), "drain"),
                               counted(fleet.applied(), "invalidation")));
    if (!signals.take_reload()) continue;
    manager.reloading();
    reload(options, config, lines, fleet);
    manager.ready();
  }
  manager.stopping();
  return kSuccess;
}

// A number that sets a field of all drains, if it is given.
template <class Field>
CLI::Option* add_number(CLI::App& command, Options& options, const std::string& name,
                        const Field& set, const std::string& about) {
  return command.add_option_function<std::uint64_t>(
      name,
      [&options, set](const std::uint64_t& number) {
        options.overrides.emplace_back([set, number](DrainSettings& drain) { set(drain, number); });
      },
      about);
}

void add_settings(CLI::App& command, Options& options) {
  using std::chrono::milliseconds;
  const DrainSettings defaults;
  add_number(
      command, options, "--lease-ms",
      [](DrainSettings& drain, std::uint64_t n) { drain.lease = milliseconds(n); },
      "Length of the lease, in milliseconds")
      ->check(CLI::Range(100, 3'600'000))
      ->default_str(std::to_string(defaults.lease.count()));
  add_number(
      command, options, "--poll-ms",
      [](DrainSettings& drain, std::uint64_t n) { drain.poll = milliseconds(n); },
      "Longest time between two looks, in milliseconds")
      ->check(CLI::Range(1, 3'600'000))
      ->default_str(std::to_string(defaults.poll.count()));
  add_number(
      command, options, "--attempts",
      [](DrainSettings& drain, std::uint64_t n) { drain.attempts = n; },
      "How often an invalidation is tried that the target does not take, while it takes others; 0: "
      "no limit")
      ->default_str(std::to_string(defaults.attempts));
  add_number(
      command, options, "--largest-ttl",
      [](DrainSettings& drain, std::uint64_t n) { drain.largest_ttl = std::chrono::seconds(n); },
      "The largest TTL in use, in seconds: what is older is not delivered any more, and the log is "
      "kept no shorter if this is given")
      ->check(CLI::Range(1, 2'000'000))
      ->default_str(std::to_string(WorkerOptions().largest_ttl.count() / 1000));
  command.add_option_function<std::string>(
      "--feed-keys",
      [&options](const std::string& file) {
        options.overrides.emplace_back(
            [file](DrainSettings& drain) { drain.feed_keys = FeedKeys::in_file(file); });
      },
      "File of keys by which what is handed on to followers is sealed");
  command.add_flag_callback(
      "--no-flush-on-death",
      [&options] {
        options.overrides.emplace_back([](DrainSettings& drain) { drain.flush_on_death = false; });
      },
      "Do not flush the namespace in place of an invalidation that is given up");
  command.add_flag_callback(
      "--no-prune",
      [&options] {
        options.overrides.emplace_back([](DrainSettings& drain) { drain.prune = false; });
      },
      "Leave the log's old rows where they are");
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "worker", "Apply a database's invalidations to a shared tier, until SIGTERM");
  command->add_option("--config", options->config,
                      "TOML file with all of this, and several drains; SIGHUP reads it again. "
                      "What is given here counts more");
  options->db.add_to(*command, "Database with the log");
  options->namespace_given =
      command->add_option("--namespace", options->namespace_name, "Namespace to drain [default]");
  options->target_given =
      command->add_option("--target", options->target,
                          "Shared tier: sqlite:PATH of a file tier; or redis://HOST of a server "
                          "through which followers get the log of a PostgreSQL database");
  CLI::Option* const metrics = command->add_option(
      "--metrics", options->metrics,
      "Answer GET /metrics (for Prometheus) and /healthz by HTTP at this address, such as "
      "127.0.0.1:9464; a port alone is one of 127.0.0.1");
  command->add_flag("--once", options->once, "Drain what is there and exit")->excludes(metrics);
  add_settings(*command, *options);
  command->add_flag("--json", options->json, "Log lines as JSON objects");
  command->footer(std::string("Any number may run: one holds the lease, the others stand by.\n") +
                  kExitCodes);
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::worker
