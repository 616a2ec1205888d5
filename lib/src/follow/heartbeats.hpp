#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <optional>

#include "querymark/log/log_reader.hpp"
#include "querymark/log/subscribers.hpp"
#include "querymark/support/clock.hpp"

namespace querymark {

/// A subscriber's own row, kept alive by heartbeats that travel with its looks at the log.
///
/// States: out -> entered (committed, before the snapshot that is trusted) -> beating -> out: a
/// heartbeat that finds no row, or another history. Who is out trusts nothing until it has entered
/// and looked at the log again, since nobody waits for it.
///
/// Not thread-safe, but for `live()`.
class Heartbeats {
 public:
  /// Without `port` nobody is told: there is no lease to keep.
  Heartbeats(Subscribers* port, std::chrono::nanoseconds max_lag);

  /// How long this process trusts itself without an acknowledged heartbeat: less than its lease, by
  /// a margin for clocks that run at different rates.
  [[nodiscard]] std::chrono::nanoseconds patience() const noexcept;

  /// Enters, anew if need be. Throws what the port throws.
  void enter(MonotonicTime now);
  [[nodiscard]] bool entered() const noexcept { return port_ == nullptr || entered_; }
  /// The heartbeat for a look that begins now, if one is due.
  [[nodiscard]] std::optional<Heartbeat> due(MonotonicTime now) noexcept;
  /// What came of one that was sent at `began`.
  void take(const Beaten& beaten, MonotonicTime began) noexcept;
  /// One at once, with the cursor of now. Throws what the port throws.
  void beat(const Cursor& cursor, MonotonicTime now);
  /// The history has changed: what was said in the old one counts for nothing.
  void forget() noexcept { entered_ = false; }
  /// Throws what the port throws.
  void leave();

  /// Until when others wait for this process.
  [[nodiscard]] MonotonicTime trusted_until() const noexcept;
  /// How many subscribers the database had when it was last told; at least one. Thread-safe.
  [[nodiscard]] std::size_t live() const noexcept { return live_.load(std::memory_order_relaxed); }

 private:
  Subscribers* port_;
  SubscriberEntry self_;
  bool entered_ = false;
  MonotonicTime acknowledged_;  // when the last acknowledged heartbeat began
  MonotonicTime next_;
  unsigned beats_ = 0;
  std::atomic<std::size_t> live_{1};
};

}  // namespace querymark
