#pragma once

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <string>

namespace catalogue {

/// One line on standard error that says how far things are: rewritten in place on a terminal, and
/// elsewhere printed only when a step ends.
class Progress {
 public:
  void update(const std::string& text) {
    using namespace std::chrono;
    if (!terminal_ || steady_clock::now() - shown_ < milliseconds(50)) return;
    shown_ = steady_clock::now();
    fmt::print(stderr, "\r\x1b[K  {}", text);
    std::fflush(stderr);
  }
  void done(const std::string& text) {
    fmt::print(stderr, "{}  {}\n", terminal_ ? "\r\x1b[K" : "", text);
  }

 private:
  bool terminal_ = isatty(STDERR_FILENO) != 0;
  std::chrono::steady_clock::time_point shown_{};
};

}  // namespace catalogue
