#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <thread>

#include "querymark/support/mutex.hpp"

struct pg_cancel;  // libpq's PGcancel

namespace querymark::postgres {

/// Client-side timeouts for a client library that blocks. When a guard's time is over, the server
/// is asked to cancel the statement; half a second later, or at once when there is nothing to
/// cancel, the socket is shut down, so that whoever waits on it gets an error. One thread serves
/// the whole process. Thread-safe.
class Watchdog {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Never destroyed: connections may be used while statics die.
  [[nodiscard]] static Watchdog& instance();

  Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();

  /// Watches one call. The descriptor must stay open as long as the guard lives; it is best a
  /// duplicate, since the client library may close its own at any time, and the system may give the
  /// number to somebody else.
  class Guard {
   public:
    /// A timeout of zero watches nothing. Without `cancel` the statement is left to the server.
    Guard(Watchdog& watchdog, int socket, std::chrono::milliseconds timeout,
          std::shared_ptr<pg_cancel> cancel);
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();
    /// Ends the watch; true when its time was over. A cancel request may still be under way then:
    /// it could meet the connection's next statement, so there must be none.
    bool end() noexcept;

   private:
    friend class Watchdog;
    Watchdog& watchdog_;
    int socket_;
    std::shared_ptr<pg_cancel> cancel_;  // null when there is none, or it was asked for
    bool watching_ = false;
    bool fired_ QUERYMARK_GUARDED_BY(watchdog_.mutex_) = false;
    bool shut_ QUERYMARK_GUARDED_BY(watchdog_.mutex_) = false;
    std::multimap<TimePoint, Guard*>::iterator at_;
  };

 private:
  void loop(const std::stop_token& stop);
  void fire(std::multimap<TimePoint, Guard*>::iterator due)
      QUERYMARK_REQUIRES(mutex_) QUERYMARK_UNCHECKED;  // the guard's watchdog is this one

  // Guards also what stands in each guard: fired_, shut_ and, once fired, its at_.
  Mutex mutex_;
  std::condition_variable_any changed_;
  std::multimap<TimePoint, Guard*> guards_ QUERYMARK_GUARDED_BY(mutex_);
  // When the thread looks by itself; max: when it is told.
  TimePoint wakes_at_ QUERYMARK_GUARDED_BY(mutex_) = TimePoint::max();
  std::jthread thread_;
};

}  // namespace querymark::postgres
