#include "peer.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <stdexcept>
#include <string>

namespace catalogue {

void Peer::send(const nlohmann::json& message) {
  const std::string text = message.dump();
  if (::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(text.size()))
    throw std::runtime_error("the other instance has gone");
}

nlohmann::json Peer::receive(std::chrono::milliseconds patience) {
  pollfd watch{fd_, POLLIN, 0};
  if (poll(&watch, 1, static_cast<int>(patience.count())) <= 0)
    throw std::runtime_error("the other instance says nothing");
  std::array<char, 16384> buffer{};
  const ssize_t length = recv(fd_, buffer.data(), buffer.size(), 0);
  if (length <= 0) throw std::runtime_error("the other instance has gone");
  return nlohmann::json::parse(buffer.begin(), buffer.begin() + length);
}

}  // namespace catalogue
