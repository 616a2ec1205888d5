#include "support/tcp_gate.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>

// One thread accepts, one relays per connection, both directions by poll(2). Sockets are shut down
// by others and closed only by their relay's owner, so a number is never reused under somebody's
// hands.

namespace querymark::test {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool send_all(int socket, const std::string& bytes) {
  for (std::size_t at = 0; at < bytes.size();) {
    const ssize_t sent = ::send(socket, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    at += static_cast<std::size_t>(sent);
  }
  return true;
}

}  // namespace

TcpGate::TcpGate(int server_port)
    : server_port_(server_port), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof(address);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("the gate can't listen");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

TcpGate::~TcpGate() {
  stopping_.store(true);
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  cut_all();
  release();
  for (std::thread& relay : relays_) relay.join();
  for (const int socket : sockets_) ::close(socket);
  ::close(listener_);
}

void TcpGate::set_rule(Rule rule) {
  const std::lock_guard lock(mutex_);
  rule_ = std::move(rule);
}

void TcpGate::cut_all() {
  const std::lock_guard lock(mutex_);
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
}

void TcpGate::hold() {
  std::unique_lock lock(mutex_);
  const std::uint64_t before = releases_;
  ++held_;
  changed_.notify_all();
  changed_.wait(lock, [&] { return releases_ != before || stopping_.load(); });
  --held_;
}

void TcpGate::await_held() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, std::chrono::seconds(20), [this] { return held_ > 0; }))
    throw std::runtime_error("nothing that is to be held came through the gate");
}

void TcpGate::release() {
  const std::lock_guard lock(mutex_);
  ++releases_;
  changed_.notify_all();
}

void TcpGate::accept_loop() {
  while (!stopping_.load()) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in address = loopback(server_port_.load());
    const std::lock_guard lock(mutex_);
    sockets_.push_back(client);
    sockets_.push_back(server);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
      ::shutdown(client, SHUT_RDWR);
      continue;
    }
    relays_.emplace_back([this, client, server] { relay(client, server); });
  }
}

TcpGate::Verdict TcpGate::judge(bool to_server, const std::string& chunk) {
  const std::lock_guard lock(mutex_);
  return rule_ ? rule_(to_server, chunk) : Verdict::pass;
}

void TcpGate::relay(int client, int server) {
  std::array<pollfd, 2> fds{{{client, POLLIN, 0}, {server, POLLIN, 0}}};
  std::array<char, 65536> buffer;
  for (bool open = true; open;) {
    if (::poll(fds.data(), fds.size(), -1) < 0) break;
    for (const bool to_server : {true, false}) {
      const pollfd& from = fds[to_server ? 0 : 1];
      if (from.revents == 0) continue;
      const ssize_t size = ::recv(from.fd, buffer.data(), buffer.size(), 0);
      if (size <= 0) {
        open = false;
        break;
      }
      std::string chunk(buffer.data(), static_cast<std::size_t>(size));
      const Verdict verdict = judge(to_server, chunk);
      if (verdict == Verdict::drop) continue;
      if (verdict == Verdict::hold) hold();
      if (verdict == Verdict::truncate) chunk.resize(chunk.size() / 2);
      if (verdict == Verdict::cut || !send_all(fds[to_server ? 1 : 0].fd, chunk) ||
          verdict == Verdict::truncate)
        open = false;
    }
  }
  ::shutdown(client, SHUT_RDWR);
  ::shutdown(server, SHUT_RDWR);
}

}  // namespace querymark::test
