#pragma once  // For users.

#include <cstdint>
#include <string_view>

namespace querymark {

/// What became of a write whose receipt is in doubt.
enum class WriteFate : std::uint8_t {
  committed,    ///< Its rows are in the log.
  rolled_back,  ///< Its transaction has ended and left no rows.
  running,      ///< Its transaction is still open (or prepared): ask again. Never on SQLite.
  unknown,      ///< Another epoch or namespace, pruned, or never begun here: nobody can tell.
};

[[nodiscard]] std::string_view to_string(WriteFate fate) noexcept;

}  // namespace querymark
