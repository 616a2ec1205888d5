#pragma once

#include <string>
#include <utility>

#include "channel.hpp"

namespace querymark::redis {

/// A connected socket: the channel of redis:// and unix:, and what TLS goes over.
class Socket final : public Channel {
 public:
  /// Connects; `where` is for messages.
  Socket(const Address& address, std::string where, Deadline deadline);
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() override;

  void send(std::string_view bytes, Deadline deadline) override;
  std::size_t receive(char* into, std::size_t room, Deadline deadline) override;
  [[nodiscard]] bool quiet() noexcept override;

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

}  // namespace querymark::redis
