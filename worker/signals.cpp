#include "signals.hpp"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

namespace querymark::cli {
namespace {

bool is_ignored(int signal) {
  struct sigaction action{};
  return ::sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

// SIGUSR1 only ends the waiter when the program is done by itself. nohup(1) ignores SIGHUP.
sigset_t awaited() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, signal);
  if (!is_ignored(SIGHUP)) sigaddset(&set, SIGHUP);
  return set;
}

// False: SIGUSR1 has not come in that time.
bool is_done_within(std::chrono::milliseconds patience) {
  sigset_t done;
  sigemptyset(&done);
  sigaddset(&done, SIGUSR1);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const auto left = std::max<std::chrono::nanoseconds>(
        deadline - std::chrono::steady_clock::now(), std::chrono::nanoseconds(0));
    const auto whole = std::chrono::duration_cast<std::chrono::seconds>(left);
    const timespec span{.tv_sec = whole.count(), .tv_nsec = (left - whole).count()};
    if (::sigtimedwait(&done, nullptr, &span) == SIGUSR1) return true;
    if (errno != EINTR) return false;
  }
}

// As if nobody had waited for it.
void end_by(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
  ::raise(signal);
}

}  // namespace

StopOnSignal::StopOnSignal(OnHangup on_hangup) {
  const sigset_t set = awaited();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  waiter_ = std::thread([this, set, on_hangup] {
    int signal = 0;
    while (sigwait(&set, &signal) != 0 || (signal == SIGHUP && on_hangup == OnHangup::reload)) {
      const std::lock_guard lock(mutex_);
      reload_ = true;
      reload_asked_.notify_all();
    }
    if (signal != SIGUSR1 && at_once_.load()) end_by(signal);
    stop_.request_stop();
    const std::chrono::milliseconds patience = patience_.load();
    if (signal != SIGUSR1 && patience != kForEver && !is_done_within(patience)) end_by(signal);
  });
}

bool StopOnSignal::stopped_within(std::chrono::nanoseconds span) {
  std::unique_lock lock(mutex_);
  reload_asked_.wait_for(lock, stop_.get_token(), span, [this] { return reload_; });
  return stop_.stop_requested();
}

bool StopOnSignal::take_reload() {
  const std::lock_guard lock(mutex_);
  return std::exchange(reload_, false);
}

StopOnSignal::~StopOnSignal() {
  pthread_kill(waiter_.native_handle(), SIGUSR1);
  waiter_.join();
}

}  // namespace querymark::cli
