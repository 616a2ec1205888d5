#include "shared_polls.hpp"

#include <utility>

// Polls are numbered as they begin; done_ is the number of the last one that succeeded, and failed_
// of the last one that failed (polls are serial, so every poll up to the greater of them has ended).
// Whoever arrives when n have begun needs any successful poll with a number > n: it began after the
// arrival. A
// failed one with such a number is an answer as well: were each of many callers to ask a server
// that hangs, the last would wait for all their timeouts.
//
// States of the turn (taken_): free -> taken, by whoever finds it free -> free (pass_on). Nobody
// holds a mutex while it is decided, so those whom a poll wakes go on at once, each by itself. What
// only who has the turn touches: served_, began_, and what of gathering_ is not atomic.
//
// Who arrives during poll n sleeps on ends_of(n + 1) until that one ends: poll n's end wakes those
// who waited for n, all of them, and one of those who wait for n + 1, who takes the turn, unless a
// newcomer has: then that one's poll is n + 1. A poll that fails wakes all: those who do not wait
// for another failure would go and leave the others asleep.
//
// Who finds the turn free while others are expected (Gathering) leaves it, and sleeps: the last of
// the expected takes it. The first to sleep so keeps time (keeper_), whether it came with the turn
// free or was woken at a poll's end: it takes the turn when the patience is over. There is always
// one: whoever sleeps beside a free turn has either found it, at its own arrival number, or is it;
// and it does not leave before a poll that answers the others, too (after a failure nobody gathers).
//
// Whoever waits yields for a moment before it sleeps, where yields are cheap (BriefYields).
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
  using Steady = std::chrono::steady_clock;
  const Arrival arrival = arrive();
  EventCount& ends = ends_of(arrival.begun + 1);
  std::optional<Steady::time_point> patient_until;  // of who keeps time
  for (;;) {
    const std::uint32_t seen = ends.now();
    if (const auto found = answer(arrival.begun, while_failing)) return *found;
    bool in_vain = false;
    if (!taken_.load() && !gathering_.complete(arrival.come)) {
      const Steady::time_point now = Steady::now();
      if (!patient_until && keeper_.exchange(arrival.begun) != arrival.begun)
        patient_until = now + gathering_.patience();
      in_vain = patient_until && now >= *patient_until;
      if (!in_vain) {
        if (yields_.until_moved(ends, seen)) continue;
        patient_until ? ends.sleep_for(seen, *patient_until - now) : ends.sleep(seen);
        continue;
      }
    }
    if (taken_.exchange(true)) {
      if (!yields_.until_moved(ends, seen)) ends.sleep(seen);
      continue;
    }
    if (begun() == arrival.begun) {
      gathering_.begins(in_vain);
      return Answer::turn;
    }
    pass_on();  // one has ended since the look
  }
}

std::uint64_t SharedPolls::begin() noexcept {
  began_ = std::chrono::steady_clock::now();
  std::uint64_t before = arrivals_.load();
  while (!arrivals_.compare_exchange_weak(before, ((before >> kCountBits) + 1) << kCountBits)) {
  }
  served_ = arrival_of(before).come;
  return arrival_of(before).begun + 1;
}

void SharedPolls::end(std::uint64_t number) noexcept {
  gathering_.ended(served_, arrival_of(arrivals_.load()).come,
                   std::chrono::steady_clock::now() - began_);
  done_.store(number);
}

void SharedPolls::fail(std::uint64_t number, Failure failure) noexcept {
  const MutexLock lock(failure_mutex_);
  failure_ = std::move(failure);
  gathering_.failed();
  failed_.store(number);
}

void SharedPolls::pass_on() noexcept {
  const std::uint64_t last = begun();
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
