#pragma once

#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

namespace querymark::postgres {

/// Client-side timeouts for a client library that blocks: when a guard's time is over, its socket
/// is shut down, so that whoever waits on it gets an error. One thread serves the whole process.
/// Thread-safe.
class Watchdog {
 public:
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
    /// A timeout of zero watches nothing.
    Guard(Watchdog& watchdog, int socket, std::chrono::milliseconds timeout);
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard();
    /// Ends the watch; true when the socket was shut down.
    bool end() noexcept;

   private:
    friend class Watchdog;
    Watchdog& watchdog_;
    int socket_;
    bool watching_ = false;
    bool fired_ = false;  // guarded by the watchdog's mutex
    std::multimap<std::chrono::steady_clock::time_point, Guard*>::iterator at_;
  };

 private:
  void loop(const std::stop_token& stop);

  std::mutex mutex_;  // guards guards_ and each guard's fired_
  std::condition_variable_any changed_;
  std::multimap<std::chrono::steady_clock::time_point, Guard*> guards_;
  std::jthread thread_;
};

}  // namespace querymark::postgres
