#include "bell.hpp"

#include <poll.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>
#include <system_error>

#include "querymark/support/error.hpp"

namespace querymark::postgres {

Bell::Bell() : sockets_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (sockets_.get() < 0)
    throw Error("epoll_create1 failed: " + std::generic_category().message(errno));
}

void Bell::ring() noexcept {
  // Whoever finds the flag set knows that the event is, too.
  if (!to_ring_.exchange(true)) wake_.set();
}

void Bell::interrupt() noexcept {
  interrupted_.store(true);
  wake_.set();
}

void Bell::wake() noexcept {
  if (!rung_.exchange(true)) wake_.set();
}

void Bell::ask_report() noexcept {
  report_.store(true);
  wake();
}

std::string Bell::problem() const {
  const MutexLock lock(mutex_);
  return problem_;
}

void Bell::set_problem(std::string_view problem) noexcept {
  const MutexLock lock(mutex_);
  try {
    problem_ = problem;
  } catch (const std::bad_alloc&) {
    problem_ = "?";  // some, in any case; fits without an allocation
  }
}

void Bell::watch(int socket) noexcept {
  epoll_event event{.events = EPOLLIN, .data = {.fd = socket}};
  // Where the system has no room for it, polls find what is rung for.
  static_cast<void>(::epoll_ctl(sockets_.get(), EPOLL_CTL_ADD, socket, &event));
}

void Bell::leave(int socket) noexcept {
  epoll_event event{};
  static_cast<void>(::epoll_ctl(sockets_.get(), EPOLL_CTL_DEL, socket, &event));
}

bool Bell::sleep(std::chrono::nanoseconds timeout) noexcept {
  std::array<pollfd, 2> fds{{{wake_.fd(), POLLIN, 0}, {sockets_.get(), POLLIN, 0}}};
  const auto left = std::max(timeout, std::chrono::nanoseconds(0));
  const timespec limit{.tv_sec = left.count() / 1'000'000'000,
                       .tv_nsec = left.count() % 1'000'000'000};
  if (::ppoll(fds.data(), fds.size(), &limit, nullptr) <= 0) return false;
  wake_.take();
  return fds[1].revents != 0;
}

}  // namespace querymark::postgres
