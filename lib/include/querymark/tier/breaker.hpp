#pragma once  // For writers of ports.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

#include "querymark/support/clock.hpp"

namespace querymark {

/// Keeps callers away from something that has just failed. Closed: everybody may try. A failure
/// opens it for a pause, in which nobody may; then one caller tries, and the others wait for what
/// comes of it. Each failure in a row doubles the pause. Thread-safe, lock-free.
class Breaker {
 public:
  static constexpr std::chrono::milliseconds kFirstPause{50};
  static constexpr std::chrono::milliseconds kLongestPause{5000};

  /// Whether the caller may try now; it then must call `succeeded` or `failed`.
  [[nodiscard]] bool allows(MonotonicTime now) noexcept {
    std::int64_t until = open_until_.load(std::memory_order_relaxed);
    if (until == kClosed) return true;
    if (now.time_since_epoch().count() < until) return false;
    // Of those who come now one tries, and is expected to fail: the next pause has begun.
    const unsigned failures = failures_.load(std::memory_order_relaxed);
    if (!open_until_.compare_exchange_strong(until, after(now, failures + 1),
                                             std::memory_order_relaxed))
      return false;
    failures_.store(failures + 1, std::memory_order_relaxed);
    return true;
  }
  void succeeded() noexcept {
    if (open_until_.load(std::memory_order_relaxed) == kClosed) return;
    failures_.store(0, std::memory_order_relaxed);
    open_until_.store(kClosed, std::memory_order_relaxed);
  }
  /// Of several who fail together the first opens it.
  void failed(MonotonicTime now) noexcept {
    std::int64_t closed = kClosed;
    if (open_until_.compare_exchange_strong(closed, after(now, 1), std::memory_order_relaxed))
      failures_.store(1, std::memory_order_relaxed);
  }

 private:
  static constexpr std::int64_t kClosed = -1;

  static std::int64_t after(MonotonicTime now, unsigned failures) noexcept {
    const unsigned doublings = std::clamp(failures, 1U, 10U) - 1;
    const auto pause = std::min(kFirstPause * (1 << doublings), kLongestPause);
    return (now + pause).time_since_epoch().count();
  }

  std::atomic<std::int64_t> open_until_{kClosed};
  std::atomic<unsigned> failures_{0};
};

}  // namespace querymark
