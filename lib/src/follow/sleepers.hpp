#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include "querymark/support/mutex.hpp"

namespace querymark {

/// Callers who sleep until something is true that somebody else brings about: each is woken once,
/// when it is, and nobody else is.
///
/// Thread-safe.
class Sleepers {
 public:
  /// Sleeps until `done()` or the deadline. `done` is asked here and by whoever wakes, one after the
  /// other, under a lock: it only looks, and what it notes down is the caller's own when this
  /// returns. Once it is true it is asked no more. Throws what it throws here.
  void sleep(const std::function<bool()>& done, std::chrono::steady_clock::time_point deadline);
  /// For whoever has changed what they wait for: wakes those whose `done()` is true.
  void wake() noexcept;

  [[nodiscard]] std::size_t count() const;

 private:
  struct Sleeper;
  mutable Mutex mutex_;
  // In the order of arrival; shared with whoever is just waking them.
  std::list<std::shared_ptr<Sleeper>> sleepers_ QUERYMARK_GUARDED_BY(mutex_);
};

}  // namespace querymark
