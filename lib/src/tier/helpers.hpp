#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "querymark/support/mutex.hpp"

namespace querymark::detail {

/// Threads that do for callers what these do not wait for, or want done at the same time as
/// something else. Work is taken on by a thread that has nothing else to do, one is started for it
/// while there are fewer than the bound, or it is refused: there is no queue in which it could wait
/// behind what is slow. Thread-safe.
class Helpers {
 public:
  using Task = std::function<void()>;  ///< Must not throw.

  explicit Helpers(std::size_t most) : most_(most) {}
  Helpers(const Helpers&) = delete;
  Helpers& operator=(const Helpers&) = delete;
  /// Returns when all that was taken on has been done.
  ~Helpers();

  /// False, with nothing done, when no thread is free.
  [[nodiscard]] bool run(Task task) noexcept;
  /// Runs task(0) ... task(count - 1), at the same time as far as threads are free, and returns when
  /// all have ended. The task must not throw.
  void each(std::size_t count, const std::function<void(std::size_t)>& task);

 private:
  void work() noexcept;

  const std::size_t most_;
  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_ QUERYMARK_GUARDED_BY(mutex_);  // never more than threads that are idle
  std::size_t idle_ QUERYMARK_GUARDED_BY(mutex_) = 0;
  bool stopping_ QUERYMARK_GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_ QUERYMARK_GUARDED_BY(mutex_);  // use what stands above
};

}  // namespace querymark::detail
