#include "querymark/follow/subscriber.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "heartbeats.hpp"
#include "poll_pace.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/random.hpp"
#include "querymark/support/thread.hpp"
#include "read_budget.hpp"
#include "shared_polls.hpp"
#include "sleepers.hpp"

// Who does what:
//   the thread        catch_up(), then sleeps in the doorbell; any failure is noted and tried again.
//                     A relayed log's news it only takes in, unless somebody waits: whoever waits for
//                     all that was committed waits for those who hand it on, others need not
//   writers, readers  call catch_up() themselves: who comes during a poll shares the next one
//                     (SharedPolls)
//   waiters           ask the thread for a look, and sleep until whoever moves the marks finds that
//                     they are what was awaited (Sleepers)
//
// Whoever moves the marks holds poll_mutex_: one look is applied at a time, so the cursor never goes
// back. state_mutex_ guards asked_, both errors, own_ and what is known of the horizon. A poll counts
// as done after it has moved the marks, and before it looks for sleepers.
//
// Heartbeats travel with polls. What is trusted is trusted until the earlier of: the start of the
// last successful poll + max_lag; the start of the last acknowledged heartbeat + lease - margin. A
// heartbeat that finds no row: enter, poll, then trust again. Somebody's request to report is
// answered by a poll and a heartbeat that tells where it has led, ten times a second at most.
//
// Rings are answered as far apart as the budget of all processes together allows (ReadBudget); the
// rings of a pause are answered by one look. Whoever waits asks: that ends the pause.
//
// Lock order: the turn to poll, poll_mutex_, state_mutex_ or the sleepers' mutex, the marks' mutexes.

