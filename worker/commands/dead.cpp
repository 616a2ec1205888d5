#include "commands/commands.hpp"
#include "delivery_commands.hpp"

namespace querymark::cli::dead {

void add(CLI::App& app, ExitCode& code) {
  CLI::App* group = app.add_subcommand(
      "dead", "Dead letters: invalidations that were given up, or came too late");
  add_delivery_commands(*group,
                        {.noun = "dead deliveries",
                         .states = {DeliveryState::dead, DeliveryState::expired},
                         .decisions = {Decision::retry, Decision::discard}},
                        code);
}

}  // namespace querymark::cli::dead
