#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "support/temp_dir.hpp"

namespace querymark::test {

/// A private Redis server in a temporary folder, as an unprivileged user, on a unix socket and a
/// free port of the loopback interface. Stopped by its own pid at the end, and by the kernel should
/// the test die first. Throws when its program is missing.
class RedisServer {
 public:
  /// `settings` (such as "--maxmemory", "10mb") come after those that make tests fast, and win.
  explicit RedisServer(std::vector<std::string> settings = {});
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;
  ~RedisServer();

  /// One for the whole test program, started at the first call.
  [[nodiscard]] static RedisServer& shared();

  [[nodiscard]] std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string socket_url() const { return "unix:" + socket(); }
  [[nodiscard]] std::string socket() const { return dir_.file("socket"); }
  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }
  [[nodiscard]] std::string file(const std::string& name) const { return dir_.file(name); }

  /// Sends one command over the unix socket as the user `default` and returns its answer, "-" and
  /// more for an error, "(nil)" for nothing.
  std::string ask(const std::vector<std::string>& words, const std::string& password = "") const;

  /// Ends the server (SIGTERM: clean; SIGKILL) and waits for it.
  void stop(int signal);
  /// Starts it again in the same folder, on the same port.
  void start();

 private:
  TempDir dir_;
  std::vector<std::string> settings_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace querymark::test
