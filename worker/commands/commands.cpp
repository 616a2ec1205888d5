#include "commands/commands.hpp"

#include <array>

namespace querymark::cli {

std::span<const AddCommand> all_commands() noexcept {
  static constexpr std::array kCommands{
      &migrate::add, &worker::add,  &delivery::add, &dead::add,      &invalidate::add, &wait::add,
      &status::add,  &top::add,     &tail::add,     &doctor::add,    &prune::add,      &track::add,
      &untrack::add, &explain::add, &advise::add,   &reconcile::add, &describe::add,
  };
  return kCommands;
}

}  // namespace querymark::cli
