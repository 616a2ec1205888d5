#include "querymark/read/offload.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <thread>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/support/thread.hpp"

// States of a task, and who moves it, all under the one mutex:
//
//   (submitted) -> waiting    submit
//   waiting     -> running    a thread of the pool
//   waiting     -> cancelled  cancel, leave, drain, the destructor
//   cancelled   -> ended      whoever has cancelled it, or another who cancels, after it was destroyed
//   running     -> ended      its thread, after the task was run and destroyed
//
// Its key is taken from its submission until it is cancelled or has ended. Tasks are run, told to stop and
// destroyed without the mutex: all of it is others' code. What a task holds may touch its owner as it goes, so
// he and a drain wait for that, too, whoever has cancelled it. Or his end is a part of it: a task may hold the last
// reference to its owner, who then waits for all his tasks but that one. Tasks that run for too long are the watcher's
// (offload_late.cpp), which is there from the first task on that can be late; what is counted and shown is in
// offload_stats.cpp.

namespace querymark {
namespace {

constexpr TimeSpan kForEver = std::chrono::hours(24 * 365);

OffloadOptions checked(OffloadOptions options) {
  detail::not_negative(options.longest, "the longest time of a task");
  return options;
}

bool is_this_thread(const std::jthread& thread) noexcept {
  return thread.get_id() == std::this_thread::get_id();
}

// A thread that waited for its own end would wait for ever, and what it comes back to would be gone.
[[noreturn]] void end_without_owner(const char* why) noexcept {
  std::fputs(why, stderr);
  std::abort();
}

// What this thread is at, on behalf of tasks: one within another, where what goes takes others along.
class AtTask {
 public:
  enum class Does : std::uint8_t { run, destroy };
  AtTask(const void* task, Does does) noexcept
      : task_(task), does_(does), outer_(std::exchange(innermost, this)) {}
  AtTask(const AtTask&) = delete;
  AtTask& operator=(const AtTask&) = delete;
  ~AtTask() { innermost = outer_; }

  [[nodiscard]] static bool here(const void* task, Does does) noexcept {
    for (const AtTask* at = innermost; at != nullptr; at = at->outer_)
      if (at->task_ == task && at->does_ == does) return true;
    return false;
  }

