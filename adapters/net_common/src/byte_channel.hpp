#pragma once

#include <chrono>
#include <cstddef>
#include <string_view>

namespace querymark::net {

using Deadline = std::chrono::steady_clock::time_point;

class Socket;

/// A connection's bytes, both ways. For one thread at a time. Throws Error, with `connection_lost`,
/// when the other side is gone or the deadline passes first: then the channel is of no use any more.
class Channel {
 public:
  virtual ~Channel() = default;
  /// Blocks until all is on its way.
  virtual void send(std::string_view bytes, Deadline deadline) = 0;
  /// Blocks until there is something; returns how many bytes, at least one.
  virtual std::size_t receive(char* into, std::size_t room, Deadline deadline) = 0;
  /// Waits until there may be something to receive: false when `deadline` passes first, or `wake`, a
  /// descriptor, becomes readable. The channel is as good as before.
  [[nodiscard]] virtual bool readable(int wake, Deadline deadline) = 0;
  /// Whether the other side is there, and has said nothing that nobody has asked for.
  [[nodiscard]] virtual bool quiet() noexcept = 0;
  /// What it goes over, to wait for several at once; null: no socket.
  [[nodiscard]] virtual const Socket* socket() const noexcept { return nullptr; }
};

}  // namespace querymark::net
