#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <utility>

#include "support/pg_shop.hpp"
#include "support/tcp_gate.hpp"

namespace querymark::test {

/// A shop, and a process whose pool is one connection through a gate; its log and its doorbell go
/// past the gate, as they would to a server of their own.
struct GatedShop {
  explicit GatedShop(postgres::Options options = still())
      : process(gate.url(shop.name()), past_the_gate(std::move(options))) {}

  /// Reads the log only when it is asked to.
  [[nodiscard]] static postgres::Options still() {
    postgres::Options options = PgProcess::quick();
    options.poll_interval = std::chrono::hours(1);
    options.max_lag = std::chrono::hours(2);
    return options;
  }
  /// How often the server was asked, whatever was asked each time.
  template <class Action>
  int trips(Action&& action) {
    std::atomic<int> count{0};
    gate.set_rule([&count, answered = true](bool to_server, const std::string&) mutable {
      if (to_server && answered) ++count;
      answered = !to_server;
      return TcpGate::Verdict::pass;
    });
    action();
    gate.set_rule({});
    return count;
  }
  /// What carries the intents and COMMIT; not what prepares them.
  [[nodiscard]] static bool is_commit(bool to_server, const std::string& chunk) {
    return to_server && chunk.find("querymark_commit") != std::string::npos &&
           chunk.find("begin isolation level") == std::string::npos;
  }
  /// From now on the connection is cut in place of COMMIT.
  void cut_commits() {
    gate.set_rule([](bool to_server, const std::string& chunk) {
      return is_commit(to_server, chunk) ? TcpGate::Verdict::cut : TcpGate::Verdict::pass;
    });
  }
  /// Returns once the server has rolled back what was open on connections that are gone.
  void await_no_transaction() const {
    shop.await(
        "select count(*) = 0 from pg_stat_activity where state like 'idle in trans%' and datname "
        "= '" +
        shop.name() + "'");
  }

  PgShop shop;
  TcpGate gate{shop.server().port()};
  PgProcess process;

 private:
  [[nodiscard]] postgres::Options past_the_gate(postgres::Options options) const {
    options.direct_url = shop.url();
    options.connections = 1;
    return options;
  }
};

}  // namespace querymark::test
