#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "track/table_shape.hpp"

// The triggers of a table that report what writes change in it, as text. Whatever a user writes, they
// never fail: under INSERT OR IGNORE a failure of theirs would be a report that is lost silently.
//
//   AFTER INSERT, UPDATE, DELETE   the values of each route, new ones and old ones
//   BEFORE INSERT, UPDATE          the rows that have an equal unique key: REPLACE removes them, and
//                                  fires no trigger for them. Where a route is part of that key its
//                                  values are the new ones, which an insert reports anyway.
//
// With which routes they were made stands in a comment in each; a table is tracked while its triggers are
// those that this file makes of them and of the table's schema of the moment.

namespace querymark::sqlite {

/// Names of columns, in the order in which they make up the route.
using RouteColumns = std::vector<std::string>;

/// Why rows of the table can't be told apart by these columns, for people; nothing: they can.
[[nodiscard]] std::optional<std::string> refusal_of(const TableShape& shape,
                                                    const RouteColumns& route);
/// Why the table can't be tracked at all; nothing: it can.
[[nodiscard]] std::optional<std::string> refusal_of(const TableShape& shape);

/// `main:product`.
[[nodiscard]] std::string relation_of(const TableShape& shape);

struct TriggerRules {
  bool guard = true;  ///< Against what REPLACE removes; off in tests that show that it is needed.
};

/// Requires that neither the table nor one of the routes is refused.
[[nodiscard]] std::vector<TriggerText> triggers_of(const TableShape& shape,
                                                   const std::vector<RouteColumns>& routes,
                                                   TriggerRules rules = {});

/// Whether it is one of ours, also where it was changed since. A user's may begin with `querymark_`, too.
[[nodiscard]] bool is_ours(const TriggerText& trigger) noexcept;
/// The routes that the comment in a trigger tells of. Nothing: it has none that can be read.
[[nodiscard]] std::optional<std::vector<RouteColumns>> routes_in(std::string_view trigger_sql);

}  // namespace querymark::sqlite
