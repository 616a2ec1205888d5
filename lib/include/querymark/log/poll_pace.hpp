#pragma once

#include <chrono>
#include <cstdint>

namespace querymark {

/// How long a subscriber sleeps before it looks at the log unasked.
///
/// While the doorbell listens, polls are only the backstop: each one that finds nothing doubles the
/// pause, from the short interval up to a third of max_lag (so that trust outlives two lost polls)
/// or 30 s. A poll that finds rows goes back to the short interval, for a doorbell may be deaf and
/// not know it. While the doorbell does not listen, every pause is the short interval. After
/// failures pauses double from there, up to a second. Every pause is shortened by a random part of
/// up to a quarter, so that many processes on one database do not poll in step.
///
/// Not thread-safe; no clock and no randomness of its own.
class PollPace {
 public:
  enum class Polled : std::uint8_t { rows, nothing, failed };

  /// The interval is at most a third of max_lag, whatever was asked for.
  PollPace(std::chrono::nanoseconds interval, std::chrono::nanoseconds max_lag) noexcept;

  void after(Polled outcome, bool doorbell_listens) noexcept;
  /// The next pause; `random` is any 64 bits.
  [[nodiscard]] std::chrono::nanoseconds pause(std::uint64_t random) const noexcept;

 private:
  std::chrono::nanoseconds short_;
  std::chrono::nanoseconds long_;
  std::chrono::nanoseconds pause_;
  bool failing_ = false;
};

}  // namespace querymark
