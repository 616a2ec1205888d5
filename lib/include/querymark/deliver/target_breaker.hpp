#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

#include "querymark/deliver/retry_policy.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

enum class BreakerState : std::uint8_t {
  closed,     ///< The target works.
  open,       ///< It does not: nobody asks it until the pause is over.
  half_open,  ///< The pause is over: one probe decides.
};
[[nodiscard]] std::string_view to_string(BreakerState state) noexcept;

/// Whether a shared target is asked at all. An outage opens it; while it is open no attempt of
/// anybody is used up. The pauses between probes grow by the policy's backoff, with full jitter.
///
///   closed    -> fail -> open
///   open      -> its pause ends -> half_open
///   half_open -> succeed -> closed
///             -> fail -> open, for longer
///
/// Not thread-safe: it belongs to the worker's thread.
class TargetBreaker {
 public:
  explicit TargetBreaker(RetryPolicy policy = {}) : policy_(policy) {}

  [[nodiscard]] BreakerState state(MonotonicTime now) const noexcept;
  /// How long until a probe may be made; zero when the target may be asked now.
  [[nodiscard]] std::chrono::nanoseconds pause(MonotonicTime now) const noexcept;
  /// For how long the target has been down; nothing while it is closed.
  [[nodiscard]] std::optional<std::chrono::nanoseconds> down_for(MonotonicTime now) const noexcept;

  void succeed() noexcept;
  /// `random` is any 64 bits.
  void fail(MonotonicTime now, std::uint64_t random) noexcept;

 private:
  RetryPolicy policy_;
  unsigned failures_ = 0;  // in a row; zero: closed
  MonotonicTime opened_;   // when the first of them was
  MonotonicTime until_;    // when the next probe may be made
};

}  // namespace querymark
