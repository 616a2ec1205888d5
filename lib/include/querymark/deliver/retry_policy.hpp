#pragma once  // For users.

#include <chrono>
#include <cstdint>
#include <string_view>

#include "querymark/support/clock.hpp"
#include "querymark/support/time_span.hpp"

namespace querymark {

/// What kind of failure an attempt came to, given that a control operation on the same target went
/// well (else it is an outage, and nobody's attempt).
enum class FailureKind : std::uint8_t {
  retriable,  ///< May succeed when it is tried again.
  permanent,  ///< Will fail each time: the target refuses this very intent.
};

/// What becomes of a failed attempt.
enum class RetryVerdict : std::uint8_t {
  retry,
  refused,    ///< Permanent.
  exhausted,  ///< No attempts left.
  expired,    ///< The next attempt would come after the deadline.
};
[[nodiscard]] std::string_view to_string(RetryVerdict verdict) noexcept;

/// When a delivery that has failed is tried again, and how often. A value type.
struct RetryPolicy {
  /// The pause before attempt n + 1 is drawn evenly from (0, start * factor^(n - 1)], at most
  /// `cap`: full jitter, so that what failed together does not come back together.
  PatienceSpan start{std::chrono::milliseconds(50)};
  double factor = 2.0;  ///< At least 1.
  PatienceSpan cap{std::chrono::seconds(30)};
  unsigned max_attempts = 10;  ///< Zero: no limit.
  /// A retry that would end less than this before the deadline is not made.
  PatienceSpan deadline_margin{std::chrono::milliseconds(0)};

  /// Throws ConfigError for a factor below 1, a start of zero, or a cap below the start.
  void require_sane() const;
  /// The longest pause after `failures` in a row (at least 1).
  [[nodiscard]] std::chrono::milliseconds ceiling(unsigned failures) const noexcept;
  /// A pause of at least one millisecond; `random` is any 64 bits.
  [[nodiscard]] std::chrono::milliseconds pause(unsigned failures,
                                                std::uint64_t random) const noexcept;
  /// `attempts` includes the one that has just failed; `next` is when another one would be made.
  [[nodiscard]] RetryVerdict verdict(FailureKind kind, unsigned attempts, WallTime deadline,
                                     WallTime next) const noexcept;
};

}  // namespace querymark
