#include <algorithm>
#include <exception>
#include <utility>

#include "querymark/read/read_machine.hpp"
#include "querymark/support/error.hpp"
#include "read/read_machine_steps.hpp"

// What the policy makes of a value that is no longer fresh.

namespace querymark {

bool is_outage(const std::exception_ptr& error) noexcept {
  try {
    std::rethrow_exception(error);
  } catch (const Error& ours) {
    return ours.retryable() || ours.connection_lost();
  } catch (const std::exception&) {  // a loader of the caller's: of another client
    return true;
  } catch (...) {  // nobody knows what it is, so the caller gets it
    return false;
  }
}

void ReadMachine::find_old() {
  if (old_ || !policy().serves_old() || demanding() || request_.alone || request_.replaces ||
      request_.only_tiers)
    return;
  if (bypass_ && bypass_ != Stored::lagging) return;
  old_ = source_.find_old(request_.call, required_);
}

std::optional<Outcome> ReadMachine::old_within(std::chrono::nanoseconds stale,
                                               std::chrono::nanoseconds outdated) noexcept {
  if (!request_.options.consistency.allows_outdated()) outdated = {};
  if (!old_ || (stale.count() <= 0 && outdated.count() <= 0)) return std::nullopt;
  const MonotonicTime now = cache_.clock.coarse_now();
  const Source::Old found = source_.judge_old(*old_, ttl_, now);
  if (found.past_ttl.count() >= 0 && found.past_ttl >= stale) return std::nullopt;
  if (found.outdated &&
      (!found.outdated_since || now >= detail::after(*found.outdated_since, outdated)))
    return std::nullopt;
  return Outcome{.status = found.outdated                 ? ReadStatus::outdated
                           : found.past_ttl.count() >= 0  ? ReadStatus::stale
                           : source_.marks().trusted(now) ? ReadStatus::hit
                                                          : ReadStatus::degraded,
                 .origin = Origin::memory,
                 .stored = Stored::already,
                 .age = old_->age(now)};
}

std::optional<Outcome> ReadMachine::old_in_need() noexcept {
  return old_within(policy().stale_if_error, policy().serve_invalidated_on_error);
}

std::optional<Outcome> ReadMachine::old_instead_of(const std::exception_ptr& error) noexcept {
  return old_ && is_outage(error) ? old_in_need() : std::nullopt;
}

ReadMachine::Action ReadMachine::await() {
  const ReadPolicy& by = policy();
  std::chrono::nanoseconds longest = by.hard_timeout;
  if (waited_softly_ && longest.count() > 0)
    longest = std::max(longest - by.soft_timeout, std::chrono::nanoseconds(1));
  // At the end of a hard wait, too, what is old stands in: a soft one that lasts longer says nothing.
  const bool sooner = by.hard_timeout.count() == 0 || by.soft_timeout < by.hard_timeout;
  waits_softly_ =
      !waited_softly_ && by.soft_timeout.count() > 0 && sooner && old_in_need().has_value();
  return Await{&*waiter_, waits_softly_ ? std::chrono::nanoseconds(by.soft_timeout) : longest};
}

ReadMachine::Action ReadMachine::resume_refreshing() noexcept {
  return guarded([&] {
    const auto outcome = old_within(policy().stale_while_refreshing, {});
    return outcome ? finish_old(*outcome) : load_alone();  // its time has just ended
  });
}

ReadMachine::Action ReadMachine::give_up() noexcept {
  return guarded([&] {
    waited_softly_ = std::exchange(waits_softly_, false);
    if (waited_softly_ && !old_in_need()) return await();
    return end(std::make_exception_ptr(
        Timeout("gave up waiting for another caller's load of the same query")));
  });
}

ReadMachine::Action ReadMachine::finish_old(const Outcome& outcome) {
  ReadCounters& counters = record_.counters;
  if (outcome.status == ReadStatus::hit)
    counters.hit();  // somebody has stored it meanwhile
  else if (outcome.status == ReadStatus::degraded)
    counters.degraded_hit();  // the same, where the log is not reached
  else
    (outcome.status == ReadStatus::stale ? counters.stale : counters.outdated).fetch_add(1);
  return finish(std::move(old_), outcome);
}

}  // namespace querymark
