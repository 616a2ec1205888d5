#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>

#include "querymark/read/flight.hpp"
#include "querymark/read/offload.hpp"
#include "querymark/read/read_machine.hpp"
#include "querymark/read/read_request.hpp"
#include "querymark/read/source.hpp"

// For nobody outside: one read on an event loop.

namespace querymark::detail {

/// Runs one read that memory could not serve: what waits, waits as a handler of `executor`; what blocks is
/// done by `pool`. See async_read.cpp for its states.
///
/// Owned by whatever it waits for (a timer, a task of the pool); where that is dropped with its event
/// loop, so is the read, which then leaves in good order.
class AsyncRead : public std::enable_shared_from_this<AsyncRead>, private FlightWaker {
 public:
  using Executor = boost::asio::any_io_executor;

  AsyncRead(const AsyncRead&) = delete;
  AsyncRead& operator=(const AsyncRead&) = delete;

  /// Once, when it is owned by a shared_ptr. Does not block.
  void start();
  /// The caller waits no longer: completes with `operation_aborted`, unless it is over. A load under way
  /// goes on, for others and for memory. Any thread.
  void cancel();

 protected:
  /// The request is the read's; the source and the pool must outlive it.
  AsyncRead(Source& source, std::shared_ptr<ReadRequest> request, Offload& pool,
            const Executor& executor);
  ~AsyncRead();
  /// Called once, on `executor`, unless the read is dropped. `at_once`: by whoever has started it, who
  /// expects to return first.
  virtual void complete(std::exception_ptr error, ReadResult result, bool at_once) = 0;
  [[nodiscard]] const Executor& executor() const noexcept { return executor_; }

 private:
  using Clock = std::chrono::steady_clock;
  using Action = ReadMachine::Action;
  enum class State : std::uint8_t { running, waiting, pausing, working, over };
  struct Turn;

  void wake() noexcept override;
  void go_on(Action action);
  void look();
  void sleep(State state, std::optional<Clock::time_point> until);
  void slept(std::uint64_t sleep);
  void hand_over(const Action& action);
  void work(Action action) noexcept;
  void worked(Action action);
  void refused(Offloaded why);
  void end(std::exception_ptr error, ReadResult result);

  Source& source_;
  const std::shared_ptr<ReadRequest> request_;
  Offload& pool_;
  const Executor executor_;
  boost::asio::executor_work_guard<Executor> busy_;
  boost::asio::strand<Executor> strand_;
  boost::asio::steady_timer timer_;
  std::optional<ReadMachine> machine_;
  const std::optional<Clock::time_point> deadline_;
  State state_ = State::running;
  bool starting_ = true;
  FlightWaiter* waiter_ = nullptr;  // the machine's, while it is waiting
  std::uint64_t sleeps_ = 0;
};

}  // namespace querymark::detail
