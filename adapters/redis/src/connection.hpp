#pragma once

#include <chrono>
#include <memory>
#include <string>

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
  void send(std::string_view commands, Deadline deadline) { channel_->send(commands, deadline); }
  [[nodiscard]] Reply next(Deadline deadline) { return replies_.next(deadline); }

  /// Marks it as one that nobody may use any more: what it will answer is not known.
  void spoil() noexcept { spoiled_ = true; }
  /// Whether it may be lent or kept. Looks for a server that has closed it, or said what nobody asked
  /// for, ten times a second at most: what happens between two looks fails a call, which a look
  /// before each would make a quarter slower.
  [[nodiscard]] bool usable() noexcept {
    if (spoiled_ || !replies_.empty()) return false;
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_ < kBetweenLooks) return true;
    looked_ = now;
    return channel_->quiet();
  }

 private:
  static constexpr std::chrono::milliseconds kBetweenLooks{100};

  void introduce(const Endpoint& endpoint, Deadline deadline);

  std::unique_ptr<Channel> channel_;
  ReplyReader replies_;
  bool spoiled_ = false;
  std::chrono::steady_clock::time_point looked_{};
};

/// The Error for a server's refusal of a command.
[[nodiscard]] Error refusal(const std::string& where, const Reply& reply);
/// The first word of what an error says, by which Redis tells errors apart: "WRONGTYPE".
[[nodiscard]] std::string_view code_of(const Reply& reply) noexcept;

}  // namespace querymark::redis
