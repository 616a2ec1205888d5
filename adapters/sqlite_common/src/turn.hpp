#pragma once

#include <chrono>
#include <condition_variable>
#include <thread>

#include "querymark/support/mutex.hpp"

namespace querymark::sqlite {

/// Lets one thread at a time write: a mutex with a deadline that knows who holds it.
/// (std::timed_mutex does neither tell its holder, nor does GCC 12's ThreadSanitizer see it being
/// locked.)
class Turn {
 public:
  /// Waits for the turn; false when it does not come in time.
  [[nodiscard]] bool take(std::chrono::milliseconds patience) {
    MutexLock lock(mutex_);
    const auto free = [this]() QUERYMARK_REQUIRES(mutex_) { return holder_ == std::thread::id(); };
    if (!freed_.wait_for(lock.native(), patience, free)) return false;
    holder_ = std::this_thread::get_id();
    return true;
  }
  /// Requires that the calling thread has it.
  void give_up() noexcept {
    {
      const MutexLock lock(mutex_);
      holder_ = std::thread::id();
    }
    freed_.notify_one();
  }
  [[nodiscard]] bool is_mine() const {
    const MutexLock lock(mutex_);
    return holder_ == std::this_thread::get_id();
  }

 private:
  mutable Mutex mutex_;
  std::condition_variable freed_;
  std::thread::id holder_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark::sqlite
