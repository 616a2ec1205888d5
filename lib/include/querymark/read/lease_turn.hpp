#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "querymark/mark/stamp.hpp"
#include "querymark/support/clock.hpp"
#include "querymark/tier/shared_tier.hpp"

// For nobody outside: a part of ReadMachine.

namespace querymark {

/// How a load that leads its own process's callers stands to those of other processes.
///
///   unasked -> held      the tier has granted the lease: one more look at the tier, then the load
///           -> waiting   somebody else has it: pause, look at the tier, ask again
///   waiting -> held, over
///   held    -> over      given back, after the value was stored or the load has failed
///
/// `over` is also where it begins for a read that asks for no lease, and where it ends when nobody's
/// value can help: the holder's was refused, the lease was waited for as long as one lasts, an
/// invalidation has come. Then the database is asked.
struct LeaseTurn {
  enum class State : std::uint8_t { unasked, waiting, held, over };
  static constexpr std::chrono::milliseconds kFirstPause{1};
  static constexpr std::chrono::milliseconds kLongestPause{16};

  State state = State::unasked;
  SharedTier* tier = nullptr;
  std::string token{};
  MonotonicTime until{};  // of who waits
  std::chrono::nanoseconds pause = kFirstPause;
  /// Of the value that lay there before the lease was asked for, and was refused.
  std::optional<SharedStamp> refused{};

  [[nodiscard]] std::chrono::nanoseconds next_pause() noexcept {
    const auto length = pause;
    pause = std::min<std::chrono::nanoseconds>(2 * pause, kLongestPause);
    return length;
  }
  /// A value was refused. It ends the wait if somebody has stored it meanwhile.
  void note_refused(const SharedStamp& stamp) noexcept {
    if (state == State::waiting && refused != stamp) state = State::over;
    if (state == State::unasked) refused = stamp;
  }
};

}  // namespace querymark
