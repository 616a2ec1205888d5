#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

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
    bool fired_ = false;  // guarded by the watchdog's mutex
    bool shut_ = false;   // guarded by the watchdog's mutex
    std::multimap<TimePoint, Guard*>::iterator at_;
  };

 private:
  void loop(const std::stop_token& stop);
  void fire(std::multimap<TimePoint, Guard*>::iterator due);

  // Guards guards_, wakes_at_, each guard's fired_, shut_ and, once fired, its at_.
  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::multimap<TimePoint, Guard*> guards_;
  TimePoint wakes_at_ = TimePoint::max();  // when the thread looks by itself; max: when it is told
  std::jthread thread_;
};

}  // namespace querymark::postgres
