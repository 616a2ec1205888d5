#include "signals.hpp"

#include <pthread.h>

#include <csignal>

namespace querymark::cli {
namespace {

// SIGUSR1 only ends the waiter when the program is done by itself.
sigset_t awaited() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

StopOnSignal::StopOnSignal() {
  const sigset_t set = awaited();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  waiter_ = std::thread([this, set] {
    int signal = 0;
    sigwait(&set, &signal);
    stop_.request_stop();
  });
}

StopOnSignal::~StopOnSignal() {
  pthread_kill(waiter_.native_handle(), SIGUSR1);
  waiter_.join();
}

}  // namespace querymark::cli
