#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace querymark::test {

/// A TCP relay between a client and a PostgreSQL server, which a test can make fail at a chosen
/// step of the protocol. Listens on a free loopback port.
class TcpGate {
 public:
  /// What to do with a chunk that is about to be relayed.
  enum class Verdict { pass, drop, cut };
  /// Sees each chunk before it goes on; `to_server` says where to. Called by the gate's threads.
  using Rule = std::function<Verdict(bool to_server, const std::string& chunk)>;

  explicit TcpGate(int server_port);
  TcpGate(const TcpGate&) = delete;
  TcpGate& operator=(const TcpGate&) = delete;
  ~TcpGate();

  [[nodiscard]] int port() const noexcept { return port_; }
  /// Replaces the rule; an empty one passes everything.
  void set_rule(Rule rule);
  /// Cuts all connections; new ones pass.
  void cut_all();

 private:
  void accept_loop();
  void relay(int client, int server);
  Verdict judge(bool to_server, const std::string& chunk);

  int server_port_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards rule_, sockets_, relays_
  Rule rule_;
  std::vector<int> sockets_;
  std::vector<std::thread> relays_;
  std::thread acceptor_;
};

}  // namespace querymark::test
