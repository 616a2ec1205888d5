#pragma once

#include <boost/pfr.hpp>
#include <concepts>
#include <optional>
#include <type_traits>
#include <utility>

// For nobody outside.

namespace querymark::detail {

/// Whether two values of one type are alike: by their ==, or field by field. Nothing: their type has neither. A
/// number that is none (NaN) is like itself here.
template <class T>
[[nodiscard]] std::optional<bool> same_value(const T& a, const T& b) {
  if constexpr (std::floating_point<T>) {
    return a == b || (a != a && b != b);  // NOLINT(misc-redundant-expression): of NaN they differ
  } else if constexpr (requires {
                         typename T::value_type;
                         a.has_value();
                         *a;
                       }) {
    if (!a || !b) return a.has_value() == b.has_value();
    return same_value(*a, *b);
  } else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>) {
    bool alike = true;
    bool known = true;
    const auto add = [&](std::optional<bool> field) {
      alike = alike && field.value_or(true);
      known = known && field.has_value();
    };
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (add(same_value(boost::pfr::get<I>(a), boost::pfr::get<I>(b))), ...);
    }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>());
    if (!alike) return false;
    return known ? std::optional(true) : std::nullopt;
  } else if constexpr (std::equality_comparable<T>) {
    return a == b;
  } else {
    return std::nullopt;
  }
}

}  // namespace querymark::detail
