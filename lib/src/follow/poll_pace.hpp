#pragma once

#include <chrono>
#include <cstdint>

namespace querymark {

/// How long a subscriber sleeps before it looks at the log unasked, and before it answers a ring.
///
/// The pause is the interval that was asked for, and never more than a third of max_lag, so that
/// trust outlives two lost polls: whoever commits without ringing is seen that much later at most.
/// A poll that finds rows which no ring announced tells of a deaf doorbell, or of writers that
/// don't ring: the next pause is an eighth, at most 12.5 ms, and each poll that finds nothing doubles it again.
/// A poll that took max_lag or longer (the process stood still, or its server) was over too late for anything to be
/// trusted: the next one follows as soon as after unannounced rows.
/// After failures pauses double from the interval, up to a second. Every pause is shortened by a
/// random part of up to a quarter, so that many processes on one database do not poll in step.
///
/// A ring that brought nothing new was the echo of an own write, or of one that is nobody's business:
/// the next is answered after a quarter of a millisecond, each further one after twice that, up to one
/// millisecond. So a process that writes all the time does not look at the log, beside its writers, after
/// each write. Whatever is new ends that, and so does a silence.
///
/// Not thread-safe; no clock and no randomness of its own.
class PollPace {
 public:
  enum class Polled : std::uint8_t {
    rung,          ///< Asked for by the doorbell, and something was new.
    rung_in_vain,  ///< The same, and nothing was.
    unannounced_rows,
    nothing,
    too_late,  ///< It took so long that it earned no trust.
    failed,
  };

  PollPace(std::chrono::nanoseconds interval, std::chrono::nanoseconds max_lag) noexcept;

  void after(Polled outcome) noexcept;
  /// The next pause; `random` is any 64 bits.
  [[nodiscard]] std::chrono::nanoseconds pause(std::uint64_t random) const noexcept;
  /// How long the next ring goes unanswered.
  [[nodiscard]] std::chrono::nanoseconds held_back() const noexcept { return held_back_; }

 private:
  std::chrono::nanoseconds longest_;
  std::chrono::nanoseconds shortest_;
  std::chrono::nanoseconds longest_after_failure_;
  std::chrono::nanoseconds pause_;
  std::chrono::nanoseconds held_back_{0};
  bool failing_ = false;
};

}  // namespace querymark
