#include "shared_polls.hpp"

#include <utility>

// begun_ numbers polls; done_ is the number of the last one that succeeded, and failed_ of the last
// one that failed (polls are serial, so every poll up to the greater of them has ended). Whoever
// arrives at count n needs any successful poll with a number > n: it began after the arrival. A
// failed one with such a number is an answer as well: were each of many callers to ask a server
// that hangs, the last would wait for all their timeouts.
//
// States of the turn (taken_): free -> taken, by whoever finds it free -> free (pass_on). Nobody
// holds a mutex while it is decided, so those whom a poll wakes go on at once, each by itself.
//
// Who arrives during poll n sleeps on ends_of(n + 1) until that one ends: poll n's end wakes those
// who waited for n, all of them, and one of those who wait for n + 1, who takes the turn, unless a
// newcomer has: then that one's poll is n + 1. A poll that fails wakes all: those who do not wait
// for another failure would go and leave the others asleep.
//
// Nobody yields the processor so that others may come along: on a busy machine it is back after
// their time slices, each a hundred times as long as a poll.
//
// Lost wake-ups: a sleeper reads ends_of() before it looks for an answer and for the turn, and
// sleeps only while the number is what it read; pass_on() frees the turn, and then counts.

namespace querymark {

std::optional<SharedPolls::Answer> SharedPolls::answer(std::uint64_t arrival, bool while_failing) {
  if (done_.load() > arrival) return Answer::done;
  if (!while_failing && failing()) return Answer::failing;
  if (failed_.load() <= arrival) return std::nullopt;
  const MutexLock lock(failure_mutex_);
  throw Error(failure_.what, failure_.traits);
}

SharedPolls::Answer SharedPolls::await(bool while_failing) {
  const std::uint64_t arrival = begun_.load();
  EventCount& ends = ends_of(arrival + 1);
  for (;;) {
    const std::uint32_t seen = ends.now();
    if (const auto found = answer(arrival, while_failing)) return *found;
    if (taken_.exchange(true)) {
      ends.sleep(seen);
      continue;
    }
    if (begun_.load() == arrival) return Answer::turn;
    pass_on();  // one has ended since the look
  }
}

void SharedPolls::fail(std::uint64_t number, Failure failure) noexcept {
  const MutexLock lock(failure_mutex_);
  failure_ = std::move(failure);
  failed_.store(number);
}

void SharedPolls::pass_on() noexcept {
  const std::uint64_t last = begun_.load();
  taken_.store(false);
  for (const std::uint64_t number : {last, last + 1}) {
    EventCount& ends = ends_of(number);
    if (number == last || failing())
      ends.wake_all();
    else
      ends.wake_one();
  }
}

}  // namespace querymark
