#pragma once

#include <functional>
#include <set>
#include <string_view>
#include <vector>

#include "equalities.hpp"

namespace querymark::postgres {

/// A table that a query names, and what is known of those of its rows that can influence the result.
struct Seen {
  Oid relation = 0;
  std::map<int, Equalities::Found> columns{};
};

/// Trees that stand behind what a query names, parsed; empty where there is none.
using TreeOf = std::function<const Node*(Oid)>;

/// Goes through a query, level by level (a level is what has a FROM of its own), and finds each appearance of a
/// table with its footprint: the equalities that hold of each of its rows that can influence the result.
///
/// A row that contradicts what must hold for every surviving row of its level can't influence the level, so nothing
/// above it. What must hold: WHERE's top-level AND for the whole FROM; ON of an inner join for both its sides, of an
/// outer join for the side that may be missing only, of a full join for none; and what holds of all rows of a side
/// that can't be missing, for the other one. What is known above goes to both sides of any join, since an equality
/// is never true of a row that is missing.
class Walk {
 public:
  Walk(const Facts& facts, TreeOf view, Broken broken)
      : facts_(facts), view_(std::move(view)), broken_(broken) {}

  /// A query's own tree. `parameters`: `$n` in it are the call's.
  void query(const Node& query, bool parameters);
  [[nodiscard]] std::vector<Seen> take() && { return std::move(seen_); }

 private:
  // What is asked of a derived table's columns from above.
  using Asked = std::map<int, Equalities::Found>;
  void level(const Node& query, const Equalities& outside, const Asked& asked, Oid of_view);
  void joined(const Node& part, const Equalities& known);
  [[nodiscard]] Equalities always(const Node& part) const;
  void named(int place, const Equalities& known);
  void add_asked(Equalities& known, const Node& query, const Asked& asked) const;
  void add_unnested(Equalities& known, const Node& query) const;
  [[nodiscard]] bool passes(const Node& query, const Node& output) const;
  void sublinks(const Node& part, const Equalities& known);
  void conditions_of_joins(const Node& part);
  [[nodiscard]] Conditions conditions() const {
    return {.facts = facts_, .levels = levels_, .parameters = parameters_, .broken = broken_};
  }

  const Facts& facts_;
  TreeOf view_;
  Broken broken_;
  bool parameters_ = true;
  std::vector<Level> levels_;
  std::vector<std::set<int>> visited_;  // places of each level that its FROM has led to
  int next_level_ = 0;
  std::vector<Seen> seen_;
};

/// The one query of a view's rule, or of a function's body, or nothing.
[[nodiscard]] std::vector<const Node*> queries_of(const Node& tree);

}  // namespace querymark::postgres
