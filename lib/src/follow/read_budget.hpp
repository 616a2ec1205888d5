#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "querymark/support/clock.hpp"

namespace querymark {

/// How far apart a subscriber's answers to rings are, so that all that follow a database's log read
/// it no more often, together, than a budget says.
///
/// A token bucket of a few tokens: the first rings after a silence are answered at once, those of a
/// stream as far apart as there are subscribers to share the budget, and never further than a third
/// of max_lag. Looks that somebody waits for take a token and wait for none.
///
/// Not thread-safe; no clock of its own.
class ReadBudget {
 public:
  /// `reads_per_second` of all together; zero: without bound.
  ReadBudget(std::uint64_t reads_per_second, std::chrono::nanoseconds max_lag) noexcept;

  /// How long the answer to a ring is to wait, with so many subscribers.
  [[nodiscard]] std::chrono::nanoseconds wait(MonotonicTime now, std::size_t live) const noexcept;
  /// The log is being read.
  void take(MonotonicTime now, std::size_t live) noexcept;

 private:
  [[nodiscard]] std::chrono::nanoseconds distance(std::size_t live) const noexcept;

  std::uint64_t reads_per_second_;
  std::chrono::nanoseconds longest_;
  MonotonicTime full_at_;  // when the bucket is full again
};

}  // namespace querymark
