#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace querymark::postgres {

/// What a trigger's function says of itself, in the first two lines of its text: under which name it
/// reports, and by which routes. So what is taken to be reported is what the function reports.
struct TrackedHead {
  std::string relation{};                          ///< As relation_name() makes it.
  std::vector<std::vector<std::string>> routes{};  ///< Columns, not escaped.

  /// Two lines, without a line's end behind the second.
  [[nodiscard]] std::string text() const;
  [[nodiscard]] static std::optional<TrackedHead> read(std::string_view text);
};

}  // namespace querymark::postgres
