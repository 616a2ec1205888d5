#pragma once

#include <memory>
#include <string>
#include <utility>

#include "channel.hpp"
#include "protocol.hpp"
#include "querymark/support/error.hpp"

namespace querymark::redis {

/// A connection that has said who it is and which database it means. For one thread at a time.
class Connection {
 public:
  /// Throws Error; ConfigError when the server refuses user, password or database.
  Connection(const Endpoint& endpoint, Resolver& resolver, const TlsContext* tls,
             std::size_t max_reply_bytes, Deadline deadline);

  /// Sends commands, whose replies `next` returns one by one, in their order.
  void send(std::string_view commands, Deadline deadline) {
    used_ = true;
    channel_->send(commands, deadline);
  }
  [[nodiscard]] Reply next(Deadline deadline) { return replies_.next(deadline); }

  /// To wait for several at once.
  [[nodiscard]] const net::Socket* socket() const noexcept { return channel_->socket(); }
  /// See Channel::readable.
  [[nodiscard]] bool readable(int wake, Deadline deadline) {
    return !replies_.empty() || channel_->readable(wake, deadline);
  }

  /// Marks it as one that nobody may use any more: what it will answer is not known.
  void spoil() noexcept { spoiled_ = true; }
  /// Whether it may be lent or kept. Looks for a server that has closed it, or said what nobody asked
  /// for, unless it has just answered.
  [[nodiscard]] bool usable() noexcept {
    const bool just_used = std::exchange(used_, false);
    return !spoiled_ && replies_.empty() && (just_used || channel_->quiet());
  }

 private:
  void introduce(const Endpoint& endpoint, Deadline deadline);

  std::unique_ptr<Channel> channel_;
  ReplyReader replies_;
  bool spoiled_ = false;
  bool used_ = false;  // since it was last asked for
};

/// The Error for a server's refusal of a command.
[[nodiscard]] Error refusal(const std::string& where, const Reply& reply);
/// The first word of what an error says, by which Redis tells errors apart: "WRONGTYPE".
[[nodiscard]] std::string_view code_of(const Reply& reply) noexcept;

}  // namespace querymark::redis
