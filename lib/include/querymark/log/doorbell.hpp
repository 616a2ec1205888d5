#pragma once

#include <chrono>

// For writers of ports: whatever a database offers to wake those who follow its log.

namespace querymark {

/// Tells a consumer that the log may have grown. A hint: it may be lost, early or spurious.
class Doorbell {
 public:
  virtual ~Doorbell() = default;
  /// Returns when something may have been committed, after `timeout`, or after `interrupt()`.
  virtual void wait(std::chrono::nanoseconds timeout) = 0;
  /// Whether somebody has asked the subscribers to report since the last call; for whoever waits.
  [[nodiscard]] virtual bool report_asked() { return false; }
  /// Ends the current or the next wait. Thread-safe.
  virtual void interrupt() = 0;
};

}  // namespace querymark
