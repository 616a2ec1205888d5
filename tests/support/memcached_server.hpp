#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "querymark/support/digest.hpp"
#include "support/temp_dir.hpp"

namespace querymark::test {

/// A private memcached server, as an unprivileged user, on a free port of the loopback interface.
/// Stopped by its own pid at the end, and by the kernel should the test die first. Throws when its
/// program is missing.
class MemcachedServer {
 public:
  /// `settings` (such as "-I", "512k") come after those that make it one of ours, and win.
  explicit MemcachedServer(std::vector<std::string> settings = {});
  MemcachedServer(const MemcachedServer&) = delete;
  MemcachedServer& operator=(const MemcachedServer&) = delete;
  ~MemcachedServer();

  /// Among the settings: the path of a unix socket, on which it then listens alone.
  static constexpr const char* kSocket = "<socket>";

  /// HOST:PORT, or unix:PATH.
  [[nodiscard]] std::string url() const;
  [[nodiscard]] int port() const noexcept { return port_; }

  /// Sends the lines and returns what it answers.
  [[nodiscard]] std::string ask(std::string_view lines) const;
  /// One number of `stats`.
  [[nodiscard]] long stat(const std::string& name) const;
  /// What it holds under the key; empty: nothing.
  [[nodiscard]] std::string held(const std::string& key) const;
  /// All that it holds something under.
  [[nodiscard]] std::vector<std::string> keys() const;
  /// Stores bytes there, as somebody else would.
  void store(const std::string& key, const std::string& bytes) const;

  /// Makes it stand still, all of its threads, until `resume`.
  void pause() const;
  void resume() const;
  /// Ends it and waits for that.
  void stop(int signal);
  /// Starts it again, empty, on the same port.
  void start();

 private:
  /// Sends the lines and returns what it answers up to and without `end`.
  [[nodiscard]] std::string ask_until(std::string_view lines, std::string_view end) const;

  TempDir dir_;
  std::vector<std::string> settings_;
  bool on_socket_;
  int port_ = 0;
  pid_t pid_ = -1;
};

/// Where a tier keeps a name's value.
[[nodiscard]] inline std::string memcached_key(std::string_view namespace_name,
                                               const Digest& name) {
  return "qm:3:" + sha256({"querymark memcached", namespace_name, name.view()}).hex();
}

}  // namespace querymark::test
