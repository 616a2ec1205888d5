#include <fmt/format.h>

#include <memory>
#include <optional>

#include "commands/commands.hpp"
#include "json_output.hpp"
#include "log_command.hpp"
#include "printable.hpp"
#include "querymark/log/pruner.hpp"
#include "querymark/support/counted.hpp"
#include "signals.hpp"
#include "times.hpp"

namespace querymark::cli::prune {
namespace {

struct Options {
  LogCommand view{LogCommand::Looks::at_all};
  std::string retention = "1h";
  std::uint64_t most_rows = PrunerOptions().most_rows;
  std::uint64_t chunk = PrunerOptions().chunk;
};

void tell(const Options& options, const PruneRound& round) {
  const std::optional<LogHolder>& holder = round.plan.held_by;
  if (options.view.json)
    return say_json({{"removed", round.removed},
                     {"deliveries", round.deliveries},
                     {"busy", round.busy},
                     {"more", round.more},
                     {"over_bound", round.plan.over_bound},
                     {"held_by", holder ? nlohmann::json(holder->name) : nlohmann::json()},
                     {"held_by_namespace",
                      holder ? nlohmann::json(holder->namespace_name) : nlohmann::json()}});
  if (round.busy) say("another pruner is at it\n");
  say(fmt::format("removed {}{}\n", counted(round.removed, "row"),
                  round.more ? "; more may go" : ""));
  if (holder)
    say(fmt::format("older rows are kept for {} of the namespace {}\n", printable(holder->name),
                    printable(holder->namespace_name)));
}

ExitCode run(const Options& options) {
  PrunerOptions settings;
  settings.retention = parse_span(options.retention, "--retention");
  settings.most_rows = options.most_rows;
  settings.chunk = options.chunk;
  StopOnSignal signals;
  const LogEndpoint log = signals.ended_at_once([&] { return options.view.open(); });
  const PruneRound round =
      Pruner(*log.pruning, *log.subscribers, settings).run_once(signals.token());
  tell(options, round);
  return round.busy || round.more ? kDegraded : kSuccess;
}

}  // namespace

void add(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand(
      "prune", "Remove from the log what nobody needs, as workers do by themselves");
  options->view.add_to(*command);
  command
      ->add_option("--retention", options->retention,
                   "Keep what is younger, such as 30min, 1h, 1d: at least the largest TTL in use")
      ->capture_default_str();
  command
      ->add_option("--most-rows", options->most_rows,
                   "Keep no more than these, whoever has yet to read them; 0: no such bound")
      ->capture_default_str();
  command->add_option("--chunk", options->chunk, "Rows removed in one transaction")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace querymark::cli::prune
