#include "querymark/log/poll_pace.hpp"

#include <algorithm>

namespace querymark {
namespace {

using std::chrono::nanoseconds;

constexpr nanoseconds kShortest = std::chrono::milliseconds(1);
constexpr nanoseconds kRarest = std::chrono::seconds(30);
constexpr nanoseconds kLongestAfterFailure = std::chrono::seconds(1);

// Twice the pause, without overflow.
nanoseconds doubled(nanoseconds pause, nanoseconds limit) noexcept {
  return pause > limit / 2 ? limit : pause * 2;
}

}  // namespace

PollPace::PollPace(nanoseconds interval, nanoseconds max_lag) noexcept
    : short_(std::max(std::min(interval, max_lag / 3), kShortest)),
      long_(std::max(std::min(max_lag / 3, std::max(interval, kRarest)), short_)),
      pause_(short_) {}

void PollPace::after(Polled outcome, bool doorbell_listens) noexcept {
  const bool failed = outcome == Polled::failed;
  if (failed && failing_)
    pause_ = doubled(pause_, std::max(std::min(long_, kLongestAfterFailure), short_));
  else if (outcome == Polled::nothing && doorbell_listens && !failing_)
    pause_ = doubled(pause_, long_);
  else
    pause_ = short_;
  failing_ = failed;
}

nanoseconds PollPace::pause(std::uint64_t random) const noexcept {
  return pause_ - pause_ / 64 * static_cast<std::int64_t>(random % 17);
}

}  // namespace querymark
