#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "backends/backend.hpp"
#include "querymark/support/mutex.hpp"

namespace querymark::cli {

/// Looks every few seconds at how far a target is, on a thread of its own, so that whoever asks is
/// answered at once, also while the database hangs. Thread-safe.
class LogWatch {
 public:
  /// What it has seen.
  struct Seen {
    std::string target{};  ///< The target's name; another one lies there once it was replaced.
    /// The last report; nothing: there was none yet, or the log does not know the target.
    std::optional<ConsumerReport> report{};
    /// Of the last look that went well; nothing: none has.
    std::optional<MonotonicTime> at{};
    std::string error{};  ///< Of the look after that; empty: it went well, or goes on.

    /// The log has answered the last look, and that was of late: no other hangs.
    [[nodiscard]] bool answers() const;
  };

  /// Log and target must outlive it. Begins at once.
  LogWatch(const LogEndpoint& log, std::string namespace_name, const Applier& target);
  LogWatch(const LogWatch&) = delete;
  LogWatch& operator=(const LogWatch&) = delete;
  /// Waits for a look that goes on: as long as a statement may take.
  ~LogWatch() = default;

  void request_stop() { thread_.request_stop(); }
  [[nodiscard]] Seen seen() const;

 private:
  void look();

  const LogEndpoint& log_;
  const std::string namespace_name_;
  const Applier& target_;
  mutable Mutex mutex_;  // innermost
  Seen seen_ QUERYMARK_GUARDED_BY(mutex_);
  std::jthread thread_;  // last: it uses the others
};

}  // namespace querymark::cli
