#include "commands/commands.hpp"

#include <array>

namespace querymark::cli {

std::span<const AddCommand> all_commands() noexcept {
  static constexpr std::array kCommands{
      &add_migrate, &add_worker,  &add_delivery, &add_dead,      &add_invalidate, &add_wait,
      &add_status,  &add_top,     &add_tail,     &add_doctor,    &add_prune,      &add_track,
      &add_untrack, &add_explain, &add_advise,   &add_reconcile, &add_describe,
  };
  return kCommands;
}

}  // namespace querymark::cli
