#pragma once  // For writers of ports.

#include <chrono>
#include <csignal>
#include <stop_token>
#include <thread>
#include <type_traits>
#include <utility>

namespace querymark {

/// Starts a thread of the library's own, on which no signal is delivered: an application's handlers
/// run on the application's threads, and its sigwait() sees what it waits for. Signals that a
/// thread raises by its own fault (SIGSEGV...) kill all the same. Throws std::system_error.
template <class Function>
[[nodiscard]] std::jthread start_thread(Function&& function) {
  // A thread inherits its creator's mask, so there is no moment in which it could take a signal.
  struct AllBlocked {
    sigset_t before{};
    AllBlocked() noexcept {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_SETMASK, &all, &before);
    }
    AllBlocked(const AllBlocked&) = delete;
    AllBlocked& operator=(const AllBlocked&) = delete;
    ~AllBlocked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
  };
  const AllBlocked blocked;
  return std::jthread(std::forward<Function>(function));
}

/// Blocks for so long, or until a stop is asked for.
void sleep_unless_stopped(std::chrono::nanoseconds length, const std::stop_token& stop);

}  // namespace querymark
