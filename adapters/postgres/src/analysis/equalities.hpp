#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <vector>

#include "facts.hpp"
#include "node.hpp"
#include "querymark/automatic/analysis.hpp"

namespace querymark::postgres {

/// Rules of the analysis that a test breaks, to see that it would notice.
enum class Broken : std::uint8_t {
  nothing,
  left_join_routes_left,    ///< ON of a left join is taken to hold for its left side,
  right_join_routes_right,  ///< of a right join for its right side,
  full_join_routes_both,    ///< of a full join for both,
  outer_on_holds,           ///< of a left join for all that comes out of it.
  or_is_and,                ///< Either side of OR is taken to hold.
  not_is_nothing,           ///< NOT is overlooked.
  not_in_is_in,             ///< `<> all` is taken for `= any`.
  narrow_lists,             ///< Of a list only the first value counts.
  casts_keep,               ///< A column that is cast is taken for the column.
  any_collation,            ///< Texts that a collation takes for equal are taken to be the same.
  levels_mixed,             ///< An outer query's column is taken for the inner one's.
  passes_limit,             ///< What is asked of a derived table goes past its LIMIT,
  passes_window,            ///< its window functions,
  passes_distinct_on,       ///< its DISTINCT ON.
  body_parameters,          ///< `$1` of a function's body is taken for the call's.
  misses_sublinks,          ///< Queries in expressions are overlooked,
  misses_arms,              ///< those of a union,
  misses_with,              ///< those of WITH.
  keys_run_together,  ///< The rows of a key are taken to depend on no other, whatever looks at several.
};
inline constexpr auto kLastBroken = Broken::keys_run_together;

/// A column of one appearance of a relation: of which query, in which place of its range table.
struct ColumnId {
  int level = 0;
  int place = 0;
  int column = 0;
  friend auto operator<=>(const ColumnId&, const ColumnId&) = default;
};

/// In what sense two values are equal. Equal ones are written alike by triggers.
enum class Sense : std::uint8_t { integer, boolean, uuid, text, enumeration };
[[nodiscard]] RouteType route_type(Sense sense) noexcept;

/// What holds of each row: a column equals another, or one of some values.
struct Equality {
  ColumnId column;
  Sense sense = Sense::integer;
  std::optional<ColumnId> other{};
  std::vector<RouteValue> values{};
};

/// Equalities that hold together. A value type.
class Equalities {
 public:
  void add(Equality equality) { all_.push_back(std::move(equality)); }
  void add(const Equalities& more) { all_.insert(all_.end(), more.all_.begin(), more.all_.end()); }

  struct Found {
    Sense sense;
    std::vector<RouteValue> values;
  };
  /// What a column can be, by way of the columns that it equals: the shortest list.
  [[nodiscard]] std::optional<Found> of(const ColumnId& column) const;
  /// The columns of one appearance that are named here.
  [[nodiscard]] std::vector<int> columns_of(int level, int place) const;

 private:
  std::vector<Equality> all_;
};

/// The queries that a part of a tree stands in: the outermost first.
struct Level {
  int id = 0;
  const Node* query = nullptr;
};

/// Reads conditions.
struct Conditions {
  const Facts& facts;
  const std::vector<Level>& levels;
  bool parameters = true;  ///< `$n` are the call's; those in a function's body are not.
  Broken broken = Broken::nothing;

  /// What holds of each row for which the condition is true.
  void add(Equalities& equalities, const Node& condition) const;
  /// The column that an expression is, and nothing else than that.
  [[nodiscard]] std::optional<ColumnId> column(const Node& expression) const;

 private:
  void add_operator(Equalities& equalities, const Node& operation) const;
  void add_list(Equalities& equalities, const Node& operation) const;
  [[nodiscard]] std::optional<Sense> sense(const Node& operation) const;
  [[nodiscard]] std::optional<ColumnId> column_at(const Node& variable, std::size_t level) const;
  // Nothing: it is no value that is known. Of a NULL the list is empty.
  [[nodiscard]] std::optional<std::vector<RouteValue>> value(const Node& expression,
                                                             Sense sense) const;
  [[nodiscard]] std::optional<std::vector<RouteValue>> constant(const Node& constant,
                                                                Sense sense) const;
};

}  // namespace querymark::postgres
