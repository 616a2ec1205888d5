#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/parameter.hpp"

namespace querymark::postgres {

/// Whether a statement, once prepared, goes on meaning what its text means, whatever becomes of the
/// schema and the time. What a server settles when it prepares stays settled: the value of 'now', the
/// type of a `$n` (0.1 as a real is not 0.1 as a double), the function, type or field that a name means.
/// So a text lasts when it calls nothing but functions of the server's own that are known here, casts
/// to nothing but its types, takes no field out of a value, and no constant in it may be a moment; and a
/// value does, when it is the same in every type that its place may come to have, and that decides of
/// nothing else's type (ParameterPlaces), or the type stands beside each `$n`, as in `$1::text[]`. A row
/// whose columns are known by their places may come to have others: none is made, or given to a FROM.
///
/// Leaves out what others can hide or change unseen: see PooledConnection.
class LastingText {
 public:
  /// Of a session whose strings are standard-conforming. Linear.
  explicit LastingText(std::string_view sql);
  [[nodiscard]] bool lasts_with(std::span<const ParameterView> values) const;
  /// Whether a whole number is itself, and spelt as it came, in the types (by their oids) that a server
  /// has settled for parameters whose own does not stand beside them. Of a `date` 20200102 is another
  /// text, for a column that has become one.
  [[nodiscard]] bool lasts_with_types(std::span<const unsigned> types) const;

  static constexpr std::size_t kMostCalls = 3;
  /// Functions that it calls: so many at most, and it lasts only while no other one bears their names,
  /// which might fit better.
  [[nodiscard]] const std::vector<std::string>& calls() const noexcept { return calls_; }
  /// It may fill columns with their defaults. A domain's default is settled with the text.
  [[nodiscard]] bool fills_in() const noexcept { return fills_in_; }

 private:
  bool lasts_ = true;
  bool fills_in_ = false;
  std::vector<bool> loose_;  // of each $n, whether it stands somewhere without a type
  std::vector<std::string> calls_;
};

}  // namespace querymark::postgres
