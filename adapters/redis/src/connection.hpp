#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "channel.hpp"
#include "pooled_connection.hpp"
#include "protocol.hpp"
#include "querymark/support/error.hpp"

namespace querymark::redis {

/// A connection that has said who it is and which database it means. For one thread at a time.
class Connection : public net::PooledConnection {
 public:
  /// Throws Error; ConfigError when the server refuses user, password or database.
  Connection(const Endpoint& endpoint, Resolver& resolver, const TlsContext* tls,
             std::size_t max_reply_bytes, Deadline deadline);

  /// The replies to the commands that were sent, one by one, in their order.
  [[nodiscard]] Reply next(Deadline deadline) { return replies_.next(deadline); }

  /// See Channel::readable.
  [[nodiscard]] bool readable(int wake, Deadline deadline) {
    return !replies_.empty() || channel().readable(wake, deadline);
  }
  [[nodiscard]] bool usable() noexcept { return usable_if(replies_.empty()); }

 private:
  void introduce(const Endpoint& endpoint, Deadline deadline);

  ReplyReader replies_;
};

/// The Error for a server's refusal of a command.
[[nodiscard]] Error refusal(const std::string& where, const Reply& reply);
/// The first word of what an error says, by which Redis tells errors apart: "WRONGTYPE".
[[nodiscard]] std::string_view code_of(const Reply& reply) noexcept;

}  // namespace querymark::redis
