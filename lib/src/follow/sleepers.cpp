#include "sleepers.hpp"

#include <condition_variable>
#include <iterator>
#include <new>

// States of a sleeper: in the list, under mutex_ -> out of it, woken (by wake(), which has found it
// done) or out of it by itself (its deadline). Its `done` is asked only while it is in the list, so
// nobody asks who has left.
//
// Each sleeps on a mutex and a condition variable of its own: of a thousand that one look releases
// none queues behind the others. wake() lets mutex_ go before it wakes them.
//
// Lost wake-ups: who changes something calls wake() afterwards; a sleeper looks and enters the list
// under one lock.
//
// Lock order: mutex_, then what `done` takes. A sleeper's own mutex is held with no other.

namespace querymark {

struct Sleepers::Sleeper {
  explicit Sleeper(const std::function<bool()>& awaited) : done(&awaited) {}

  void wake() noexcept {
    {
      const MutexLock lock(mutex);
      woken = true;
    }
    changed.notify_one();
  }
  // False at the deadline.
  [[nodiscard]] bool sleep(std::chrono::steady_clock::time_point deadline) {
    MutexLock lock(mutex);
    return changed.wait_until(lock.native(), deadline,
                              [this]() QUERYMARK_REQUIRES(mutex) { return woken; });
  }

  const std::function<bool()>* const done;
  bool listed = true;  // guarded by the list's mutex
  Mutex mutex;
  std::condition_variable changed;
  bool woken QUERYMARK_GUARDED_BY(mutex) = false;
};

void Sleepers::sleep(const std::function<bool()>& done,
                     std::chrono::steady_clock::time_point deadline) {
  const auto sleeper = std::make_shared<Sleeper>(done);
  std::list<std::shared_ptr<Sleeper>> place{sleeper};
  const auto at = place.begin();
  {
    const MutexLock lock(mutex_);
    if (done()) return;
    sleepers_.splice(sleepers_.end(), place);
  }
  if (sleeper->sleep(deadline)) return;
  const MutexLock lock(mutex_);
  if (!sleeper->listed) return;  // in the last moment
  sleepers_.erase(at);
  static_cast<void>(done());  // what changed without a word
}

void Sleepers::wake() noexcept {
  std::list<std::shared_ptr<Sleeper>> woken;
  {
    const MutexLock lock(mutex_);
    for (auto at = sleepers_.begin(); at != sleepers_.end();) {
      const auto next = std::next(at);
      bool done = false;
      try {
        done = (*(*at)->done)();
      } catch (const std::bad_alloc&) {
        done = false;  // it is asked again at the next change, and by itself at its deadline
      }
      if (done) {
        (*at)->listed = false;
        woken.splice(woken.end(), sleepers_, at);
      }
      at = next;
    }
  }
  for (const std::shared_ptr<Sleeper>& each : woken) each->wake();
}

std::size_t Sleepers::count() const {
  const MutexLock lock(mutex_);
  return sleepers_.size();
}

}  // namespace querymark
