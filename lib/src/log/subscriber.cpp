#include "querymark/log/subscriber.hpp"

#include <exception>

#include "querymark/log/poll_pace.hpp"
#include "querymark/support/random.hpp"

// Who does what:
//   the thread        catch_up(), then sleeps in the doorbell; any failure is noted and tried again
//   writers, waiters  call catch_up() themselves, or ring the doorbell and sleep on covered_
//
// poll_mutex_ serializes polls: one catch-up in flight, so the cursor never goes back.
// polls_started_ numbers them; polls_done_ is the number of the last one that succeeded (polls are
// serial, so every poll up to it has ended). Whoever arrives at count n needs any successful poll
// with a number > n: it began after the arrival. state_mutex_ guards last_error_ and what is known
// of the horizon, and makes "check, then sleep on covered_" atomic against a poll's end.
//
// Lock order: poll_mutex_, state_mutex_, the marks' mutexes.

namespace querymark {

Subscriber::Subscriber(std::string space, Outbox& outbox, Doorbell& doorbell, Marks& marks,
                       SubscriberOptions options)
    : space_(std::move(space)),
      outbox_(outbox),
      doorbell_(doorbell),
      marks_(marks),
      options_(options) {}

Subscriber::~Subscriber() { stop(); }

void Subscriber::start() {
  {
    const std::lock_guard lock(poll_mutex_);
    const MonotonicTime began = options_.clock->now();
    marks_.restart(outbox_.now());
    marks_.trust_until(detail::after(began, options_.max_lag));
  }
  thread_ = std::jthread([this](const std::stop_token& stop) { loop(stop); });
}

void Subscriber::stop() noexcept {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  doorbell_.interrupt();
  thread_.join();
}

void Subscriber::loop(const std::stop_token& stop) {
  PollPace pace(options_.poll_interval, options_.max_lag);
  while (!stop.stop_requested()) {
    const std::chrono::nanoseconds pause = pace.pause(random_u64());
    const MonotonicTime slept_from = options_.clock->now();
    doorbell_.wait(pause);
    if (stop.stop_requested()) return;
    const bool rung = options_.clock->now() - slept_from < pause;
    try {
      const std::uint64_t before = news_.load();
      catch_up();
      const bool news = news_.load() != before;
      pace.after(rung   ? PollPace::Polled::rung
                 : news ? PollPace::Polled::unannounced_rows
                        : PollPace::Polled::nothing);
    } catch (const std::exception& failure) {
      note_failure(failure.what());
      pace.after(PollPace::Polled::failed);
    }
  }
}

void Subscriber::note_failure(const char* what) {
  failures_.fetch_add(1);
  const std::lock_guard lock(state_mutex_);
  last_error_ = what;
}

std::string Subscriber::last_error() const {
  const std::lock_guard lock(state_mutex_);
  return last_error_;
}

void Subscriber::catch_up() {
  const std::uint64_t arrival = polls_started_.load();
  const std::lock_guard lock(poll_mutex_);
  if (polls_done_.load() > arrival) return;  // one that began after this call has ended well
  poll();
}

std::vector<MarkUpdate> Subscriber::updates_of(const std::vector<LogRow>& rows) {
  std::vector<MarkUpdate> updates;
  updates.reserve(rows.size());
  for (const LogRow& row : rows) {
    if (!row.target) malformed_.fetch_add(1, std::memory_order_relaxed);
    const bool everything = !row.target || row.target->is_flush();
    updates.push_back({everything ? std::nullopt : std::optional(row.target->id()), row.position});
  }
  return updates;
}

void Subscriber::poll() {
  const std::uint64_t number = polls_started_.fetch_add(1) + 1;
  const MonotonicTime began = options_.clock->now();
  const Cursor from = marks_.cursor();
  TailRequest request{
      .from = from, .upto = std::nullopt, .after = std::nullopt, .limit = options_.page_size};
  for (std::size_t rows = 0;;) {
    const TailPage page = outbox_.read(request);
    news_.fetch_add(page.status == TailStatus::ok ? page.rows.size() : 1);
    if (page.status != TailStatus::ok) {
      marks_.restart(page.upto);
      break;
    }
    rows += page.rows.size();
    if (page.more && rows > options_.jump_after) {
      marks_.restart(outbox_.now());
      break;
    }
    const std::vector<MarkUpdate> updates = updates_of(page.rows);
    if (!page.more) {
      marks_.apply_log(updates, page.upto);
      break;
    }
    marks_.apply_page(from.epoch, updates);
    request.upto = page.upto;
    request.after = page.rows.back();
  }
  marks_.trust_until(detail::after(began, options_.max_lag));
  const std::lock_guard lock(state_mutex_);
  note_horizon(began);
  polls_done_.store(number);
  covered_.notify_all();
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
  const std::lock_guard lock(state_mutex_);
  return held_since_ ? options_.clock->now() - *held_since_ : std::chrono::nanoseconds{};
}

void Subscriber::read_history() {
  const std::lock_guard lock(poll_mutex_);
  const Cursor known = marks_.cursor();
  TailRequest request{.from = outbox_.retained(),
                      .upto = known,
                      .after = std::nullopt,
                      .limit = options_.page_size};
  if (request.from.epoch != known.epoch) return;  // the next poll restarts
  const Position floor = request.from.snapshot.limit();
  for (std::size_t rows = 0;;) {
    const TailPage page = outbox_.read(request);
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

WaitOutcome Subscriber::wait(const Receipt& receipt, const Wait& wait) {
  WaitOutcome outcome = wait_covered(receipt, wait);
  const bool asked = wait.scope() != Wait::Scope::none && receipt.intents > 0;
  // A cursor covers the positions of rolled back transactions, too.
  if (receipt.in_doubt && asked && outcome.satisfied() && !outbox_.holds(receipt)) {
    outcome.status = WaitStatus::refused;
    outcome.pending = 1;
    outcome.reason = "the write was rolled back, or the log no longer shows it";
  }
  return outcome;
}

WaitOutcome Subscriber::wait_covered(const Receipt& receipt, const Wait& wait) {
  const auto began = std::chrono::steady_clock::now();
  const auto finish = [&](WaitStatus status, std::string_view reason = {}) {
    return WaitOutcome{.status = status,
                       .pending = status == WaitStatus::satisfied ? 0U : 1U,
                       .elapsed = std::chrono::steady_clock::now() - began,
                       .reason = reason};
  };
  if (wait.scope() == Wait::Scope::none || receipt.intents == 0)
    return finish(WaitStatus::satisfied);
  if (receipt.space != space_)
    return finish(WaitStatus::refused, "the receipt is of another namespace");

  const std::uint64_t arrival = polls_started_.load();
  const auto verdict = [&]() -> std::optional<WaitOutcome> {
    const bool asked =
        polls_done_.load() > arrival;  // before the cursor: it moved before the count did
    const Cursor at = marks_.cursor();
    if (at.epoch == receipt.epoch && at.snapshot.covers(receipt.position))
      return finish(WaitStatus::satisfied);
    if (!asked) return std::nullopt;
    if (at.epoch != receipt.epoch)
      return finish(WaitStatus::refused, "the receipt is of another epoch");
    // A limit lies above what has ended, not above what runs: a commit in doubt may yet run there.
    if (!receipt.in_doubt && receipt.position >= at.snapshot.limit())
      return finish(WaitStatus::refused, "the receipt is ahead of everything written");
    return std::nullopt;
  };
  if (auto known = verdict()) return *known;
  if (thread_.joinable())
    doorbell_.interrupt();
  else
    catch_up();
  std::unique_lock lock(state_mutex_);
  std::optional<WaitOutcome> outcome;
  covered_.wait_until(lock, detail::after(began, wait.timeout()), [&] {
    outcome = verdict();
    return outcome.has_value();
  });
  if (outcome) return *outcome;
  if (wait.on_timeout() == Wait::OnTimeout::fail)
    throw Timeout("the write did not become visible in this process within the wait's timeout");
  return finish(wait.on_timeout() == Wait::OnTimeout::degrade ? WaitStatus::degraded
                                                              : WaitStatus::timed_out);
}

}  // namespace querymark
