#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "querymark/log/doorbell.hpp"
#include "querymark/postgres/log.hpp"

namespace querymark::postgres {

struct DoorbellOptions {
  /// A silence after which the server is asked whether it is still there: what only listens would
  /// not notice that a firewall or a failover has left it with half a connection.
  std::chrono::milliseconds probe_interval{30'000};
};

/// Rings when another process has rung for the namespace: LISTEN and NOTIFY, on the log's own
/// connection. That is made, and made again after a loss, by whoever asks the log; a wait returns
/// when it listens, and when it is lost, so that whoever waits reads the log then.
///
/// Thread-safe for one waiter and any number of ringers and interrupters; one doorbell a log. A
/// hint: while there is no connection, or where it can't listen (`problem()` says so), waits last
/// until their timeout.
class NotifyDoorbell final : public Doorbell {
 public:
  /// The first wait makes the log's connection listen, as each later one.
  explicit NotifyDoorbell(const Log& log, DoorbellOptions options = {});
  ~NotifyDoorbell() override;

  /// Waits neither for those who use the log's connection nor for the server, except that the first
  /// one may block for the log's statement timeout.
  void wait(std::chrono::nanoseconds timeout) override;
  [[nodiscard]] bool report_asked() override;
  void interrupt() override;
  /// Tells all other processes, soon: the waiting thread, or whoever uses the log's connection at
  /// the moment, sends one NOTIFY for all rings since the last one, outside any transaction of the
  /// caller. Never blocks.
  void ring() noexcept;

  /// Why it does not listen at the moment; empty when it does.
  [[nodiscard]] std::string problem() const;

 private:
  std::shared_ptr<LogConnection> log_;
  DoorbellOptions options_;
  std::chrono::steady_clock::time_point attended_;  // the waiter's: when it last had the connection
};

}  // namespace querymark::postgres
