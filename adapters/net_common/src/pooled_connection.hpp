#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "byte_channel.hpp"

namespace querymark::net {

/// What connections of a pool have in common: whether they may be used once more. For one thread at a
/// time.
class PooledConnection {
 public:
  explicit PooledConnection(std::unique_ptr<Channel> channel) : channel_(std::move(channel)) {}

  /// To wait for several at once; null over anything else than a socket.
  [[nodiscard]] const Socket* socket() const noexcept { return channel_->socket(); }
  /// Marks it as one that nobody may use any more: what it will answer is not known.
  void spoil() noexcept { spoiled_ = true; }
  /// Sends what will be answered.
  void send(std::string_view commands, Deadline deadline) {
    used_ = true;
    channel_->send(commands, deadline);
  }

 protected:
  [[nodiscard]] Channel& channel() const noexcept { return *channel_; }
  /// Whether it may be lent or kept. Looks for a server that has closed it, or said what nobody asked
  /// for, unless it has just answered. `all_read`: what was received has been asked for.
  [[nodiscard]] bool usable_if(bool all_read) noexcept {
    const bool just_used = std::exchange(used_, false);
    return !spoiled_ && all_read && (just_used || channel_->quiet());
  }

 private:
  std::unique_ptr<Channel> channel_;
  bool spoiled_ = false;
  bool used_ = false;  // since it was last asked for
};

}  // namespace querymark::net
