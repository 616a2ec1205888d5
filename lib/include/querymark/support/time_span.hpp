#pragma once  // For users.

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>

#include "querymark/support/error.hpp"

namespace querymark {

/// A number of nanoseconds made from any whole number of hours, seconds...: what lies outside the
/// range, such as `std::chrono::hours::max()`, becomes its end instead of overflowing. Otherwise a
/// `std::chrono::nanoseconds`. A value type.
class TimeSpan : public std::chrono::nanoseconds {
 public:
  constexpr TimeSpan() noexcept : std::chrono::nanoseconds(0) {}
  template <class Rep, class Period>
    requires(std::is_integral_v<Rep> &&
             std::ratio_divide<Period, std::chrono::nanoseconds::period>::den == 1)
  constexpr TimeSpan(std::chrono::duration<Rep, Period> span) noexcept  // like chrono's own
      : std::chrono::nanoseconds(
            saturated(span.count(), std::ratio_divide<Period, std::nano>::num)) {}

 private:
  template <class Rep>
  static constexpr rep saturated(Rep count, std::intmax_t factor) noexcept {
    constexpr rep kMax = std::numeric_limits<rep>::max();
    constexpr rep kMin = std::numeric_limits<rep>::min();
    rep product = 0;
    if (!__builtin_mul_overflow(count, factor, &product)) return product;
    return count > 0 ? kMax : kMin;
  }
};

/// How long something may take that others wait for: milliseconds, from any whole number of hours,
/// seconds... At most 24 days, the longest that PostgreSQL's own timeouts hold: what is longer is
/// that long. A value type.
class PatienceSpan : public std::chrono::milliseconds {
 public:
  constexpr PatienceSpan() noexcept : std::chrono::milliseconds(0) {}
  /// Throws ConfigError when negative.
  template <class Rep, class Period>
    requires(std::is_convertible_v<std::chrono::duration<Rep, Period>, TimeSpan> &&
             std::ratio_divide<Period, std::milli>::den == 1)
  constexpr PatienceSpan(std::chrono::duration<Rep, Period> span)  // like chrono's own
      : std::chrono::milliseconds(bounded(span)) {}

 private:
  static constexpr std::chrono::milliseconds bounded(TimeSpan span) {
    constexpr std::chrono::milliseconds kLongest{std::numeric_limits<std::int32_t>::max()};
    if (span.count() < 0) throw ConfigError("a timeout can't be negative");
    if (span >= kLongest) return kLongest;
    return std::chrono::duration_cast<std::chrono::milliseconds>(span);
  }
};

namespace detail {

/// `span`, or ConfigError when it is negative; `what` names it: "a ttl".
inline TimeSpan not_negative(TimeSpan span, const char* what) {
  if (span.count() < 0) throw ConfigError(std::string(what) + " can't be negative");
  return span;
}

/// When a wait that begins now ends; nothing for zero, and for what no clock reaches: no limit.
inline std::optional<std::chrono::steady_clock::time_point> deadline_of(TimeSpan timeout) {
  const auto now = std::chrono::steady_clock::now();
  if (timeout.count() <= 0 || timeout >= std::chrono::steady_clock::time_point::max() - now)
    return std::nullopt;
  return now + timeout;
}

}  // namespace detail
}  // namespace querymark
