#include "querymark/support/wake_event.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "querymark/support/error.hpp"

namespace querymark {

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

WakeEvent::WakeEvent() : event_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (event_.get() < 0) throw Error("eventfd failed: " + std::generic_category().message(errno));
}

void WakeEvent::set() noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the waiter is woken anyway.
  if (::write(event_.get(), &one, sizeof(one)) < 0) return;
}

bool WakeEvent::take() noexcept {
  std::uint64_t count = 0;
  return ::read(event_.get(), &count, sizeof(count)) == sizeof(count);
}

}  // namespace querymark
