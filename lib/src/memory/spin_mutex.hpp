#pragma once

#include <mutex>

#include "querymark/support/mutex.hpp"

namespace querymark {

/// A mutex that looks a few hundred nanoseconds long whether it comes free before it lets the
/// thread sleep: for sections shorter than going to sleep and being woken, which costs
/// microseconds.
class QUERYMARK_THREAD_SAFETY(capability("mutex")) SpinMutex {
 public:
  void lock() QUERYMARK_ACQUIRE() {
    for (int tries = 0; tries < kTries; ++tries) {
      if (mutex_.try_lock()) return;
      for (int i = 0; i < kPauses; ++i) pause();
    }
    mutex_.lock();
  }
  [[nodiscard]] bool try_lock() QUERYMARK_TRY_ACQUIRE(true) { return mutex_.try_lock(); }
  void unlock() QUERYMARK_RELEASE() { mutex_.unlock(); }

 private:
  static constexpr int kTries = 20;
  static constexpr int kPauses = 4;
  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::mutex mutex_;
};

}  // namespace querymark
