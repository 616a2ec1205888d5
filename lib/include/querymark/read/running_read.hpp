#pragma once  // For writers of drivers.

#include <chrono>
#include <optional>
#include <variant>

#include "querymark/read/flight.hpp"

namespace querymark {

/// Nothing: never.
using Deadline = std::optional<std::chrono::steady_clock::time_point>;

namespace detail {
class LoopLoad;  // of the driver for event loops
}

/// Who is to be told that a read may go on. `wake` is called on any thread and under locks: it notes or posts
/// that `next` is due, and returns.
class ReadWaker {
 public:
  ReadWaker() = default;
  ReadWaker(const ReadWaker&) = delete;
  ReadWaker& operator=(const ReadWaker&) = delete;
  virtual void wake() noexcept = 0;

 protected:
  ~ReadWaker() = default;
};

/// A read, of one key or of many, that memory could not serve, as its driver sees it: what is to be done next,
/// and whether that blocks. All drivers are a loop over it (`blocking_run`, `adapters/asio`). Destroyed
/// before it is over, it leaves in good order: leads go to waiters. Not thread-safe, but not bound to a
/// thread.
class RunningRead {
 public:
  /// There is a result, or an error, which is what whoever takes it finds out.
  struct Over {};
  /// `work()` is to be called where one may block, and `next()` after it.
  struct Works {};
  /// `next()` is to be called when the waker was, or then.
  struct Sleeps {
    Deadline until;
  };
  /// The driver's own load is to be run, which tells the read what it came to; then `next()`.
  struct Loads {
    detail::LoopLoad* load;
  };
  using Next = std::variant<Over, Works, Sleeps, Loads>;

  RunningRead() = default;
  RunningRead(const RunningRead&) = delete;
  RunningRead& operator=(const RunningRead&) = delete;
  virtual ~RunningRead() = default;

  /// Does what blocks nobody, and says what is next. May be called when nothing has happened. The waker
  /// is the same each time, and lives as long as the read.
  [[nodiscard]] virtual Next next(ReadWaker& waker) = 0;
  /// Requires that `next` has asked for it. Blocks. What it throws ends the read.
  virtual void work() = 0;
};

/// One whose result is a Value.
template <class Value>
class RunningReadOf : public RunningRead {
 public:
  /// Requires that it is over. Throws the error that it has ended with.
  [[nodiscard]] virtual Value take() = 0;
};

namespace detail {

/// What a read's place in a flight wakes it with.
class WakesRead final : public FlightWaker {
 public:
  /// Written once, before a flight has it: later a flight may be about to call it.
  [[nodiscard]] WakesRead* by(ReadWaker& waker) noexcept {
    if (waker_ == nullptr) waker_ = &waker;
    return this;
  }
  void wake() noexcept override { waker_->wake(); }

 private:
  ReadWaker* waker_ = nullptr;
};

}  // namespace detail
}  // namespace querymark
