#include "commands/commands.hpp"
#include "delivery_commands.hpp"

namespace querymark::cli::delivery {

void add(CLI::App& app, ExitCode& code) {
  CLI::App* group =
      app.add_subcommand("delivery", "What has not reached a shared target yet, or never will");
  add_delivery_commands(*group,
                        {.noun = "deliveries that wait or have failed",
                         .states = {DeliveryState::pending, DeliveryState::claimed,
                                    DeliveryState::dead, DeliveryState::expired},
                         .decisions = {Decision::cancel, Decision::retry}},
                        code);
}

}  // namespace querymark::cli::delivery
