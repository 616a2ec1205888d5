#include "querymark/read/offload.hpp"

#include <chrono>
#include <iterator>
#include <utility>

#include "querymark/support/error.hpp"
#include "querymark/support/thread.hpp"

// States of a task, and who moves it, all under the one mutex:
//
//   (submitted) -> waiting    submit
//   waiting     -> running    a thread of the pool
//   waiting     -> cancelled  cancel, leave, drain, the destructor
//   running     -> ended      its thread, after the task was run and destroyed
//
// Its key is taken from its submission to its end, whatever end that is. Tasks are run and destroyed
// without the mutex: both are others' code.

namespace querymark {

std::string_view to_string(Offloaded offloaded) noexcept {
  switch (offloaded) {
    case Offloaded::accepted:
      return "accepted";
    case Offloaded::duplicate:
      return "one of the same key waits or runs";
    case Offloaded::full:
      return "the queue is full";
    case Offloaded::stopped:
      return "stopped";
    case Offloaded::disabled:
      return "disabled";
  }
  return "unknown";
}

Offload::Offload(OffloadOptions options) : queue_(options.queue) {
  if (options.threads == 0)
    throw ConfigError("an offload needs a thread; for none, say Offload::disabled()");
  for (std::size_t i = 0; i < options.threads; ++i)
    threads_.push_back(start_thread([this] { run(); }));
}

std::shared_ptr<Offload> Offload::disabled() {
  return std::shared_ptr<Offload>(new Offload(Disabled{}));
}

Offload::~Offload() {
  cancel_all();
  {
    const MutexLock lock(mutex_);
    over_ = true;
  }
  work_.notify_all();
  threads_.clear();  // joins
}

Offloaded Offload::submit(std::string key, const void* owner, std::function<void()> task) {
  const MutexLock lock(mutex_);
  const auto rejected = [&](Offloaded why) QUERYMARK_REQUIRES(mutex_) {
    ++counts_.rejected;
    return why;
  };
  if (state_ == State::disabled) return rejected(Offloaded::disabled);
  if (state_ == State::stopped || over_) return rejected(Offloaded::stopped);
  if (keys_.contains(key)) {
    ++counts_.duplicates;
    return Offloaded::duplicate;
  }
  if (waiting_.size() >= queue_) return rejected(Offloaded::full);
  waiting_.push_back({std::move(key), owner, std::move(task)});
  try {
    if (!waiting_.back().key.empty()) keys_.insert(waiting_.back().key);
  } catch (...) {  // as if it had not come, then rethrown
    waiting_.pop_back();
    throw;
  }
  ++counts_.accepted;
  work_.notify_one();
  return Offloaded::accepted;
}

void Offload::run() {
  MutexLock lock(mutex_);
  for (;;) {
    work_.wait(lock.native(),
               [&]() QUERYMARK_REQUIRES(mutex_) { return over_ || !waiting_.empty(); });
    if (over_) return;
    running_.splice(running_.end(), waiting_, waiting_.begin());
    const auto task = std::prev(running_.end());
    lock.unlock();
    bool failed = false;
    try {
      task->work();
    } catch (...) {  // whatever it is: it is counted, and nobody waits for it
      failed = true;
    }
    task->work = nullptr;
    lock.lock();
    keys_.erase(task->key);
    running_.erase(task);
    ++counts_.completed;
    if (failed) ++counts_.failed;
    ended_.notify_all();
  }
}

template <class Which>
std::size_t Offload::cancel_those(Which which) {
  std::list<Task> gone;
  const MutexLock lock(mutex_);
  for (auto task = waiting_.begin(); task != waiting_.end();) {
    const auto one = task++;
    if (!which(*one)) continue;
    keys_.erase(one->key);
    gone.splice(gone.end(), waiting_, one);
  }
  counts_.cancelled += gone.size();
  ended_.notify_all();
  return gone.size();
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

bool Offload::busy_for(const void* owner) const {
  for (const Task& task : running_)
    if (task.owner == owner) return true;
  return false;
}

void Offload::leave(const void* owner) noexcept {
  cancel_those([&](const Task& task) { return task.owner == owner; });
  MutexLock lock(mutex_);
  ended_.wait(lock.native(), [&]() QUERYMARK_REQUIRES(mutex_) { return !busy_for(owner); });
}

std::size_t Offload::drain(TimeSpan longest) {
  const auto deadline = detail::deadline_of(longest);
  std::size_t left = 0;
  {
    MutexLock lock(mutex_);
    if (state_ == State::open) state_ = State::stopped;
    const auto done = [&]() QUERYMARK_REQUIRES(mutex_) {
      return waiting_.empty() && running_.empty();
    };
    if (longest.count() <= 0) {
      left = waiting_.size() + running_.size();
    } else if (deadline) {
      ended_.wait_until(lock.native(), *deadline, done);
      left = waiting_.size() + running_.size();
    } else {
      ended_.wait(lock.native(), done);
    }
  }
  cancel_all();
  return left;
}

OffloadStats Offload::stats() const {
  const MutexLock lock(mutex_);
  OffloadStats stats = counts_;
  stats.waiting = waiting_.size();
  stats.running = running_.size();
  return stats;
}

}  // namespace querymark
