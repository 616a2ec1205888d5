#include "interrupts.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace catalogue {

Interrupts::Interrupts() {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&ends, signal);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signals_ = Descriptor(signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK));
  if (signals_.get() < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
  signal(SIGPIPE, SIG_IGN);  // a reader of our output that goes is no reason to leave files behind
}

bool Interrupts::pending() {
  pollfd watch{signals_.get(), POLLIN, 0};  // left unread: pending for good
  return poll(&watch, 1, 0) > 0;
}

void Interrupts::check() {
  if (pending()) throw Interrupted();
}

}  // namespace catalogue
