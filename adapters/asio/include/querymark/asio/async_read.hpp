#pragma once

#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>

#include "querymark/read/offload.hpp"
#include "querymark/read/running_read.hpp"
#include "querymark/read/source.hpp"
#include "querymark/support/mutex.hpp"

// For nobody outside: one read on an event loop.

namespace querymark::detail {

/// A load that an event loop runs, of a read that says so (RunningRead::Loads).
class LoopLoad {
 public:
  LoopLoad(const LoopLoad&) = delete;
  LoopLoad& operator=(const LoopLoad&) = delete;
  /// Begins it on the executor. `ended` is called there, once the load has ended and before the read is told
  /// what it came to by `tell`; it is dropped where the load goes with its event loop.
  virtual void begin(const boost::asio::any_io_executor& executor, std::function<void()> ended) = 0;
  /// Tells the read.
  virtual void tell() = 0;

 protected:
  LoopLoad() = default;
  ~LoopLoad() = default;
};

/// Runs one read that memory could not serve: what waits, waits as a handler of `executor`; what blocks is
/// done by `pool`. See async_read.cpp for its states.
///
/// Owned by whatever it waits for (a timer, a task of the pool, a load); where that is dropped with its event
/// loop, so is the read, which then leaves in good order.
class AsyncRead : public std::enable_shared_from_this<AsyncRead>, private ReadWaker {
 public:
  using Executor = boost::asio::any_io_executor;

  /// Once, when it is owned by a shared_ptr. Does not block.
  void start();
  /// The caller waits no longer: completes with `operation_aborted`, unless it is over. A load under way
  /// goes on, for others and for memory. Any thread.
  void cancel();

 protected:
  /// The source and the pool must outlive it. Without a pool, what blocks is an error.
  AsyncRead(Source& source, Offload* pool, const Executor& executor);
  ~AsyncRead() = default;
  /// The same each time.
  [[nodiscard]] virtual RunningRead& running() noexcept = 0;
  /// Called once, on `executor`, unless the read is dropped: with an error, or when the RunningRead is over.
  /// `at_once`: by whoever has started it, who expects to return first.
  virtual void complete(std::exception_ptr error, bool at_once) = 0;
  /// It is over for the caller, and nobody else is at work on it: its lead, if it has one, goes to a waiter.
  virtual void leave() noexcept = 0;

 private:
  using Clock = std::chrono::steady_clock;
  enum class State : std::uint8_t { running, sleeping, working, loading, over };
  struct Turn;
  struct Sleep;

  void wake() noexcept override;
  void go_on();
  void sleep(const Deadline& until);
  void slept(std::uint64_t sleep);
  void lose_loop() noexcept;
  void look();
  void hand_over();
  static void work(std::shared_ptr<AsyncRead> read) noexcept;
  static void give_back(std::shared_ptr<AsyncRead> read, std::exception_ptr error);
  void load(LoopLoad& load);
  void back(std::exception_ptr error);
  void end(std::exception_ptr error);

  Source& source_;
  Offload* const pool_;
  const Executor executor_;
  boost::asio::executor_work_guard<Executor> busy_;
  boost::asio::strand<Executor> strand_;
  boost::asio::steady_timer timer_;
  State state_ = State::running;
  bool starting_ = true;
  std::atomic<bool> woken_ = false;  // a look is due
  std::uint64_t sleeps_ = 0;
  Mutex loop_mutex_;  // of its posts by whoever wakes it, and the end of its event loop
  bool loop_gone_ QUERYMARK_GUARDED_BY(loop_mutex_) = false;
};

}  // namespace querymark::detail
