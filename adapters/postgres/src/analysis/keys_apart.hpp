#pragma once

#include "equalities.hpp"
#include "node.hpp"

namespace querymark::postgres {

/// Whether a query takes a list of keys as its first parameter, `unnest($1) with ordinality as k`, and each row of its
/// result is of one of them, tells which by its first column, `k.ordinality`, and depends on no other.
///
/// The list stands nowhere else, so all that a row can know of it is the one row of `k` that it is joined from: an
/// outer join, too, decides about each row of `k` by that row alone, and what is missing there has no ordinality.
/// What looks at several rows of the level must keep keys apart (GROUP BY with the ordinality), or is none of
/// these: windows, LIMIT, DISTINCT ON, set operations, grouping sets.
[[nodiscard]] bool keys_are_apart(const Node& query, Broken broken);

/// The one parameter whose elements are the rows of an entry of a range table, `unnest($n)`, and in what sense they
/// are equal to others; nothing: it is another entry.
struct Unnested {
  std::size_t parameter = 0;  ///< Counted from zero.
  Sense sense = Sense::integer;
};
[[nodiscard]] std::optional<Unnested> unnested(const Node& entry, const Facts& facts);

}  // namespace querymark::postgres
