#include "watchdog.hpp"

#include <libpq-fe.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <system_error>
#include <utility>

#include "querymark/support/thread.hpp"

// States of a guard: watching -> (fired: asked to cancel, still in guards_) -> shut, or ended.
// A guard is in guards_ from its construction until it shuts its socket or ends; both happen under
// mutex_, so a guard that has ended never shuts a socket down.
//
// The thread sleeps until wakes_at_, also when the guard that it was set for has ended: waking it
// for each of many short statements would cost more than they do. Only an earlier deadline wakes
// it.
//
// libpq's cancel request connects and waits without a limit, so each has a thread of its own, which
// holds nothing but the request; a server that swallows them costs kMostCancels threads.

namespace querymark::postgres {
namespace {

constexpr std::chrono::milliseconds kGrace{500};
constexpr int kMostCancels = 16;
constinit std::atomic<int> cancels{0};

bool cancel_elsewhere(std::shared_ptr<pg_cancel> cancel) noexcept {
  if (cancels.fetch_add(1) >= kMostCancels) {
    cancels.fetch_sub(1);
    return false;
  }
  try {
    start_thread([request = std::move(cancel)] {
      std::array<char, 256> complaint{};
      PQcancel(request.get(), complaint.data(), static_cast<int>(complaint.size()));
      cancels.fetch_sub(1);
    }).detach();
    return true;
  } catch (const std::system_error&) {  // no thread to be had: the socket is shut at once
    cancels.fetch_sub(1);
    return false;
  }
}

}  // namespace

Watchdog& Watchdog::instance() {
  static auto* const watchdog = new Watchdog;
  return *watchdog;
}

Watchdog::Watchdog() : thread_(start_thread([this](const std::stop_token& stop) { loop(stop); })) {}

Watchdog::~Watchdog() {
  thread_.request_stop();
  thread_.join();  // before the members that it uses go
}

void Watchdog::loop(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  while (!stop.stop_requested()) {
    if (guards_.empty()) {
      wakes_at_ = TimePoint::max();
      changed_.wait(lock, stop, [this]() QUERYMARK_REQUIRES(mutex_) { return !guards_.empty(); });
      continue;
    }
    const auto first = guards_.begin();
    if (std::chrono::steady_clock::now() >= first->first) {
      fire(first);
      continue;
    }
    wakes_at_ = first->first;
    changed_.wait_until(lock, stop, wakes_at_, [this]() QUERYMARK_REQUIRES(mutex_) {
      return !guards_.empty() && guards_.begin()->first < wakes_at_;
    });
  }
}

void Watchdog::fire(std::multimap<TimePoint, Guard*>::iterator due) {
  Guard& guard = *due->second;
  auto node = guards_.extract(due);
  guard.fired_ = true;
  if (auto cancel = std::exchange(guard.cancel_, nullptr);
      cancel && cancel_elsewhere(std::move(cancel))) {
    node.key() = std::chrono::steady_clock::now() + kGrace;
    guard.at_ = guards_.insert(std::move(node));
    return;
  }
  guard.shut_ = true;
  ::shutdown(guard.socket_, SHUT_RDWR);
}

Watchdog::Guard::Guard(Watchdog& watchdog, int socket, std::chrono::milliseconds timeout,
                       std::shared_ptr<pg_cancel> cancel)
    : watchdog_(watchdog), socket_(socket), cancel_(std::move(cancel)) {
  if (timeout.count() <= 0) return;
  const MutexLock lock(watchdog_.mutex_);
  at_ = watchdog_.guards_.emplace(std::chrono::steady_clock::now() + timeout, this);
  watching_ = true;
  if (at_->first < watchdog_.wakes_at_) watchdog_.changed_.notify_one();
}

bool Watchdog::Guard::end() noexcept {
  const MutexLock lock(watchdog_.mutex_);
  if (!watching_) return fired_;
  watching_ = false;
  if (!shut_) watchdog_.guards_.erase(at_);
  return fired_;
}

Watchdog::Guard::~Guard() { end(); }

}  // namespace querymark::postgres
