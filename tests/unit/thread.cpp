#include "querymark/support/thread.hpp"

#include <catch2/catch.hpp>
#include <csignal>

namespace {

using namespace querymark;

sigset_t mask_of_this_thread() {
  sigset_t mask;
  pthread_sigmask(SIG_SETMASK, nullptr, &mask);
  return mask;
}

}  // namespace

TEST_CASE("thread: the library's threads take no signals, and its callers' masks stay",
          "[thread]") {
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, SIGUSR2);
  REQUIRE(pthread_sigmask(SIG_BLOCK, &one, nullptr) == 0);
  sigset_t inside;
  sigemptyset(&inside);
  start_thread([&] { inside = mask_of_this_thread(); }).join();
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGCHLD, SIGPIPE})
    CHECK(sigismember(&inside, signal) == 1);
  const sigset_t outside = mask_of_this_thread();
  CHECK(sigismember(&outside, SIGUSR2) == 1);
  CHECK(sigismember(&outside, SIGTERM) == 0);
  pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
}

TEST_CASE("thread: a sleep ends when a stop is asked for", "[thread]") {
  std::stop_source stop;
  std::jthread sleeper =
      start_thread([&] { sleep_unless_stopped(std::chrono::hours(24), stop.get_token()); });
  stop.request_stop();
  sleeper.join();
  sleep_unless_stopped(std::chrono::hours(24), stop.get_token());
  CHECK(stop.stop_requested());
}

TEST_CASE("thread: a stop can be asked for, and its end joins", "[thread]") {
  bool stopped = false;
  {
    const std::jthread thread = start_thread([&](const std::stop_token& stop) {
      while (!stop.stop_requested()) std::this_thread::yield();
      stopped = true;
    });
  }
  CHECK(stopped);
}
