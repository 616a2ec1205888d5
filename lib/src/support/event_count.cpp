#include "support/event_count.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <limits>

// Lost wake-ups: who sleeps says so first, and the kernel then compares the count; who wakes counts
// first, and then looks for sleepers. One of the two sees the other.

namespace querymark {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t) &&
              std::atomic<std::uint32_t>::is_always_lock_free);

}  // namespace

void EventCount::sleep(std::uint32_t seen) noexcept { sleep(seen, nullptr); }

void EventCount::sleep_for(std::uint32_t seen, std::chrono::nanoseconds longest) noexcept {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(longest);
  const timespec limit{.tv_sec = seconds.count(), .tv_nsec = (longest - seconds).count()};
  sleep(seen, &limit);
}

void EventCount::sleep(std::uint32_t seen, const timespec* longest) noexcept {
  sleeping_.fetch_add(1);
  // Whatever it answers, the caller looks again.
  static_cast<void>(
      ::syscall(SYS_futex, &happened_, FUTEX_WAIT_PRIVATE, seen, longest, nullptr, 0));
  sleeping_.fetch_sub(1);
}

void EventCount::wake_all() noexcept { wake(std::numeric_limits<int>::max()); }

void EventCount::wake(int threads) noexcept {
  happened_.fetch_add(1);
  if (sleeping_.load() == 0) return;
  static_cast<void>(
      ::syscall(SYS_futex, &happened_, FUTEX_WAKE_PRIVATE, threads, nullptr, nullptr, 0));
}

}  // namespace querymark
