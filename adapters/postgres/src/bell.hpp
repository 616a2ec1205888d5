#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "querymark/support/mutex.hpp"
#include "querymark/support/wake_event.hpp"

namespace querymark::postgres {

/// What passes between the doorbell, whose waiter sleeps here, and whoever uses the log's
/// connection meanwhile and hears what was meant for the waiter. Thread-safe.
class Bell {
 public:
  /// Throws Error when the system has no descriptor left.
  Bell();

  /// Somebody wants the others to be rung; the waiter wakes, since somebody must send it.
  void ring() noexcept;
  [[nodiscard]] bool is_to_ring() const noexcept { return to_ring_.load(); }
  /// False: nobody wants it any more.
  [[nodiscard]] bool take_ring() noexcept { return to_ring_.exchange(false); }
  /// It could not be sent; whoever asks the bell next finds it again.
  void give_ring_back() noexcept { to_ring_.store(true); }
  /// No ring is to be sent earlier.
  void hold_rings(std::chrono::steady_clock::time_point until) noexcept {
    rings_held_.store(until.time_since_epoch().count());
  }
  /// How long rings are held yet; not above zero: they are not.
  [[nodiscard]] std::chrono::nanoseconds rings_held(
      std::chrono::steady_clock::time_point now) const noexcept {
    return std::chrono::nanoseconds(rings_held_.load()) - now.time_since_epoch();
  }

  void interrupt() noexcept;
  [[nodiscard]] bool take_interrupt() noexcept { return interrupted_.exchange(false); }
  /// The log may have grown.
  void wake() noexcept;
  [[nodiscard]] bool take_rung() noexcept { return rung_.exchange(false); }
  /// Somebody asks the subscribers to report.
  void ask_report() noexcept;
  [[nodiscard]] bool take_report() noexcept { return report_.exchange(false); }

  /// Why nobody listens at the moment; empty when somebody does.
  [[nodiscard]] std::string problem() const;
  void set_problem(std::string_view problem) noexcept;

  /// The waiter wakes for what comes over `socket`, which must be left before it is closed. Idempotent.
  void watch(int socket) noexcept;
  void leave(int socket) noexcept;
  /// Until something of the above, or `timeout`. True: the socket has something to say.
  [[nodiscard]] bool sleep(std::chrono::nanoseconds timeout) noexcept;

 private:
  WakeEvent wake_;
  Descriptor sockets_;  // an epoll set with one member at most
  std::atomic<bool> to_ring_{false};
  std::atomic<std::int64_t> rings_held_{0};
  std::atomic<bool> interrupted_{false};
  std::atomic<bool> rung_{false};
  std::atomic<bool> report_{false};
  mutable Mutex mutex_;  // taken alone
  std::string problem_ QUERYMARK_GUARDED_BY(mutex_) = "not connected yet";
};

}  // namespace querymark::postgres
