#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace querymark::sqlite {

/// Lets one thread at a time write: a mutex with a deadline that knows who holds it.
/// (std::timed_mutex does neither tell its holder, nor does GCC 12's ThreadSanitizer see it being
/// locked.)
class Turn {
 public:
  /// Waits for the turn; false when it does not come in time.
  [[nodiscard]] bool take(std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    if (!freed_.wait_for(lock, patience, [this] { return holder_ == std::thread::id(); }))
      return false;
    holder_ = std::this_thread::get_id();
    return true;
  }
  /// Requires that the calling thread has it.
  void give_up() noexcept {
    {
      const std::lock_guard lock(mutex_);
      holder_ = std::thread::id();
    }
    freed_.notify_one();
  }
  [[nodiscard]] bool is_mine() const {
    const std::lock_guard lock(mutex_);
    return holder_ == std::this_thread::get_id();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::thread::id holder_;
};

}  // namespace querymark::sqlite
