#include "signals.hpp"

#include <pthread.h>

#include <csignal>
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