 private:
  static inline thread_local const AtTask* innermost = nullptr;
  const void* task_;
  Does does_;
  const AtTask* outer_;
};

}  // namespace

Offload::Offload(OffloadOptions options) : options_(checked(std::move(options))) {
  if (options_.threads == 0)
    throw ConfigError("an offload needs a thread; for none, say Offload::disabled()");
  for (std::size_t i = 0; i < options_.threads; ++i)
    threads_.push_back(start_thread([this] { run(); }));
}

std::shared_ptr<Offload> Offload::disabled() {
  return std::shared_ptr<Offload>(new Offload(Disabled{}));
}

Offload::~Offload() {
  const bool mine = std::ranges::any_of(threads_, is_this_thread);
  stop_all();
  std::jthread watcher;
  {
    const MutexLock lock(mutex_);
    over_ = true;
    watcher = std::move(watcher_);
  }
  if (mine || is_this_thread(watcher))
    end_without_owner(
        "querymark: an offload was destroyed by a task of its own, which held the last reference "
        "to it or ended the program\n");
  work_.notify_all();
  timed_.notify_all();
  threads_.clear();  // joins
}

OffloadTicket Offload::submit(OffloadTask task) {
  const TimeSpan longest =
      detail::not_negative(task.longest.value_or(options_.longest), "the longest time of a task");
  const MutexLock lock(mutex_);
  OffloadStats& counted = counts(task.kind);
  const auto rejected = [&](Offloaded why) {
    ++counted.rejected;
    return OffloadTicket{why, std::move(task.key)};
  };
  if (state_ == State::disabled) return rejected(Offloaded::disabled);
  if (state_ == State::stopped || over_) return rejected(Offloaded::stopped);
  if (task.key.empty()) {
    do {
      task.key.assign(task.kind).append("#").append(std::to_string(++last_given_));
    } while (keys_.contains(task.key));  // somebody has called his own like that
  } else if (keys_.contains(task.key)) {
    ++counted.duplicates;
    return {Offloaded::duplicate, std::move(task.key)};
  }
  if (waiting_.size() >= options_.queue) return rejected(Offloaded::full);
  const bool timed = longest.count() > 0 && longest < kForEver;
  if (timed && !watcher_.joinable()) watcher_ = start_thread([this] { watch(); });
  waiting_.push_back({.kind = std::string(task.kind),
                      .key = task.key,
                      .owner = task.owner,
                      .work = std::move(task.work),
                      .longest = timed ? longest : TimeSpan(),
                      .when_late = task.when_late.value_or(options_.when_late),
                      .since = Clock::now()});
  try {
    keys_.insert(task.key);
  } catch (...) {  // as if it had not come, then rethrown
    waiting_.pop_back();
    throw;
  }
  ++counted.accepted;
  work_.notify_one();
  return {Offloaded::accepted, std::move(task.key)};
}

Offloaded Offload::submit(std::string key, const void* owner, std::function<void()> task,
                          std::string_view kind) {
  return submit({.kind = kind,
                 .key = std::move(key),
                 .owner = owner,
                 .work = [task = std::move(task)](const std::stop_token&) { task(); }})
      .became;
}

void Offload::run() {
  MutexLock lock(mutex_);
  for (;;) {
    work_.wait(lock.native(),
               [&]() QUERYMARK_REQUIRES(mutex_) { return over_ || !waiting_.empty(); });
    if (over_) return;
    running_.splice(running_.end(), waiting_, waiting_.begin());
    const auto task = std::prev(running_.end());
    task->since = Clock::now();
    if (task->longest.count() > 0) timed_.notify_all();
    lock.unlock();
    bool failed = false;
    try {
      const AtTask at(&*task, AtTask::Does::run);
      task->work(task->stop.get_token());
    } catch (...) {  // whatever it is: it is counted, and nobody waits for it
      failed = true;
    }
    {
      const AtTask at(&*task, AtTask::Does::destroy);
      task->work = nullptr;
    }
    lock.lock();
    keys_.erase(task->key);
    OffloadStats& counted = counts(task->kind);
    running_.erase(task);
    ++counted.completed;
    if (failed) ++counted.failed;
    ended_.notify_all();
  }
}

template <class Which>
std::size_t Offload::cancel_those(Which which) {
  MutexLock lock(mutex_);
  std::size_t cancelled = 0;
  for (auto task = waiting_.begin(); task != waiting_.end();) {
    const auto one = task++;
    if (!which(*one)) continue;
    keys_.erase(one->key);
    ++counts(one->kind).cancelled;
    cancelled_.splice(cancelled_.end(), waiting_, one);
    ++cancelled;
  }
  // Also those of a call that comes to this one by what a task of its own held: it would wait for them.
  for (;;) {
    const auto task = std::ranges::find_if(
        cancelled_, [](const Task& one) { return static_cast<bool>(one.work); });
    if (task == cancelled_.end()) break;
    auto work = std::exchange(task->work, nullptr);
    lock.unlock();
    {
      const AtTask at(&*task, AtTask::Does::destroy);
      work = nullptr;
    }
    lock.lock();
    cancelled_.erase(task);
  }
  ended_.notify_all();
  return cancelled;
}

template <class Which>
std::size_t Offload::stop_those(Which which) {
  const std::size_t cancelled = cancel_those(which);
  for (std::size_t stopped = 0;; ++stopped) {
    std::stop_source stop(std::nostopstate);
    {
      const MutexLock lock(mutex_);
      for (const Task& task : running_)
        if (which(task) && !task.stop.stop_requested()) {
          stop = task.stop;
          break;
        }
    }
    if (!stop.stop_possible()) return cancelled + stopped;
    stop.request_stop();
  }
}

bool Offload::has(const std::string& key) const {
  const MutexLock lock(mutex_);
  return keys_.contains(key);
}

std::size_t Offload::cancel(const std::string& key) {
  return cancel_those([&](const Task& task) { return task.key == key; });
}

std::size_t Offload::cancel_all() {
  return cancel_those([](const Task& /*task*/) { return true; });
}

std::size_t Offload::stop(const std::string& key) {
  return stop_those([&](const Task& task) { return task.key == key; });
}

std::size_t Offload::stop_all() {
  return stop_those([](const Task& /*task*/) { return true; });
}

bool Offload::busy_for(const void* owner) const {
  const auto is_his = [=](const Task& task) {
    return task.owner == owner && !AtTask::here(&task, AtTask::Does::destroy);
  };
  return std::ranges::any_of(running_, is_his) || std::ranges::any_of(cancelled_, is_his);
}

void Offload::leave(const void* owner) noexcept {
  const auto is_his = [=](const Task& task) { return task.owner == owner; };
  for (;;) {
    stop_those(is_his);
    MutexLock lock(mutex_);
    if (std::ranges::any_of(running_, [&](const Task& task) {
          return is_his(task) && AtTask::here(&task, AtTask::Does::run);
        }))
      end_without_owner(
          "querymark: a database, or another owner of tasks, was destroyed by a task of its own "
          "while that ran\n");
    ended_.wait(lock.native(), [&]() QUERYMARK_REQUIRES(mutex_) { return !busy_for(owner); });
    if (std::ranges::none_of(waiting_, is_his)) return;  // else one that ran has submitted it
  }
}

std::vector<OffloadEntry> Offload::drain(TimeSpan longest) {
  const auto deadline = detail::deadline_of(longest);
  std::vector<OffloadEntry> left;
  {
    MutexLock lock(mutex_);
    if (state_ == State::open) state_ = State::stopped;
    const auto done = [&]() QUERYMARK_REQUIRES(mutex_) {
      return waiting_.empty() && running_.empty() && cancelled_.empty();
    };
    if (longest.count() > 0) {
      if (deadline)
        ended_.wait_until(lock.native(), *deadline, done);
      else
        ended_.wait(lock.native(), done);
    }
    left = listed();
  }
  cancel_all();
  return left;
}

}  // namespace querymark
