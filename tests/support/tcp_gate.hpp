#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace querymark::test {

/// A TCP relay between a client and a server, which a test can make fail at a chosen
/// step of the protocol. Listens on a free loopback port.
class TcpGate {
 public:
  /// What to do with a chunk that is about to be relayed.
  enum class Verdict {
    pass,
    drop,
    hold,      ///< Keep it, and everything else of this connection, until release().
    truncate,  ///< Pass the first half on, then cut the connection.
    cut,
  };
  /// Sees each chunk before it goes on; `to_server` says where to. Called by the gate's threads.
  using Rule = std::function<Verdict(bool to_server, const std::string& chunk)>;

  /// Passes everything, and counts the sessions that are begun with a PostgreSQL server behind the gate.
  [[nodiscard]] static Rule counting_sessions(std::atomic<int>& begun) {
    return [&begun](bool to_server, const std::string& chunk) {
      if (to_server && chunk.find("user") != std::string::npos && chunk.front() == '\0') ++begun;
      return Verdict::pass;
    };
  }

  explicit TcpGate(int server_port);
  TcpGate(const TcpGate&) = delete;
  TcpGate& operator=(const TcpGate&) = delete;
  ~TcpGate();

  [[nodiscard]] int port() const noexcept { return port_; }
  /// Of a PostgreSQL database behind it.
  [[nodiscard]] std::string url(const std::string& database) const {
    return "postgresql://tester@127.0.0.1:" + std::to_string(port_) + '/' + database;
  }
  /// Replaces the rule; an empty one passes everything.
  void set_rule(Rule rule);
  /// Returns once a chunk is held; throws when none is for 20 seconds.
  void await_held();
  /// Lets held chunks go on, also to or from a client that has given up meanwhile.
  void release();
  /// Leads later connections to another server.
  void redirect(int server_port) noexcept { server_port_.store(server_port); }
  /// Cuts all connections; new ones pass.
  void cut_all();

 private:
  void accept_loop();
  void relay(int client, int server);
  Verdict judge(bool to_server, const std::string& chunk);
  void hold();

  std::atomic<int> server_port_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;  // guards all below but the acceptor
  std::condition_variable changed_;
  Rule rule_;
  int held_ = 0;  // chunks held now
  std::uint64_t releases_ = 0;
  std::vector<int> sockets_;
  std::vector<std::thread> relays_;
  std::thread acceptor_;
};

}  // namespace querymark::test
