#include <algorithm>
#include <exception>

#include "heartbeats.hpp"
#include "querymark/follow/subscriber.hpp"
#include "querymark/support/error.hpp"
#include "shared_polls.hpp"
#include "sleepers.hpp"

// How a subscriber reads the log, moves the marks, and extends the trust. Who polls when, and what guards
// what, stands at the top of subscriber.cpp.

namespace querymark {

bool Subscriber::poll_together(bool while_failing) {
  const SharedPolls::Answer answer = polls_->await(while_failing);
  if (answer != SharedPolls::Answer::turn) return answer == SharedPolls::Answer::done;
  const SharedPolls::Turn turn(*polls_);
  const MutexLock lock(poll_mutex_);
  poll();
  return true;
}

void Subscriber::catch_up() { static_cast<void>(poll_together(true)); }

bool Subscriber::try_catch_up() noexcept {
  try {
    if (poll_together(false)) return true;
    ask();
  } catch (...) {  // noted and counted by who polled
    return false;
  }
  return false;
}

std::vector<MarkUpdate> Subscriber::updates_of(const std::vector<LogRow>& rows) {
  std::vector<MarkUpdate> updates;
  updates.reserve(rows.size());
  for (const LogRow& row : rows) {
    if (!row.target) malformed_.fetch_add(1, std::memory_order_relaxed);
    updates.push_back(row.target ? MarkUpdate::of(*row.target, row.position)
                                 : MarkUpdate::everything(row.position));
  }
  return updates;
}

void Subscriber::poll() {
  const std::uint64_t number = polls_->begin();
  const MonotonicTime began = options_.clock->now();
  try {
    read_log(began, true);
  } catch (const Error& failure) {
    fail_poll(number, failure.what(),
              {.retryable = failure.retryable(),
               .connection_lost = failure.connection_lost(),
               .outcome_unknown = failure.outcome_unknown(),
               .native_code = failure.native_code()});
    throw;
  } catch (const std::exception& failure) {
    fail_poll(number, failure.what(), {});
    throw;
  } catch (...) {
    fail_poll(number, "the log could not be read", {});
    throw;
  }
  {
    const MutexLock lock(state_mutex_);
    last_error_.clear();
  }
  polls_->end(number);
  sleepers_->wake();
}

void Subscriber::take_news() {
  const MutexLock lock(poll_mutex_);
  try {
    read_log(options_.clock->now(), false);
  } catch (const std::exception& failure) {
    note_failure(&Subscriber::last_error_, failure.what());
    throw;
  }
  {
    const MutexLock state(state_mutex_);
    last_error_.clear();
  }
  sleepers_->wake();
}

void Subscriber::fail_poll(std::uint64_t number, const char* what,
                           const ErrorTraits& traits) noexcept {
  note_failure(&Subscriber::last_error_, what);
  polls_->fail(number, {what, traits});
}

void Subscriber::read_log(MonotonicTime began, bool current) {
  std::optional<MonotonicTime> as_of;
  if (heartbeats_->entered()) as_of = follow_log(began, current);
  if (!heartbeats_->entered()) {
    // Nobody waits for this process. (Nor does each attempt to enter prolong what was trusted.)
    marks_.trust_until(std::min(began, marks_.trusted_until()));
    began = options_.clock->now();
    heartbeats_->enter(began);
    as_of = follow_log(began, current);
    // Lost once more: the next poll tries again.
  }
  if (as_of)
    marks_.trust_until(
        std::min(detail::after(*as_of, options_.max_lag), heartbeats_->trusted_until()));
  const MutexLock lock(state_mutex_);
  note_horizon(began);
}

std::optional<MonotonicTime> Subscriber::follow_log(MonotonicTime began, bool current) {
  const Cursor from = marks_.cursor();
  TailRequest request{
      .from = from, .upto = std::nullopt, .after = std::nullopt, .limit = options_.page_size};
  request.rung = rung_.exchange(false);
  request.current = current;
  const auto as_of = [&](const TailPage& last) {
    return log_.relayed() ? last.as_of : std::optional(began);
  };
  request.beat = heartbeats_->due(began);
  for (std::size_t rows = 0;;) {
    const TailPage page = log_.read(request);
    request.beat.reset();
    if (page.beaten) heartbeats_->take(*page.beaten, began);
    if (page.status == TailStatus::history_changed) heartbeats_->forget();
    news_.fetch_add(page.status == TailStatus::ok ? page.rows.size() : 1);
    if (page.status != TailStatus::ok) {
      marks_.restart(page.upto);
      return as_of(page);
    }
    if (page.upto.epoch != from.epoch || !page.upto.snapshot.contains(from.snapshot)) {
      // What was seen is not there any more, so positions may be given out twice. Where that has
      // happened once no page proves freshness: the next poll, from here, extends the trust.
      marks_.restart(page.upto);
      throw Error("the log ends before what this process has seen of it, in the same epoch",
                  {.retryable = true});
    }
    rows += page.rows.size();
    if (page.more && rows > options_.jump_after) {
      marks_.restart(log_.now());
      return began;
    }
    const std::vector<MarkUpdate> updates = updates_of(page.rows);
    if (!page.more) {
      if (!updates.empty() || page.upto != from) marks_.apply_log(updates, page.upto);
      return as_of(page);
    }
    marks_.apply_page(from.epoch, updates);
    request.upto = page.upto;
    request.after = page.rows.back();
  }
}

void Subscriber::note_horizon(MonotonicTime now) {
  const Snapshot snapshot = marks_.cursor().snapshot;
  const bool gap = snapshot.horizon() < snapshot.limit();
  if (!gap)
    held_since_.reset();
  else if (!held_since_ || horizon_ != snapshot.horizon())
    held_since_ = now;
  horizon_ = snapshot.horizon();
}

std::chrono::nanoseconds Subscriber::horizon_age() const {
  const MutexLock lock(state_mutex_);
  return held_since_ ? options_.clock->now() - *held_since_ : std::chrono::nanoseconds{};
}

void Subscriber::read_history() {
  const MutexLock lock(poll_mutex_);
  const Cursor known = marks_.cursor();
  TailRequest request{
      .from = log_.retained(), .upto = known, .after = std::nullopt, .limit = options_.page_size};
  if (request.from.epoch != known.epoch) return;  // the next poll restarts
  const Position floor = request.from.snapshot.limit();
  for (std::size_t rows = 0;;) {
    const TailPage page = log_.read(request);
    rows += page.rows.size();
    // Pruned or replaced meanwhile, or more than is worth reading: older values stay unknown, thus
    // misses.
    if (page.status != TailStatus::ok || rows > options_.jump_after) return;
    marks_.learn_history(known.epoch, updates_of(page.rows),
                         page.more ? std::nullopt : std::optional(floor));
    if (!page.more) return;
    request.after = page.rows.back();
  }
}

}  // namespace querymark
