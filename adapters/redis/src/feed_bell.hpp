#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "connection.hpp"
#include "querymark/log/doorbell.hpp"
#include "querymark/support/wake_event.hpp"
#include "topology.hpp"

namespace querymark::redis {

/// Rings when something is added to a stream, which holds one entry that says nothing. Has a
/// connection of its own, on which a command waits, to whichever server has the stream. One thread
/// waits; any may interrupt.
class FeedBell final : public Doorbell {
 public:
  /// `timeout` is for finding the server, and for answers beyond the time that it was told to wait.
  FeedBell(std::shared_ptr<Topology> topology, std::string key, std::string where,
           std::chrono::milliseconds timeout);

  /// Throws Error when the server can't be reached; the next call tries again.
  void wait(std::chrono::nanoseconds timeout) override;
  void interrupt() override { wake_.set(); }

 private:
  void ask();
  void connect();
  bool answered();
  void follow(const Redirect& to);

  const std::shared_ptr<Topology> topology_;
  const std::string key_;
  const std::string where_;
  const std::chrono::milliseconds timeout_;
  WakeEvent wake_;
  std::shared_ptr<Node> node_{};  // null: to be looked for
  bool asking_ = false;           // what it is asked comes behind ASKING
  int redirected_ = 0;            // since the last answer
  std::unique_ptr<Connection> connection_{};
  Deadline answer_due_;     // of the command that waits on it
  std::string last_ = "$";  // the entry that rang last
};

}  // namespace querymark::redis
