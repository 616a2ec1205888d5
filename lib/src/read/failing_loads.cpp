#include "querymark/read/failing_loads.hpp"

namespace querymark {

bool FailingLoads::allows(std::string_view key, MonotonicTime now) {
  if (size_.load(std::memory_order_relaxed) == 0) return true;
  const MutexLock lock(mutex_);
  const auto found = failing_.find(std::string(key));
  return found == failing_.end() || found->second.breaker.allows(now);
}

void FailingLoads::failed(std::string_view key, std::size_t after, MonotonicTime now) {
  const MutexLock lock(mutex_);
  auto found = failing_.find(std::string(key));
  if (found == failing_.end()) {
    if (failing_.size() == kMost) return;
    found = failing_.try_emplace(std::string(key)).first;
    size_.store(failing_.size(), std::memory_order_relaxed);
  }
  Failing& failing = found->second;
  if (++failing.failures >= after) failing.breaker.failed(now);
}

void FailingLoads::succeeded(std::string_view key) {
  if (size_.load(std::memory_order_relaxed) == 0) return;
  const MutexLock lock(mutex_);
  failing_.erase(std::string(key));
  size_.store(failing_.size(), std::memory_order_relaxed);
}

}  // namespace querymark
