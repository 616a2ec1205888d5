#include "support/brief_yields.hpp"

#include <sched.h>

#include <algorithm>

// paused_until_ goes from 0 to the end of a pause by one of those to whom a yield was too long; past
// that end to the next one, by the one thread whose trial this is; and by that thread to 0, or yet
// further. Whoever finds it in the future sleeps at once. next_pause_ is written by these threads
// only; that two may do so at once is of no weight.

namespace querymark {
namespace {

std::int64_t steady_now() noexcept {
  return std::chrono::steady_clock::now().time_since_epoch() / BriefYields::Nanoseconds(1);
}

}  // namespace

bool BriefYields::until_moved(const EventCount& count, std::uint32_t seen) noexcept {
  const std::int64_t began = steady_now();
  std::int64_t paused = paused_until_.load(std::memory_order_relaxed);
  const std::int64_t pause = next_pause_.load(std::memory_order_relaxed);
  const bool trial = paused != 0;
  if (trial && (began < paused || !paused_until_.compare_exchange_strong(
                                      paused, began + pause, std::memory_order_relaxed)))
    return false;
  const Yielding went = yield(count, seen, began);
  if (went == Yielding::too_long) {
    std::int64_t none = 0;
    const std::int64_t until = steady_now() + pause;
    if (trial)
      paused_until_.store(until, std::memory_order_relaxed);
    else if (!paused_until_.compare_exchange_strong(none, until, std::memory_order_relaxed))
      return false;
    next_pause_.store(std::min(2 * pause, kLongestPause.count()), std::memory_order_relaxed);
  } else if (trial) {
    next_pause_.store(std::max(pause / 2, kFirstPause.count()), std::memory_order_relaxed);
    paused_until_.store(0, std::memory_order_relaxed);
  }
  return went == Yielding::moved;
}

void BriefYields::system_yield() noexcept { static_cast<void>(::sched_yield()); }

BriefYields::Yielding BriefYields::yield(const EventCount& count, std::uint32_t seen,
                                         std::int64_t began) const noexcept {
  for (std::int64_t last = began;;) {
    yield_();
    const std::int64_t at = steady_now();
    if (at - last > kTooLong.count()) return Yielding::too_long;
    if (count.now() != seen) return Yielding::moved;
    if (at - began > kLongest.count()) return Yielding::enough;
    last = at;
  }
}

}  // namespace querymark
