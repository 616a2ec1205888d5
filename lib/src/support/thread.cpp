#include "querymark/support/thread.hpp"

#include <condition_variable>
#include <mutex>

namespace querymark {

void sleep_unless_stopped(std::chrono::nanoseconds length, const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, length, [] { return false; });
}

}  // namespace querymark
