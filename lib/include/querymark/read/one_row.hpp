#pragma once  // For users, by way of what is called.

#include <optional>
#include <type_traits>

#include "querymark/key/parameters.hpp"
#include "querymark/result/mapping.hpp"
#include "querymark/result/result_set.hpp"

namespace querymark::detail {

/// What whatever is called for rows of T, `Self`, can be asked for where there is one row at most.
template <class Self, class T>
class OneRow {
 public:
  /// The one row, as a copy of its object. Throws TypeError, which says how many came, when it is
  /// not one.
  template <HasParameterTraits... Args>
    requires(!std::is_same_v<T, ResultSet>)
  [[nodiscard]] T fetch_one(const Args&... args) const {
    return self()(args...).one();
  }
  /// The one row, or nothing when none came. Throws TypeError when more than one did.
  template <HasParameterTraits... Args>
    requires(!std::is_same_v<T, ResultSet>)
  [[nodiscard]] std::optional<T> fetch_optional(const Args&... args) const {
    return self()(args...).optional();
  }
  /// The one cell of the one row.
  template <HasParameterTraits... Args>
    requires(kIsCell<T>)
  [[nodiscard]] T fetch_value(const Args&... args) const {
    return self()(args...).one();
  }

 private:
  friend Self;
  OneRow() = default;
  [[nodiscard]] const Self& self() const noexcept { return static_cast<const Self&>(*this); }
};

}  // namespace querymark::detail
