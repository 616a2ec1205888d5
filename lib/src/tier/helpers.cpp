#include "helpers.hpp"

#include <exception>
#include <utility>

#include "querymark/support/thread.hpp"

namespace querymark::detail {

Helpers::~Helpers() {
  std::vector<std::jthread> threads;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    threads.swap(threads_);
    changed_.notify_all();
  }
  for (std::jthread& thread : threads) thread.join();
}

bool Helpers::run(Task task) noexcept {
  try {
    const MutexLock lock(mutex_);
    if (idle_ <= tasks_.size()) {
      if (threads_.size() >= most_) return false;
      threads_.reserve(threads_.size() + 1);
      threads_.push_back(start_thread([this] { work(); }));
      ++idle_;
    }
    tasks_.push_back(std::move(task));
    changed_.notify_one();
    return true;
  } catch (const std::exception&) {  // no memory, or no thread to be had: none is free
    return false;
  }
}

void Helpers::each(std::size_t count, const std::function<void(std::size_t)>& task) {
  struct Running {
    Mutex mutex;
    std::condition_variable ended;
    std::size_t count QUERYMARK_GUARDED_BY(mutex) = 0;
    void add() {
      const MutexLock lock(mutex);
      ++count;
    }
    // Notifies under the lock: whoever waits then destroys this.
    void end() {
      const MutexLock lock(mutex);
      if (--count == 0) ended.notify_all();
    }
    void await() {
      MutexLock lock(mutex);
      while (count != 0) ended.wait(lock.native());
    }
  } running;
  // What is handed over fits into a std::function as it is: nothing here can fail half-way.
  struct One {
    Running* running;
    const std::function<void(std::size_t)>* task;
    std::size_t i;
  };
  std::vector<One> ones;
  ones.reserve(count);
  for (std::size_t i = 0; i + 1 < count; ++i) {
    const One& one = ones.emplace_back(One{&running, &task, i});
    const auto work = [&one] {
      (*one.task)(one.i);
      one.running->end();
    };
    running.add();
    if (!run(work)) work();
  }
  if (count > 0) task(count - 1);
  running.await();
}

void Helpers::work() noexcept {
  MutexLock lock(mutex_);
  for (;;) {
    while (tasks_.empty() && !stopping_) changed_.wait(lock.native());
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    --idle_;
    lock.unlock();
    task();
    task = nullptr;  // what it held on to goes before this thread counts as free
    lock.lock();
    ++idle_;
  }
}

}  // namespace querymark::detail
