#pragma once

#include <condition_variable>
#include <utility>

#include "querymark/read/blocking_steps.hpp"
#include "querymark/read/flight.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

// Where one thread sleeps until one of the flights that it waits for wakes it.
class Sleeper {
 public:
  void wake() noexcept {
    const MutexLock lock(mutex_);
    woken_ = true;
    changed_.notify_one();
  }
  // False at the deadline.
  [[nodiscard]] bool sleep(const Deadline& deadline) {
    MutexLock lock(mutex_);
    const auto woken = [&]() QUERYMARK_REQUIRES(mutex_) { return std::exchange(woken_, false); };
    if (deadline) return changed_.wait_until(lock.native(), *deadline, woken);
    changed_.wait(lock.native(), woken);
    return true;
  }

 private:
  Mutex mutex_;
  std::condition_variable changed_;
  bool woken_ QUERYMARK_GUARDED_BY(mutex_) = false;
};

// What one flight wakes it with.
class SleeperWaker final : public FlightWaker {
 public:
  explicit SleeperWaker(Sleeper& sleeper) noexcept : sleeper_(sleeper) {}
  void wake() noexcept override { sleeper_.wake(); }

 private:
  Sleeper& sleeper_;
};

}  // namespace querymark
