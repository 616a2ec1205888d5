#include "socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "querymark/support/error.hpp"

namespace querymark::net {
namespace {

// Rounded up, so that a wait never ends before its deadline.
int milliseconds_until(Deadline deadline) {
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, 86'400'000));
}

void set_option(int fd, int level, int option) {
  const int on = 1;
  static_cast<void>(::setsockopt(fd, level, option, &on, sizeof(on)));  // works without, too
}

}  // namespace

Socket::Socket(const Address& address, std::string where, Deadline deadline)
    : where_(std::move(where)),
      fd_(::socket(address.bytes.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
  try {
    if (fd_ < 0) fail(errno);
    if (address.bytes.ss_family != AF_UNIX) {
      set_option(fd_, IPPROTO_TCP, TCP_NODELAY);
      set_option(fd_, SOL_SOCKET, SO_KEEPALIVE);
    }
    connect(address, deadline);
    const int flags = ::fcntl(fd_, F_GETFL);
    if (flags < 0 || ::fcntl(fd_, F_SETFL, flags & ~O_NONBLOCK) < 0) fail(errno);
  } catch (...) {  // no destructor runs; goes on
    if (fd_ >= 0) ::close(fd_);
    throw;
  }
}

Socket::~Socket() { ::close(fd_); }

void Socket::connect(const Address& address, Deadline deadline) const {
  if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address.bytes), address.size) == 0) return;
  if (errno != EINPROGRESS && errno != EINTR) fail(errno);
  await(POLLOUT, deadline);
  int error = 0;
  socklen_t size = sizeof(error);
  if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0) fail(errno);
  if (error != 0) fail(error);
}

void Socket::fail(int error) const {
  throw Error(where_ + ": " + std::generic_category().message(error),
              {.retryable = true,
               .connection_lost = true,
               .native_code = "errno " + std::to_string(error)});
}

void Socket::fail_late() const {
  throw Error(where_ + ": no answer in time", {.retryable = true, .connection_lost = true});
}

void Socket::await(short events, Deadline deadline) const {
  pollfd what{.fd = fd_, .events = events, .revents = 0};
  for (;;) {
    const int ready = ::poll(&what, 1, milliseconds_until(deadline));
    if (ready > 0) return;  // whatever it is, the next call tells
    if (ready == 0) fail_late();
    if (errno != EINTR) fail(errno);
  }
}

std::optional<std::size_t> Socket::first_to_speak(std::span<const Socket* const> sockets,
                                                  Deadline deadline) {
  std::vector<pollfd> all;
  for (const Socket* socket : sockets)
    all.push_back({.fd = socket->fd_, .events = POLLIN, .revents = 0});
  for (;;) {
    const int ready = ::poll(all.data(), all.size(), milliseconds_until(deadline));
    if (ready == 0) return std::nullopt;
    if (ready < 0 && errno != EINTR) sockets.front()->fail(errno);
    if (ready < 0) continue;
    const auto spoken =
        std::ranges::find_if(all, [](const pollfd& one) { return one.revents != 0; });
    return static_cast<std::size_t>(spoken - all.begin());
  }
}

void Socket::send(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0)
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    else if (errno == EAGAIN || errno == EWOULDBLOCK)
      await(POLLOUT, deadline);
    else if (errno != EINTR)
      fail(errno);
  }
}

// One call where there is nothing yet, as nearly always: recv() waits itself. Its limit is an option
// of the socket, and in milliseconds the same for each call that begins with the whole of its time.
std::size_t Socket::receive(char* into, std::size_t room, Deadline deadline) {
  for (;;) {
    limit_receive(milliseconds_until(deadline));
    const ssize_t got = ::recv(fd_, into, room, 0);
    if (got > 0) return static_cast<std::size_t>(got);
    if (got == 0)
      throw Error(where_ + ": the server has closed the connection",
                  {.retryable = true, .connection_lost = true});
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) fail(errno);
  }
}

void Socket::limit_receive(int milliseconds) {
  if (milliseconds == 0) fail_late();
  if (milliseconds == receive_limit_) return;
  const timeval limit{.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000L};
  if (::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0) fail(errno);
  receive_limit_ = milliseconds;
}

bool Socket::readable(int wake, Deadline deadline) {
  std::array<pollfd, 2> what{pollfd{.fd = fd_, .events = POLLIN, .revents = 0},
                             pollfd{.fd = wake, .events = POLLIN, .revents = 0}};
  for (;;) {
    const int ready = ::poll(what.data(), what.size(), milliseconds_until(deadline));
    if (ready >= 0) return what[0].revents != 0;
    if (errno != EINTR) fail(errno);
  }
}

bool Socket::quiet() noexcept {
  char byte = 0;
  return ::recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
         (errno == EAGAIN || errno == EWOULDBLOCK);
}

std::unique_ptr<Socket> connected(Resolver& resolver, const std::string& where, Deadline deadline) {
  const std::vector<Address> addresses = resolver.look_up(deadline);
  for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
    // One that nobody answers at leaves time for the others.
    const auto now = std::chrono::steady_clock::now();
    const auto share = (deadline - now) / static_cast<int>(addresses.size() - i);
    try {
      return std::make_unique<Socket>(addresses[i], where, now + share);
    } catch (const Error&) {  // the last one's failure is told
    }
  }
  return std::make_unique<Socket>(addresses.back(), where, deadline);
}

std::unique_ptr<Socket> connected(const std::string& path, const std::string& where,
                                  Deadline deadline) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  Address made;
  std::memcpy(&made.bytes, &address, sizeof(address));
  made.size = sizeof(address);
  return std::make_unique<Socket>(made, where, deadline);
}

}  // namespace querymark::net
