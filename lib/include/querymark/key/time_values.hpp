#pragma once  // For users.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "querymark/key/parameter.hpp"

/// Enumerations and std::chrono as parameters, and (see result/time_fields.hpp) as cells:
///   - an enumeration is its number;
///   - a duration is the number of its own units: `std::chrono::seconds(90)` is 90;
///   - a point in time of the system clock, such as sys_seconds, is UTC, cut to microseconds: a
///     timestamp (with or without time zone) on PostgreSQL, text as `datetime()` makes it on SQLite,
///     `2026-11-26 03:04:05` or with `.123` or `.123456`;
///   - sys_days and year_month_day are dates: `2026-11-26`.
/// Other forms are ParameterTraits and FieldTraits of your own.

namespace querymark::detail {

template <class T>
struct NumberOf {
  using Type = T;
};
template <Character T>
struct NumberOf<T> {
  using Type =
      std::conditional_t<std::is_signed_v<T>, std::make_signed_t<T>, std::make_unsigned_t<T>>;
};
/// What an enumeration is a number of: never of characters.
template <Enumeration T>
using EnumerationNumber = typename NumberOf<std::underlying_type_t<T>>::Type;

template <class T>
inline constexpr bool kIsDuration = false;
template <class Rep, class Period>
inline constexpr bool kIsDuration<std::chrono::duration<Rep, Period>> = std::is_arithmetic_v<Rep>;

template <class T>
inline constexpr bool kIsSystemTime = false;
template <class Rep, class Period>
inline constexpr bool kIsSystemTime<std::chrono::sys_time<std::chrono::duration<Rep, Period>>> =
    std::is_integral_v<Rep> && std::ratio_less_v<Period, std::chrono::days::period>;

using Microseconds = std::chrono::sys_time<std::chrono::microseconds>;

/// `2026-11-26`, and `2026-11-26 03:04:05` with a fraction of three or six digits unless it is 0.
[[nodiscard]] std::string date_text(std::chrono::sys_days day);
[[nodiscard]] std::string time_text(Microseconds time);
/// What those texts say, also with `T` between, without seconds, or with an offset from UTC (`Z`,
/// `+02`, `+02:30`); digits below microseconds are cut. A date alone is its midnight. Nothing for
/// any other text, such as `infinity`.
[[nodiscard]] std::optional<Microseconds> parse_time(std::string_view text) noexcept;

/// Throws ConfigError outside the years 1 to 9999, which is as far as texts sort as times do.
[[nodiscard]] std::chrono::sys_days checked_day(std::chrono::sys_days day);

template <Enumeration T>
struct BuiltInParameter<T> {
  static auto view(T value) {
    using Number = EnumerationNumber<T>;
    return ParameterTraits<Number>::view(static_cast<Number>(value));
  }
};
template <class T>
  requires kIsDuration<T>
struct BuiltInParameter<T> {
  static auto view(T value) { return ParameterTraits<typename T::rep>::view(value.count()); }
};
template <class T>
  requires kIsSystemTime<T>
struct BuiltInParameter<T> {
  static ParameterView view(T value) {
    static_cast<void>(checked_day(std::chrono::floor<std::chrono::days>(value)));
    return ParameterView::timestamp(
        std::chrono::floor<std::chrono::microseconds>(value.time_since_epoch()).count());
  }
};
template <>
struct BuiltInParameter<std::chrono::sys_days> {
  static OwnedParameter view(std::chrono::sys_days value) {
    return {ParameterView::text({}), date_text(checked_day(value))};
  }
};
template <>
struct BuiltInParameter<std::chrono::year_month_day> {
  /// Throws ConfigError for a date that is none, such as February 30.
  static OwnedParameter view(std::chrono::year_month_day value);
};

}  // namespace querymark::detail
