#pragma once

#include <signal.h>

#include <random>
#include <string>
#include <utility>

#include "support/redis_server.hpp"

namespace querymark::test {

/// Does something to a server, or nothing.
class RedisNemesis {
 public:
  RedisNemesis(RedisServer& server, unsigned seed) : server_(server), random_(seed) {}

  void strike() {
    switch (random_() % 12) {
      case 0:
        server_.ask({"SAVE"});
        break;
      case 1:  // back with what the last SAVE knew, however long ago, or with nothing
        server_.stop(SIGKILL);
        server_.start();
        break;
      case 2:
        server_.ask({"FLUSHALL"});
        break;
      case 3:
        server_.ask({"CLIENT", "KILL", "TYPE", "normal"});
        break;
      case 4: {  // one process's value under another query's name
        const std::string from = server_.ask({"RANDOMKEY"});
        const std::string to = server_.ask({"RANDOMKEY"});
        // What is put in the place of a feed's stream stays there, and its worker says so.
        if (from != "(nil)" && !to.starts_with('{')) server_.ask({"COPY", from, to, "REPLACE"});
        break;
      }
      case 5: {
        const std::string key = server_.ask({"RANDOMKEY"});
        if (key != "(nil)") server_.ask({"SETRANGE", key, std::to_string(random_() % 200), "?"});
        break;
      }
      case 6:
        ::kill(server_.pid(), SIGSTOP);
        stopped_ = true;
        break;
      default:
        break;
    }
  }
  /// Whether nobody hears from it until `calm`.
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  void calm() {
    if (std::exchange(stopped_, false)) ::kill(server_.pid(), SIGCONT);
  }

 private:
  RedisServer& server_;
  std::mt19937 random_;
  bool stopped_ = false;
};

}  // namespace querymark::test
