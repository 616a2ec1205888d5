#pragma once

#include <algorithm>
#include <chrono>
#include <exception>

#include "querymark/memory/memory_tier.hpp"
#include "querymark/read/read_machine.hpp"

// What the steps of a ReadMachine have in common.

namespace querymark {

constexpr std::size_t kShownOfSql = 100;

// Wall-clock times from a shared tier are not to be trusted: keeps the arithmetic on them in range.
inline std::chrono::milliseconds within_a_year(std::chrono::milliseconds span) {
  return std::clamp<std::chrono::milliseconds>(span, std::chrono::milliseconds(0),
                                               std::chrono::hours(24 * 365));
}

// What is no answer but to the caller whose load it was can't be shared.
inline bool is_anybodys(const Loaded& loaded) noexcept {
  return loaded.keep == Stored::yes || loaded.keep == Stored::declined;
}

// Whether the database may well answer another time. Errors in the statement and its use stay errors:
// a right that was withdrawn, for instance.
[[nodiscard]] bool is_outage(const std::exception_ptr& error) noexcept;

/// As many loads wait for their turn as may.
[[nodiscard]] std::exception_ptr refused_by_budget();

inline Stored stored_as(StoreStatus status) noexcept {
  switch (status) {
    case StoreStatus::stored:
      return Stored::yes;
    case StoreStatus::superseded:
      return Stored::superseded;
    default:
      return Stored::oversize;
  }
}

template <class Step>
ReadMachine::Action ReadMachine::guarded(Step&& step) noexcept {
  times_.end();
  Action next;
  try {
    next = step();
  } catch (...) {  // the driver tells the caller
    next = end(std::current_exception());
  }
  time(next);
  return next;
}

}  // namespace querymark
