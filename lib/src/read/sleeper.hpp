#pragma once

#include <condition_variable>
#include <utility>

#include "querymark/read/running_read.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark {

// Where one thread sleeps until what it waits for wakes it.
class Sleeper final : public ReadWaker {
 public:
  void wake() noexcept override {
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

// Drives the read on this thread until it is over. Blocks. Throws what ends the read without its own doing,
// such as what a tier throws. The sleeper outlives the read.
void blocking_run(RunningRead& read, Sleeper& sleeper);

}  // namespace querymark
