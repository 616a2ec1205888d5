#pragma once

#include <optional>
#include <string>
#include <vector>

#include "track/table_triggers.hpp"

namespace querymark::sqlite {

/// What a table's triggers are at the moment.
struct Tracking {
  /// With which they were made; nothing: there are none of ours, or none that can be read.
  std::optional<std::vector<RouteColumns>> routes{};
  /// Why the table is not tracked, for people; empty: what writes change in it is reported.
  std::string why{};
  bool has_ours = false;

  [[nodiscard]] bool tracked() const noexcept { return why.empty(); }
};

[[nodiscard]] Tracking tracking_of(const TableShape& shape);

/// Why nothing of this file is tracked, whatever its tables have; empty: nothing is in the way.
[[nodiscard]] std::string why_nothing_is_tracked(Connection& connection);

}  // namespace querymark::sqlite
