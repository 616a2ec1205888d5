#include "output.hpp"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>

namespace querymark::cli {
namespace {

std::atomic<bool> broken{false};
std::atomic<bool> stuck{false};  // standard error's reader

// Pieces of PIPE_BUF bytes do not block on a pipe that poll() calls writable.
bool write_all(int descriptor, std::string_view text, int patience_ms) noexcept {
  while (!text.empty()) {
    pollfd ready{descriptor, POLLOUT, 0};
    const int answers = ::poll(&ready, 1, patience_ms);
    if (answers < 0 && errno == EINTR) continue;
    if (answers <= 0) return false;
    const ssize_t written =
        ::write(descriptor, text.data(), std::min<std::size_t>(text.size(), PIPE_BUF));
    if (written < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

void secure_output() noexcept {
  std::signal(SIGPIPE, SIG_IGN);
  for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; ++descriptor)
    if (::fcntl(descriptor, F_GETFD) < 0)  // open() returns the lowest that is free: this one
      static_cast<void>(::open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY));
}

void say(std::string_view text) noexcept {
  if (!write_all(STDOUT_FILENO, text, -1)) broken = true;
}

void complain(std::string_view text) noexcept {
  const bool written = write_all(STDERR_FILENO, text, stuck ? 0 : 1000);
  stuck = !written;
  if (!written) broken = true;
}

bool output_failed() noexcept { return broken; }

bool output_failed_or_abandoned() noexcept {
  pollfd reader{STDOUT_FILENO, 0, 0};
  if (::poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) broken = true;
  return broken;
}

}  // namespace querymark::cli
