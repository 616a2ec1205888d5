#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace querymark::cli {

/// What SIGHUP asks for.
enum class OnHangup : bool { stop, reload };

/// Turns SIGTERM, SIGINT and (unless it is ignored, or asks to reload) SIGHUP into a stop request. Make it before any
/// other thread, so that all of them inherit the blocked signals; a thread of its own waits for
/// them.
class StopOnSignal {
 public:
  explicit StopOnSignal(OnHangup on_hangup = OnHangup::stop);
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;
  ~StopOnSignal();

  /// Waits for a stop request, at most that long: whether there was one. Ends early to reload.
  [[nodiscard]] bool stopped_within(std::chrono::nanoseconds span);
  /// Whether SIGHUP has come since the last call.
  [[nodiscard]] bool take_reload();

  [[nodiscard]] std::stop_token token() const noexcept { return stop_.get_token(); }

  /// From now on such a signal ends the program as it ends others, where it has not ended by itself that long after the
  /// request: for what leaves nothing undone, and may be waiting for an answer that does not come.
  void end_within(std::chrono::milliseconds patience) noexcept { patience_.store(patience); }

  /// Runs `work`. Meanwhile such a signal ends the program at once, as it ends other programs: for what
  /// can't be told to stop, and leaves nothing undone, such as a connection to a server that does not
  /// answer.
  template <class Work>
  auto ended_at_once(const Work& work) {
    const AtOnce meanwhile(at_once_);
    return work();
  }

 private:
  struct AtOnce {
    explicit AtOnce(std::atomic<bool>& flag) noexcept : set(flag) { set.store(true); }
    AtOnce(const AtOnce&) = delete;
    AtOnce& operator=(const AtOnce&) = delete;
    ~AtOnce() { set.store(false); }
    std::atomic<bool>& set;
  };

  static constexpr std::chrono::milliseconds kForEver{-1};
  std::atomic<bool> at_once_{false};
  std::atomic<std::chrono::milliseconds> patience_{kForEver};
  std::mutex mutex_;
  std::condition_variable_any reload_asked_;
  bool reload_ = false;
  std::stop_source stop_;
  std::thread waiter_;
};

}  // namespace querymark::cli
