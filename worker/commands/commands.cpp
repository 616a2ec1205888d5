#include "commands/commands.hpp"

#include <array>

namespace querymark::cli {

std::span<const AddCommand> all_commands() noexcept {
  static constexpr std::array kCommands{
      &add_migrate,
      &add_worker,
  };
  return kCommands;
}

}  // namespace querymark::cli
