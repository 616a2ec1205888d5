#pragma once

#include <chrono>
#include <cstdint>

namespace querymark {

/// How long a subscriber sleeps before it looks at the log unasked.
///
/// The pause is the interval that was asked for, and never more than a third of max_lag, so that
/// trust outlives two lost polls: whoever commits without ringing is seen that much later at most.
/// A poll that finds rows which no ring announced tells of a deaf doorbell, or of writers that
/// don't ring: the next pause is an eighth, at most 12.5 ms, and each poll that finds nothing doubles it again.
/// After failures pauses double from the interval, up to a second. Every pause is shortened by a
/// random part of up to a quarter, so that many processes on one database do not poll in step.
///
/// Not thread-safe; no clock and no randomness of its own.
class PollPace {
 public:
  enum class Polled : std::uint8_t {
    rung,  ///< Asked for by the doorbell, whatever it found.
    unannounced_rows,
    nothing,
    failed,
  };

  PollPace(std::chrono::nanoseconds interval, std::chrono::nanoseconds max_lag) noexcept;

  void after(Polled outcome) noexcept;
  /// The next pause; `random` is any 64 bits.
  [[nodiscard]] std::chrono::nanoseconds pause(std::uint64_t random) const noexcept;

 private:
  std::chrono::nanoseconds longest_;
  std::chrono::nanoseconds shortest_;
  std::chrono::nanoseconds longest_after_failure_;
  std::chrono::nanoseconds pause_;
  bool failing_ = false;
};

}  // namespace querymark
