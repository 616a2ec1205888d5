#include "querymark/wait/target_waits.hpp"

#include <algorithm>
#include <utility>

#include "querymark/support/clock.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/thread.hpp"

// Who does what:
//   callers      put a Waiter of their own into the list and sleep on its condition variable
//   the thread   asks the database for all of them, judges each by the answer, and wakes those for
//                whom it decides: nobody else is woken in vain
//
// Looks are numbered as they begin. What an answer shows as covered stays so (within an epoch), so
// any answer may satisfy a wait; only one whose look began after a caller came can refuse its
// receipt. The mutex is let go while the database is asked. A waiter leaves the list under it: when
// it is decided for, by the thread, or else by itself; so the thread touches none that has left.

namespace querymark {

using std::chrono::steady_clock;

struct TargetWaits::Waiter {
  const Receipt& receipt;
  const Wait& wait;
  std::uint64_t arrival;  // looks with a greater number began afterwards
  std::size_t pending = 1;
  std::optional<WaitStatus> decided{};
  std::string_view reason{};
  std::condition_variable woken{};
};

TargetWaits::TargetWaits(std::string namespace_name, LogReader& log, Coverage& coverage,
                         Subscribers* subscribers, TargetWaitPace pace, const Clock& clock)
    : namespace_name_(std::move(namespace_name)),
      log_(log),
      coverage_(coverage),
      pace_(pace),
      subscribers_(subscribers) {
  if (subscribers != nullptr) reaper_.emplace(*subscribers, clock);
}

TargetWaits::~TargetWaits() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

std::size_t TargetWaits::waiting() const {
  const Lock lock(mutex_);
  return waiters_.size();
}

std::uint64_t TargetWaits::looks() const {
  const Lock lock(mutex_);
  return looks_;
}

TargetWaits::Found TargetWaits::look(Position from, Position to, bool everybody) {
  Found found{.log = coverage_.coverage(from, to), .followers = std::nullopt};
  if (!everybody) return found;
  const MutexLock lock(asking_);
  if (const auto now = steady_clock::now(); now - rung_ >= pace_.reports) {
    rung_ = now;
    subscribers_->ask_report();
  }
  // Who enters after this look has taken no snapshot yet: its first one includes the write.
  found.followers = reaper_->look();
  return found;
}

void TargetWaits::judge(Waiter& waiter, const Found& found, std::uint64_t look) {
  const Receipt& receipt = waiter.receipt;
  const auto decide = [&](WaitStatus status, std::string_view reason) {
    waiter.decided = status;
    waiter.reason = reason;
  };
  if (found.log.end.epoch != receipt.epoch) {
    if (look > waiter.arrival) decide(WaitStatus::refused, "the receipt is of another epoch");
    return;
  }
  // A limit lies above what has ended, not above what runs: a commit in doubt may yet run there.
  if (look > waiter.arrival && !receipt.in_doubt &&
      receipt.position >= found.log.end.snapshot.limit())
    return decide(WaitStatus::refused, "the receipt is ahead of everything written");

  std::size_t pending = 0;
  std::string_view short_of;
  const auto count = [&](Covered covered) {
    if (covered == Covered::not_yet) ++pending;
    if (covered == Covered::never) short_of = "some of it could not be delivered to a target";
  };
  if (waiter.wait.scope() == Wait::Scope::cluster) {
    if (!found.followers) return;
    for (const SubscriberRow& follower : *found.followers)
      if (!follower.cursor || follower.cursor->epoch != receipt.epoch ||
          !follower.cursor->snapshot.covers(receipt.position))
        ++pending;
    for (const ConsumerCoverage& consumer : found.log.consumers)
      count(covered(consumer, receipt.epoch, receipt.position));
  } else {
    for (const std::string& target : waiter.wait.targets()) {
      const auto& consumers = found.log.consumers;
      const auto consumer = std::ranges::find(consumers, target, &ConsumerCoverage::name);
      if (consumer == consumers.end())
        short_of = "no worker has ever served a target of that name";
      else
        count(covered(*consumer, receipt.epoch, receipt.position));
    }
  }
  waiter.pending = pending;
  if (pending > 0) return;
  decide(short_of.empty() ? WaitStatus::satisfied : WaitStatus::degraded, short_of);
}

bool TargetWaits::ask(Lock& lock) noexcept {
  arrived_ = false;
  const std::uint64_t look = ++looks_;
  const auto by_position = [](const Waiter* a, const Waiter* b) {
    return a->receipt.position < b->receipt.position;
  };
  const auto [first, last] = std::ranges::minmax_element(waiters_, by_position);
  const Position from = (*first)->receipt.position;
  const Position to = (*last)->receipt.position;
  const bool everybody = std::ranges::any_of(
      waiters_, [](const Waiter* each) { return each->wait.scope() == Wait::Scope::cluster; });
  Found found;
  lock.unlock();
  try {
    found = this->look(from, to, everybody);
  } catch (...) {  // they go on waiting; that is what their timeouts are for
    lock.lock();
    return false;
  }
  lock.lock();
  bool any = false;
  for (auto at = waiters_.begin(); at != waiters_.end();) {
    Waiter& waiter = **at;
    // Who came during the look may wait for what was not asked for.
    if (waiter.receipt.position >= from && waiter.receipt.position <= to)
      judge(waiter, found, look);
    if (!waiter.decided) {
      ++at;
      continue;
    }
    any = true;
    at = waiters_.erase(at);
    waiter.woken.notify_one();
  }
  return any;
}

void TargetWaits::loop(const std::stop_token& stop) noexcept {
  Lock lock(mutex_);
  auto pause = pace_.shortest;
  while (!stop.stop_requested()) {
    if (waiters_.empty()) {
      changed_.wait(lock, stop, [&] { return !waiters_.empty(); });
      pause = pace_.shortest;
      continue;
    }
    const auto asked = steady_clock::now();
    if (ask(lock)) pause = pace_.shortest;
    // Newcomers are not kept waiting for a long pause, nor is the database asked for each of them.
    changed_.wait_until(lock, stop, asked + pace_.shortest, [] { return false; });
    if (!arrived_ && pause > pace_.shortest)
      changed_.wait_until(lock, stop, asked + pause, [&] { return arrived_; });
    pause = arrived_ ? pace_.shortest : std::min(pause * 2, pace_.longest);
  }
}

WaitOutcome TargetWaits::wait_covered(const Receipt& receipt, const Wait& wait) {
  const auto began = steady_clock::now();
  Lock lock(mutex_);
  Waiter waiter{.receipt = receipt, .wait = wait, .arrival = looks_};
  if (wait.timeout().count() == 0) {
    const std::uint64_t look = ++looks_;
    lock.unlock();
    const bool everybody = wait.scope() == Wait::Scope::cluster;
    judge(waiter, this->look(receipt.position, receipt.position, everybody), look);
  } else {
    if (!thread_.joinable())
      thread_ = start_thread([this](const std::stop_token& stop) { loop(stop); });
    const auto place = waiters_.insert(waiters_.end(), &waiter);
    arrived_ = true;
    changed_.notify_one();
    waiter.woken.wait_until(lock, detail::after(began, wait.timeout()),
                            [&] { return waiter.decided.has_value(); });
    if (!waiter.decided) waiters_.erase(place);
  }
  if (!waiter.decided && wait.on_timeout() == Wait::OnTimeout::fail)
    throw Timeout("the write did not reach all that it was waited for within the wait's timeout");
  const WaitStatus late =
      wait.on_timeout() == Wait::OnTimeout::degrade ? WaitStatus::degraded : WaitStatus::timed_out;
  return {.status = waiter.decided.value_or(late),
          .pending = waiter.pending,
          .elapsed = steady_clock::now() - began,
          .reason = waiter.reason};
}

WaitOutcome TargetWaits::wait(const Receipt& receipt, const Wait& wait) {
  if (receipt.intents == 0) return {};
  if (wait.scope() == Wait::Scope::cluster && subscribers_ == nullptr)
    throw ConfigError(
        "this database does not know who follows its log, so nobody can wait for all");
  const auto refused = [](std::string_view reason, std::chrono::nanoseconds elapsed) {
    return WaitOutcome{
        .status = WaitStatus::refused, .pending = 1, .elapsed = elapsed, .reason = reason};
  };
  if (receipt.namespace_name != namespace_name_)
    return refused("the receipt is of another namespace", {});
  const WaitOutcome outcome = wait_covered(receipt, wait);
  const bool covered = outcome.pending == 0;
  // Cursors cover the positions of rolled back transactions, too, and those that a history gave out
  // which nobody saw end.
  if (covered && receipt.in_doubt && !log_.holds(receipt))
    return refused("the write was rolled back, or the log no longer shows it", outcome.elapsed);
  if (covered && !receipt.in_doubt && log_.refutes(receipt))
    return refused("the log shows another write at the receipt's position", outcome.elapsed);
  return outcome;
}

}  // namespace querymark
