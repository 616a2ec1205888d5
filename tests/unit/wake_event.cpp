#include "querymark/support/wake_event.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <future>
#include <optional>

namespace {

using namespace querymark;

// What poll(2) says at once, or within the milliseconds given.
bool readable(const WakeEvent& event, int wait_ms = 0) {
  pollfd fd{event.fd(), POLLIN, 0};
  return ::poll(&fd, 1, wait_ms) == 1 && (fd.revents & POLLIN) != 0;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

}  // namespace

TEST_CASE("wake event: it is readable from a set until it is taken", "[wake_event]") {
  WakeEvent event;
  CHECK_FALSE(readable(event));
  CHECK_FALSE(event.take());
  event.set();
  CHECK(readable(event));
  CHECK(event.take());
  CHECK_FALSE(readable(event));
  CHECK_FALSE(event.take());
}

TEST_CASE("wake event: many sets are one wake", "[wake_event]") {
  WakeEvent event;
  for (int i = 0; i < 1000; ++i) event.set();
  CHECK(event.take());
  CHECK_FALSE(event.take());
}

TEST_CASE("wake event: it wakes a thread that sleeps in poll", "[wake_event]") {
  WakeEvent event;
  auto sleeper = std::async(std::launch::async, [&] { return readable(event, 60'000); });
  event.set();
  CHECK(sleeper.get());
}

TEST_CASE("wake event: descriptors are closed with their owners and not inherited",
          "[wake_event]") {
  int fd = -1;
  {
    const WakeEvent event;
    fd = event.fd();
    REQUIRE(is_open(fd));
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK_FALSE(is_open(fd));
  {
    const Descriptor nothing;
    CHECK(nothing.get() == -1);
  }
  const int copy = ::dup(STDERR_FILENO);
  {
    const Descriptor owner(copy);
  }
  CHECK_FALSE(is_open(copy));
}
