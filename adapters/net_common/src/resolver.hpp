#pragma once

#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace querymark::net {

struct Address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

/// Looks up a host's addresses, by a deadline, which the system's own function does not know: it is
/// left to a thread that may outlive everybody else. Thread-safe.
class Resolver {
 public:
  Resolver(std::string host, std::string port);
  /// Throws Error when the name is unknown, or nobody answers in time.
  [[nodiscard]] std::vector<Address> look_up(std::chrono::steady_clock::time_point deadline);

 private:
  struct Lookup;
  std::string host_;
  std::string port_;
  bool numeric_;
  std::shared_ptr<Lookup> lookup_;  // callers of one moment share it, and their thread
};

}  // namespace querymark::net