namespace querymark {
namespace {

constexpr std::chrono::nanoseconds kReportsApart = std::chrono::milliseconds(100);

}  // namespace

Subscriber::Subscriber(std::string namespace_name, LogReader& log, Doorbell& doorbell, Marks& marks,
                       SubscriberOptions options)
    : namespace_name_(std::move(namespace_name)),
      log_(log),
      doorbell_(doorbell),
      marks_(marks),
      options_(options),
      polls_(std::make_unique<SharedPolls>()),
      sleepers_(std::make_unique<Sleepers>()),
      heartbeats_(std::make_unique<Heartbeats>(options.subscribers, options.max_lag)) {
  detail::not_negative(options_.max_lag, "max_lag");
  detail::not_negative(options_.poll_interval, "poll_interval");
  if (options_.page_size == 0) throw ConfigError("a page_size of 0 reads nothing");
}

Subscriber::~Subscriber() { stop(); }

void Subscriber::begin() {
  const MutexLock lock(poll_mutex_);
  const MonotonicTime began = options_.clock->now();
  heartbeats_->enter(began);  // whoever lists the subscribers later waits for this one
  marks_.restart(log_.now());
  marks_.trust_until(
      std::min(detail::after(began, options_.max_lag), heartbeats_->trusted_until()));
}

void Subscriber::start() {
  begin();
  thread_ = start_thread([this](const std::stop_token& stop) { loop(stop); });
}

void Subscriber::stop() noexcept {
  if (thread_.joinable()) {
    thread_.request_stop();
    doorbell_.interrupt();
    thread_.join();
  }
  if (polls_->failing()) return;  // its row ends by itself
  try {
    const MutexLock lock(poll_mutex_);
    heartbeats_->leave();
  } catch (const std::exception& failure) {
    note_failure(&Subscriber::last_error_, failure.what());
  }
}

std::size_t Subscriber::live_subscribers() const noexcept { return heartbeats_->live(); }

std::size_t Subscriber::sleeping() const { return sleepers_->count(); }

std::uint64_t Subscriber::polls() const noexcept { return polls_->done(); }

std::optional<std::chrono::nanoseconds> Subscriber::report_due() const {
  if (!report_asked_) return std::nullopt;
  return std::max<std::chrono::nanoseconds>(reported_ + kReportsApart - options_.clock->now(),
                                            std::chrono::nanoseconds(0));
}

void Subscriber::report() {
  reported_ = options_.clock->now();
  report_asked_ = false;
  const MutexLock lock(poll_mutex_);
  heartbeats_->beat(marks_.cursor(), reported_);
}

// Whatever throws, the thread goes on: without it nothing would be fresh again.
void Subscriber::loop(const std::stop_token& stop) noexcept {
  PollPace pace(options_.poll_interval, options_.max_lag);
  ReadBudget budget(options_.log_reads_per_second, options_.max_lag);
  std::uint64_t random = 0;
  while (!stop.stop_requested()) {
    try {
      random = random_u64();
    } catch (const std::exception& failure) {
      note_failure(&Subscriber::doorbell_error_, failure.what());  // the last number will do
    }
    const std::chrono::nanoseconds pause = pace.pause(random);
    const bool rung = sleep(std::min(pause, report_due().value_or(pause)), stop);
    if (stop.stop_requested()) return;
    report_asked_ = doorbell_.report_asked() || report_asked_;
    if (rung && !report_asked_)
      hold_back(budget.wait(options_.clock->now(), heartbeats_->live()), stop);
    if (stop.stop_requested()) return;
    bool awaited = false;
    {
      const MutexLock lock(state_mutex_);
      awaited =
          std::exchange(asked_, false);  // whoever asks from now on needs a look that begins later
    }
    budget.take(options_.clock->now(), heartbeats_->live());
    const std::uint64_t before = news_.load();
    rung_ = rung;
    try {
      if (awaited || !log_.relayed())
        catch_up();
      else
        take_news();
      if (report_due().value_or(kReportsApart).count() == 0) report();
      const bool news = news_.load() != before;
      pace.after(rung   ? PollPace::Polled::rung
                 : news ? PollPace::Polled::unannounced_rows
                        : PollPace::Polled::nothing);
    } catch (...) {  // the poll has noted it
      pace.after(PollPace::Polled::failed);
    }
  }
}

void Subscriber::ask() noexcept {
  {
    const MutexLock lock(state_mutex_);
    asked_ = true;
    stopped_.notify_all();
  }
  doorbell_.interrupt();
}

void Subscriber::hold_back(std::chrono::nanoseconds delay, const std::stop_token& stop) noexcept {
  if (delay.count() <= 0) return;
  MutexLock lock(state_mutex_);
  stopped_.wait_for(lock.native(), stop, delay,
                    [this]() QUERYMARK_REQUIRES(state_mutex_) { return asked_; });
}

bool Subscriber::sleep(std::chrono::nanoseconds pause, const std::stop_token& stop) noexcept {
  const MonotonicTime from = options_.clock->now();
  try {
    doorbell_.wait(pause);
    {
      const MutexLock lock(state_mutex_);
      doorbell_error_.clear();
    }
    return options_.clock->now() - from < pause;
  } catch (const std::exception& failure) {
    note_failure(&Subscriber::doorbell_error_, failure.what());
  } catch (...) {
    note_failure(&Subscriber::doorbell_error_, "the doorbell failed");
  }
  // Polls find what a broken doorbell does not tell.
  MutexLock lock(state_mutex_);
  stopped_.wait_for(lock.native(), stop, pause, [] { return false; });
  return false;
}

void Subscriber::note_failure(std::string Subscriber::* as, const char* what) noexcept {
  failures_.fetch_add(1);
  const MutexLock lock(state_mutex_);
  try {
    (this->*as) = what;
  } catch (const std::bad_alloc&) {
    (this->*as).clear();  // counted all the same
  }
}

std::string Subscriber::last_error() const {
  const MutexLock lock(state_mutex_);
  return last_error_;
}

std::string Subscriber::doorbell_error() const {
  const MutexLock lock(state_mutex_);
  return doorbell_error_;
}

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
    marks_.trust_until(began);  // nobody waits for this process
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

void Subscriber::remember_own(const Receipt& receipt) noexcept {
  const MutexLock lock(state_mutex_);
  own_[own_count_++ % own_.size()] = {receipt.epoch, receipt.write};
}

bool Subscriber::is_own(const Receipt& receipt) const {
  const MutexLock lock(state_mutex_);
  return std::ranges::find(own_, std::pair(receipt.epoch, receipt.write)) != own_.end();
}

bool Subscriber::refuted(const Receipt& receipt) const {
  try {
    return log_.refutes(receipt);
  } catch (const Error&) {
    return false;  // nobody can be asked: coverage decides, as long as the polls let it be trusted
  }
}

void Subscriber::sleep_until(const std::function<bool()>& done,
                             std::chrono::steady_clock::time_point began,
                             std::chrono::nanoseconds timeout) {
  if (thread_.joinable())
    ask();
  else
    catch_up();
  sleepers_->sleep(done, detail::after(began, timeout));
}

bool Subscriber::await(const std::function<bool(const Marks&)>& enough,
                       std::chrono::nanoseconds timeout) noexcept {
  const std::uint64_t arrival = polls_->begun();
  bool reached = false;
  const auto done = [&] { return reached = enough(marks_) || polls_->done() > arrival; };
  try {
    if (!done()) sleep_until(done, std::chrono::steady_clock::now(), timeout);
  } catch (...) {  // the poll has noted it
    return false;
  }
  return reached;
}

WaitOutcome Subscriber::wait(const Receipt& receipt, const Wait& wait) {
  WaitOutcome outcome = wait_covered(receipt, wait);
  const bool asked = wait.scope() != Wait::Scope::none && receipt.intents > 0;
  if (!asked || !outcome.satisfied()) return outcome;
  const auto refuse = [&](std::string_view reason) {
    outcome.status = WaitStatus::refused;
    outcome.pending = 1;
    outcome.reason = reason;
    return outcome;
  };
  if (receipt.in_doubt && log_.relayed())
    return refuse("only who reads the log can tell what became of a write in doubt");
  // A cursor covers the positions of rolled back transactions, too,
  if (receipt.in_doubt && !log_.holds(receipt))
    return refuse("the write was rolled back, or the log no longer shows it");
  // and those that a history gave out which nobody saw end.
  if (!receipt.in_doubt && !is_own(receipt) && refuted(receipt))
    return refuse("the log shows another write at the receipt's position");
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
  if (receipt.namespace_name != namespace_name_)
    return finish(WaitStatus::refused, "the receipt is of another namespace");

  const std::uint64_t arrival = polls_->begun();
  const auto verdict = [&]() -> std::optional<WaitOutcome> {
    const bool asked =
        polls_->done() > arrival;  // before the cursor: it moved before the count did
    if (marks_.includes(receipt.epoch, receipt.position)) return finish(WaitStatus::satisfied);
    if (!asked) return std::nullopt;
    const Cursor at = marks_.cursor();
    if (at.epoch != receipt.epoch)
      return finish(WaitStatus::refused, "the receipt is of another epoch");
    // A limit lies above what has ended, not above what runs: a commit in doubt may yet run there.
    // Whoever hands the log on may be behind without knowing it.
    if (!receipt.in_doubt && !log_.relayed() && receipt.position >= at.snapshot.limit())
      return finish(WaitStatus::refused, "the receipt is ahead of everything written");
    return std::nullopt;
  };
  if (auto known = verdict()) return *known;
  std::optional<WaitOutcome> outcome;
  sleep_until(
      [&] {
        outcome = verdict();
        return outcome.has_value();
      },
      began, wait.timeout());
  if (outcome) return *outcome;
  if (wait.on_timeout() == Wait::OnTimeout::fail)
    throw Timeout("the write did not become visible in this process within the wait's timeout");
  return finish(wait.on_timeout() == Wait::OnTimeout::degrade ? WaitStatus::degraded
                                                              : WaitStatus::timed_out);
}

}  // namespace querymark
