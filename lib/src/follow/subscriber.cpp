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

// Its life, and the thread; polls are in subscriber_polls.cpp, waits in subscriber_waits.cpp. Who
// does what:
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
// Rings are answered as far apart as the budget of all processes together allows (ReadBudget), and
// later while they bring nothing new (PollPace); the rings of a pause are answered by one look. Whoever
// waits asks: that ends the pause.
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
      hold_back(std::max(budget.wait(options_.clock->now(), heartbeats_->live()), pace.held_back()),
                stop);
    if (stop.stop_requested()) return;
    bool awaited = false;
    {
      const MutexLock lock(state_mutex_);
      awaited =
          std::exchange(asked_, false);  // whoever asks from now on needs a look that begins later
    }
    const MonotonicTime began = options_.clock->now();
    budget.take(began, heartbeats_->live());
    const std::uint64_t before = news_.load();
    rung_ = rung;
    try {
      if (awaited || !log_.relayed())
        catch_up();
      else
        take_news();
      if (report_due().value_or(kReportsApart).count() == 0) report();
      const bool news = news_.load() != before;
      if (options_.max_lag.count() > 0 && options_.clock->now() - began >= options_.max_lag)
        pace.after(PollPace::Polled::too_late);
      else if (rung)
        pace.after(news ? PollPace::Polled::rung : PollPace::Polled::rung_in_vain);
      else
        pace.after(news ? PollPace::Polled::unannounced_rows : PollPace::Polled::nothing);
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

}  // namespace querymark
