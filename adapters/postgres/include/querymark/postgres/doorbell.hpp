#pragma once  // For users.

#include <chrono>
#include <memory>
#include <string>

#include "querymark/log/doorbell.hpp"

namespace querymark::postgres {

struct DoorbellOptions {
  std::chrono::milliseconds statement_timeout{5000};  ///< Client-side.
  std::chrono::milliseconds connect_timeout{5000};
  std::chrono::milliseconds reconnect_interval{1000};  ///< Shortest time between two attempts.
  /// A silence after which the server is asked whether it is still there: what only listens would
  /// not notice that a firewall or a failover has left it with half a connection.
  std::chrono::milliseconds probe_interval{30'000};
};

/// Rings when another process has rung for the namespace: LISTEN and NOTIFY on a connection of its
/// own, which a thread of its own makes, and makes again after a loss. A wait returns after
/// each (re)connection, so that whoever waits reads what was committed meanwhile; it never waits
/// for the connection itself.
///
/// Thread-safe for one waiter and any number of ringers and interrupters. A hint: while it has no
/// connection, or where a pooling proxy makes LISTEN impossible (`problem()` says so), waits last
/// until their timeout.
class NotifyDoorbell final : public Doorbell {
 public:
  /// `url` leads to the server itself, not to a pooling proxy. The first wait starts the thread
  /// that connects; throws ConfigError for a URL that can't be read.
  NotifyDoorbell(std::string url, std::string namespace_name, DoorbellOptions options = {});
  /// Joins the thread: blocks while that connects, at most for the connect timeout.
  ~NotifyDoorbell() override;

  void wait(std::chrono::nanoseconds timeout) override;
  [[nodiscard]] bool report_asked() override;
  void interrupt() override;
  /// Tells all other processes, soon: the waiting thread sends one NOTIFY for all rings since the
  /// last one, outside any transaction of the caller. Never blocks.
  void ring() noexcept;

  /// Why it does not listen at the moment; empty when it does.
  [[nodiscard]] std::string problem() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace querymark::postgres
