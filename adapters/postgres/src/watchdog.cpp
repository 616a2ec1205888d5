#include "watchdog.hpp"

#include <sys/socket.h>

// A guard is in guards_ from its construction until it fires or ends; both happen under mutex_, so
// a guard that has ended never shuts a socket down.

namespace querymark::postgres {

Watchdog& Watchdog::instance() {
  static Watchdog watchdog;
  return watchdog;
}

Watchdog::Watchdog() : thread_([this](const std::stop_token& stop) { loop(stop); }) {}

Watchdog::~Watchdog() {
  thread_.request_stop();
  thread_.join();  // before the members that it uses go
}

void Watchdog::loop(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    if (guards_.empty()) {
      changed_.wait(lock, stop, [this] { return !guards_.empty(); });
      continue;
    }
    const auto first = guards_.begin();
    const auto deadline = first->first;
    if (std::chrono::steady_clock::now() >= deadline) {
      first->second->fired_ = true;
      ::shutdown(first->second->socket_, SHUT_RDWR);
      guards_.erase(first);
      continue;
    }
    changed_.wait_until(lock, stop, deadline, [this, deadline] {
      return guards_.empty() || guards_.begin()->first < deadline;
    });
  }
}

Watchdog::Guard::Guard(Watchdog& watchdog, int socket, std::chrono::milliseconds timeout)
    : watchdog_(watchdog), socket_(socket) {
  if (timeout.count() <= 0) return;
  const std::lock_guard lock(watchdog_.mutex_);
  at_ = watchdog_.guards_.emplace(std::chrono::steady_clock::now() + timeout, this);
  watching_ = true;
  // Only a new first deadline makes the thread sleep too long.
  if (at_ == watchdog_.guards_.begin()) watchdog_.changed_.notify_one();
}

bool Watchdog::Guard::end() noexcept {
  if (!watching_) return fired_;
  const std::lock_guard lock(watchdog_.mutex_);
  watching_ = false;
  if (!fired_) watchdog_.guards_.erase(at_);
  return fired_;
}

Watchdog::Guard::~Guard() { end(); }

}  // namespace querymark::postgres
