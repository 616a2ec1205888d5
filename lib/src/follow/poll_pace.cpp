#include "poll_pace.hpp"

#include <algorithm>
#include <utility>

namespace querymark {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kLeast = std::chrono::milliseconds(1);
constexpr nanoseconds kShortest = std::chrono::microseconds(12'500);
constexpr nanoseconds kLongestAfterFailure = std::chrono::seconds(1);

constexpr nanoseconds kFirstHeldBack = std::chrono::microseconds(250);
constexpr nanoseconds kLongestHeldBack = std::chrono::milliseconds(1);

// Twice the pause, without overflow.
nanoseconds doubled(nanoseconds pause, nanoseconds limit) noexcept {
  return pause > limit / 2 ? limit : pause * 2;
}

}  // namespace

PollPace::PollPace(nanoseconds interval, nanoseconds max_lag) noexcept
    // Without a lag to keep, nothing is ever trusted: polls need not hurry.
    : longest_(std::max(max_lag.count() > 0 ? std::min(interval, max_lag / 3) : interval, kLeast)),
      shortest_(std::clamp(longest_ / 8, kLeast, kShortest)),
      longest_after_failure_(std::max(longest_, std::min(kLongestAfterFailure, max_lag / 3))),
      pause_(longest_) {}

void PollPace::after(Polled outcome) noexcept {
  const bool failed_before = std::exchange(failing_, outcome == Polled::failed);
  if (outcome == Polled::rung_in_vain)
    held_back_ = std::clamp(2 * held_back_, kFirstHeldBack, kLongestHeldBack);
  else if (outcome != Polled::failed)
    held_back_ = nanoseconds(0);
  switch (outcome) {
    case Polled::failed:
      pause_ = failed_before ? doubled(pause_, longest_after_failure_) : longest_;
      break;
    case Polled::unannounced_rows:
    case Polled::too_late:
      pause_ = shortest_;
      break;
    case Polled::nothing:
      pause_ = failed_before ? longest_ : doubled(pause_, longest_);
      break;
    case Polled::rung:
    case Polled::rung_in_vain:
      if (failed_before) pause_ = longest_;
      break;
  }
}

nanoseconds PollPace::pause(std::uint64_t random) const noexcept {
  return pause_ - pause_ / 64 * static_cast<std::int64_t>(random % 17);
}

}  // namespace querymark
