#include <new>
#include <optional>

#include "querymark/read/offload.hpp"

// Tasks that run for longer than they should: a task has been late once the watcher has said so, which it does
// once. `on_late` and stop callbacks are others' code, and run without the mutex.

namespace querymark {

// When the next one of those that run will be late.
std::optional<Offload::Clock::time_point> Offload::next_late() const {
  std::optional<Clock::time_point> next;
  for (const Task& task : running_) {
    if (task.longest.count() == 0 || task.was_late) continue;
    const Clock::time_point at = task.since + task.longest;
    if (!next || at < *next) next = at;
  }
  return next;
}

void Offload::watch() {
  MutexLock lock(mutex_);
  while (!over_) {
    const auto next = next_late();
    if (!next) {
      timed_.wait(lock.native());
      continue;
    }
    if (Clock::now() < *next) {
      timed_.wait_until(lock.native(), *next);
      continue;
    }
    for (Task& task : running_) {
      if (task.was_late || task.longest.count() == 0 || task.since + task.longest != *next)
        continue;
      task.was_late = true;
      ++counts(task.kind).late;
      std::optional<OffloadEntry> entry;
      try {
        entry = entry_of(task, true);
      } catch (const std::bad_alloc&) {  // no memory to tell of it: it is counted
      }
      std::stop_source stop = task.stop;
      const bool stops = task.when_late == WhenLate::stop;
      lock.unlock();
      if (entry && options_.on_late) options_.on_late(*entry);
      if (stops) stop.request_stop();
      lock.lock();
      break;  // the list may be another one by now
    }
  }
}

}  // namespace querymark
