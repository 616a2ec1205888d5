#pragma once

#include <chrono>
#include <nlohmann/json.hpp>

namespace catalogue {

/// The other instance: messages over a socket that keeps their boundaries.
///
/// Not thread-safe. Does not own the descriptor.
class Peer {
 public:
  explicit Peer(int fd) : fd_(fd) {}

  /// Throws std::runtime_error when the other side has gone.
  void send(const nlohmann::json& message);
  /// The next message. Blocks; throws std::runtime_error when the other side has gone or says
  /// nothing for `patience`.
  [[nodiscard]] nlohmann::json receive(
      std::chrono::milliseconds patience = std::chrono::seconds(30));

 private:
  int fd_;
};

}  // namespace catalogue
