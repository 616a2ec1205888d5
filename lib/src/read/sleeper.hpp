#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <optional>
#include <utility>

#include "querymark/read/flight.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

using Deadline = std::optional<std::chrono::steady_clock::time_point>;

inline Deadline sooner(const Deadline& one, const Deadline& other) {
  if (!one || !other) return one ? one : other;
  return std::min(*one, *other);
}

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
