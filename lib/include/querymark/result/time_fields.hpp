#pragma once  // For users.

#include <chrono>
#include <type_traits>
#include <utility>

#include "querymark/key/time_values.hpp"
#include "querymark/result/result_set.hpp"

/// Enumerations and std::chrono as cells: the forms that time_values.hpp lists. A point in time is
/// cut to the precision asked for; an integer cell is the number of seconds since 1970, as SQLite's
/// `unixepoch()` makes it. Throws TypeError for anything else.

namespace querymark::detail {

[[nodiscard]] Microseconds time_of(const Field& cell);

template <Enumeration T>
struct BuiltInField<T> {
  static T read(const Field& cell) { return static_cast<T>(cell.as<EnumerationNumber<T>>()); }
};
template <class T>
  requires kIsDuration<T>
struct BuiltInField<T> {
  static T read(const Field& cell) { return T(cell.as<typename T::rep>()); }
};
template <class T>
  requires(kIsSystemTime<T> || std::same_as<T, std::chrono::sys_days>)
struct BuiltInField<T> {
  static T read(const Field& cell) {
    return std::chrono::floor<typename T::duration>(time_of(cell));
  }
};
template <>
struct BuiltInField<std::chrono::year_month_day> {
  static std::chrono::year_month_day read(const Field& cell) {
    return std::chrono::floor<std::chrono::days>(time_of(cell));
  }
};

}  // namespace querymark::detail
