#include "querymark/result/time_fields.hpp"

namespace querymark::detail {

Microseconds time_of(const Field& cell) {
  if (cell.type() == ValueType::int64) {
    const std::chrono::sys_seconds time(std::chrono::seconds(cell.as<std::int64_t>()));
    constexpr std::chrono::sys_days kFirst{std::chrono::year{1} / 1 / 1};
    constexpr std::chrono::sys_days kEnd{std::chrono::year{10000} / 1 / 1};
    if (time >= kFirst && time < kEnd) return time;
  } else if (cell.type() == ValueType::text) {
    if (const auto time = parse_time(cell.view())) return *time;
  }
  cell.fail("a point in time, such as 2026-11-26 03:04:05 or seconds since 1970");
}

}  // namespace querymark::detail
