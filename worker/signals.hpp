#pragma once

#include <stop_token>
#include <thread>

namespace querymark::cli {

/// Turns SIGTERM, SIGINT and (unless it is ignored) SIGHUP into a stop request. Make it before any
/// other thread, so that all of them inherit the blocked signals; a thread of its own waits for
/// them.
class StopOnSignal {
 public:
  StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  ~StopOnSignal();

  [[nodiscard]] std::stop_token token() const noexcept { return stop_.get_token(); }

 private:
  std::stop_source stop_;
  std::thread waiter_;
};

}  // namespace querymark::cli
