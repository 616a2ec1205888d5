#pragma once

#include <functional>
#include <memory>
#include <string>

#include "connection.hpp"
#include "querymark/log/doorbell.hpp"
#include "querymark/support/wake_event.hpp"

namespace querymark::redis {

/// Rings when something is added to a stream, which holds one entry that says nothing. Has a
/// connection of its own, on which a command waits. One thread waits; any may interrupt.
class FeedBell final : public Doorbell {
 public:
  using Open = std::function<std::unique_ptr<Connection>(Deadline)>;

  /// `timeout` is for connecting, and for answers beyond the time that the server was told to wait.
  FeedBell(Open open, std::string key, std::string where, std::chrono::milliseconds timeout);

  /// Throws Error when the server can't be reached; the next call tries again.
  void wait(std::chrono::nanoseconds timeout) override;
  void interrupt() override { wake_.set(); }

 private:
  void ask();
  bool answered();

  const Open open_;
  const std::string key_;
  const std::string where_;
  const std::chrono::milliseconds timeout_;
  WakeEvent wake_;
  std::unique_ptr<Connection> connection_;
  Deadline answer_due_;     // of the command that waits on it
  std::string last_ = "$";  // the entry that rang last
};

}  // namespace querymark::redis
