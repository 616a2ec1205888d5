#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "byte_channel.hpp"
#include "resolver.hpp"

namespace querymark::net {

/// A connected socket.
class Socket final : public Channel {
 public:
  /// Connects; `where` is for messages.
  Socket(const Address& address, std::string where, Deadline deadline);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() override;

  void send(std::string_view bytes, Deadline deadline) override;
  std::size_t receive(char* into, std::size_t room, Deadline deadline) override;
  [[nodiscard]] bool readable(int wake, Deadline deadline) override;
  [[nodiscard]] bool quiet() noexcept override;
  [[nodiscard]] const Socket* socket() const noexcept override { return this; }

  /// Blocks until one of them has something to say, or is gone; which. Nothing: the deadline passed
  /// first.
  [[nodiscard]] static std::optional<std::size_t> first_to_speak(
      std::span<const Socket* const> sockets, Deadline deadline);

 private:
  void await(short events, Deadline deadline) const;
  void connect(const Address& address, Deadline deadline) const;
  [[noreturn]] void fail(int error) const;
  [[noreturn]] void fail_late() const;
  void limit_receive(int milliseconds);

  std::string where_;
  int fd_ = -1;
  int receive_limit_ = 0;  // milliseconds; 0: none yet
};

/// Connects to one of the host's addresses, one after the other, each of which gets its share of the
/// time. Throws Error.
[[nodiscard]] std::unique_ptr<Socket> connected(Resolver& resolver, const std::string& where,
                                                Deadline deadline);
/// Connects to a unix socket. Throws Error.
[[nodiscard]] std::unique_ptr<Socket> connected(const std::string& path, const std::string& where,
                                                Deadline deadline);

}  // namespace querymark::net
