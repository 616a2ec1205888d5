#pragma once  // For the read path alone.

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>

#include "querymark/support/clock.hpp"
#include "querymark/support/mutex.hpp"
#include "querymark/tier/breaker.hpp"

namespace querymark {

/// Loads that fail, by whatever key: after so many failures in a row there is a pause, and then one tries
/// (see Breaker). Keeps a bounded number of them; of what comes on top nobody is kept away. Thread-safe.
class FailingLoads {
 public:
  static constexpr std::size_t kMost = 10'000;

  /// Whether the caller may load now. Costs nothing while none fails.
  [[nodiscard]] bool allows(std::string_view key, MonotonicTime now);
  /// `after`: so many in a row begin the pause.
  void failed(std::string_view key, std::size_t after, MonotonicTime now);
  void succeeded(std::string_view key);

 private:
  struct Failing {
    std::size_t failures = 0;
    Breaker breaker{};
  };
  std::atomic<std::size_t> size_{0};  // of failing_; a hint
  Mutex mutex_;
  std::unordered_map<std::string, Failing> failing_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark
