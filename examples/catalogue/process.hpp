#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace catalogue {

/// A file descriptor with an owner. Move-only.
class Descriptor {
 public:
  explicit Descriptor(int fd = -1) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Descriptor() { close(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  /// Gives the descriptor away.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void close() noexcept;

 private:
  int fd_;
};

/// Both ends of a pipe: read from `first`. Closed on exec. Throws std::system_error.
[[nodiscard]] std::pair<Descriptor, Descriptor> make_pipe();
/// Two connected sockets that keep message boundaries. Closed on exec. Throws std::system_error.
[[nodiscard]] std::pair<Descriptor, Descriptor> make_socket_pair();

/// A child process, known by its own id. It ends with its parent, however that ends.
///
/// Move-only, not thread-safe. To be started and destroyed by one thread: the kernel takes the end
/// of the thread that forked for the parent's end.
class Process {
 public:
  /// What the child gets as standard input, output and error; -1: the parent's own.
  struct Streams {
    int in = -1, out = -1, err = -1;
  };

  /// Runs `arguments[0]`, a path. Throws std::system_error when it is no program or can't be
  /// started.
  Process(const std::vector<std::string>& arguments, const Streams& streams);
  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)), ended_(other.ended_) {}
  Process& operator=(Process&&) = delete;
  /// Stops a child that runs.
  ~Process();

  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  /// The exit code (128 + signal for a child that was killed) once it has ended.
  [[nodiscard]] std::optional<int> ended();
  /// Waits for the end. Blocks.
  int wait();
  /// SIGTERM, and SIGKILL after `patience`; returns the exit code. Blocks up to that long.
  int stop(std::chrono::milliseconds patience = std::chrono::seconds(5)) noexcept;

 private:
  pid_t pid_ = -1;
  std::optional<int> ended_;
};

/// The folder of the program that runs.
[[nodiscard]] std::string program_folder();

}  // namespace catalogue
