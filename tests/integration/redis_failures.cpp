// What becomes of a Redis tier's callers when the server is slow, gone, or no Redis at all.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "querymark/redis/redis_tier.hpp"
#include "support/errors.hpp"
#include "support/redis_server.hpp"
#include "support/tcp_gate.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;

/// Listens on a free loopback port and sends the same bytes to whatever it is told, once for each
/// time that it is told something; then it ends the connection if `once`.
class CannedServer {
 public:
  explicit CannedServer(std::string answer, bool once = false)
      : answer_(std::move(answer)), once_(once), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
        ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      throw std::runtime_error("no canned server");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { accept(); });
  }
  CannedServer(const CannedServer&) = delete;
  CannedServer& operator=(const CannedServer&) = delete;
  ~CannedServer() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      const std::scoped_lock lock(mutex_);
      for (const int client : clients_) ::shutdown(client, SHUT_RDWR);
    }
    talkers_.clear();
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return "redis://127.0.0.1:" + std::to_string(port_); }

 private:
  void accept() {
    for (int client = 0; (client = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      {
        const std::scoped_lock lock(mutex_);
        clients_.insert(client);
      }
      talkers_.emplace_back([this, client] { talk(client); });
    }
  }
  void talk(int client) {
    std::array<char, 65'536> heard{};
    while (::recv(client, heard.data(), heard.size(), 0) > 0)
      if (::send(client, answer_.data(), answer_.size(), MSG_NOSIGNAL) < 0 || once_) break;
    const std::scoped_lock lock(mutex_);
    clients_.erase(client);
    ::close(client);
  }

  std::string answer_;
  bool once_;
  int listener_;
  int port_ = 0;
  std::mutex mutex_;  // guards clients_
  std::set<int> clients_;
  std::vector<std::jthread> talkers_;  // the acceptor's, and after its end the destructor's
  std::jthread acceptor_;
};

std::optional<TierFailure> failure_of(RedisTier& tier, int i) {
  TierRead wanted{name(i), {}};
  auto failure = tier.read("shop", {&wanted, 1});
  CHECK_FALSE((failure && wanted.value));
  return failure;
}

}  // namespace

TEST_CASE(
    "redis failures: a server that stands still costs one caller its deadline, and comes back",
    "[redis]") {
  const RedisServer server;
  ManualClock clock;  // for pauses; the deadline is real
  RedisTier tier(server.url(), {.timeout = 200ms, .clock = &clock});
  SharedValue one = value_of("one");
  SharedValue two = value_of("two");
  one.expires = two.expires = clock.wall_now() + 1h;
  while (tier.put("shop", name(1), one) != StoreStatus::stored) clock.advance(1min);
  while (tier.put("shop", name(2), two) != StoreStatus::stored) clock.advance(1min);
  while (failure_of(tier, 1)) clock.advance(1min);
  ::kill(server.pid(), SIGSTOP);
  const auto late = failure_of(tier, 1);
  REQUIRE(late);
  CHECK(late->tried);
  CHECK_THAT(late->cause, Contains("in time"));
  const auto skipped = failure_of(tier, 1);
  REQUIRE(skipped);
  CHECK_FALSE(skipped->tried);
  const auto failures = tier.stats().failures;
  CHECK(tier.put("shop", name(3), one) == StoreStatus::failed);  // nor does who would write
  for (int i = 0; i < 100; ++i) {
    static_cast<void>(failure_of(tier, 1));
    CHECK(tier.put("shop", name(3), one) == StoreStatus::failed);
  }
  CHECK(tier.stats().failures == failures);
  // Nor does anybody use a connection again on which an answer is still to come.
  const auto connects = tier.stats().connects;
  clock.advance(1min);
  REQUIRE(failure_of(tier, 1)->tried);
  CHECK(tier.stats().connects == connects + 1);
  ::kill(server.pid(), SIGCONT);
  // The answer to the first question, which comes now, is not taken for the answer to the next one.
  clock.advance(1min);
  std::optional<SharedValue> found;
  while (!(found = tier.get("shop", name(2)))) clock.advance(1min);
  CHECK(text_in(found) == "two");
}

TEST_CASE(
    "redis failures: while a server is gone one caller tries now and then, the others pass by",
    "[redis]") {
  RedisServer server;
  ManualClock clock;
  RedisTier tier(server.url(), {.timeout = 30s, .clock = &clock});
  server.stop(SIGKILL);
  const auto first = failure_of(tier, 1);
  REQUIRE(first);
  CHECK(first->tried);
  CHECK_THAT(first->cause, Contains("Connection refused"));
  std::uint64_t tried = 1;
  for (int i = 0; i < 600; ++i) {  // a minute
    for (int caller = 0; caller < 5; ++caller) tried += failure_of(tier, 1)->tried ? 1U : 0U;
    clock.advance(100ms);
  }
  CHECK(tier.stats().failures == tried);
  CHECK(tried < 30);
  CHECK(tried > 10);
  CHECK_THROWS_AS(tier.check(), Error);
  server.start();
  clock.advance(5s);
  CHECK_FALSE(failure_of(tier, 1));
  CHECK_FALSE(failure_of(tier, 1));
}

TEST_CASE("redis failures: whatever a server refuses with, it is no miss", "[redis]") {
  for (const std::string& refusal :
       {std::string("LOADING Redis is loading the dataset in memory"),
        std::string("MASTERDOWN Link with MASTER is down"),
        std::string("CLUSTERDOWN The cluster is down"),
        std::string("NOAUTH Authentication required."),
        std::string("READONLY You can't write against a read only replica."),
        std::string("OOM command not allowed when used memory > 'maxmemory'."),
        std::string("BUSY Redis is busy running a script."), std::string("MISCONF Errors"),
        std::string("NOREPLICAS Not enough good replicas to write."),
        std::string("MOVED 3999 127.0.0.1:6381"), std::string("ASK 3999 127.0.0.1:6381"),
        std::string("TRYAGAIN Multiple keys"), std::string("NOPERM this user has no permissions"),
        std::string("ERR max number of clients reached"), std::string("ERR unknown command"),
        std::string("EXECABORT"), std::string("NOSCRIPT No matching script."), std::string("x"),
        std::string()}) {
    INFO(refusal);
    const CannedServer server('-' + refusal + "\r\n");
    RedisTier tier(server.url(), {.timeout = 30s});
    const auto failure = failure_of(tier, 1);
    REQUIRE(failure);
    CHECK(failure->tried);
    CHECK_THAT(failure->cause, Contains(refusal) && Contains(tier.url()));
    CHECK(tier.put("shop", name(1), value_of("x")) == StoreStatus::failed);
    const std::array<Digest, 1> one{name(1)};
    CHECK_THROWS_WITH(tier.remove("shop", one), Contains(refusal));
    CHECK_THROWS_AS(tier.check(), Error);
  }
}

TEST_CASE("redis failures: a server that has too many clients refuses nobody's password",
          "[redis]") {
  const RedisServer server({"--requirepass", "hunter2"});
  const std::string url = "redis://:hunter2@127.0.0.1:" + std::to_string(server.port());
  RedisTier first(url, {.timeout = 5s});
  first.check();  // and keeps its connection
  REQUIRE(server.ask({"CONFIG", "SET", "maxclients", "1"}, "hunter2") == "OK");
  RedisTier late(url, {.timeout = 5s});
  try {
    late.check();
    FAIL("there was room for another client");
  } catch (const ConfigError& error) {
    FAIL(error.what());
  } catch (const Error& error) {
    CHECK(error.retryable());
    CHECK_THAT(error.what(), Contains("as many clients"));
  }
  CHECK_NOTHROW(first.check());
}

TEST_CASE("redis failures: what a server does not understand and repeats is not told", "[redis]") {
  const RedisServer server({"--rename-command", "EVALSHA", ""});
  RedisTier tier(server.url(), {.timeout = 30s});
  CHECK(tier.put("shop", name(1), value_of("x")) == StoreStatus::failed);
  CHECK_THAT(tier.stats().last_failure, EndsWith("unknown command 'EVALSHA'"));
}

TEST_CASE("redis failures: what is refused of one value says nothing of the others", "[redis]") {
  const std::string refusal = GENERATE(
      "OOM command not allowed when used memory > 'maxmemory'.", "CLUSTERDOWN Hash slot not served",
      "TRYAGAIN Multiple keys", "WRONGTYPE Operation against a key holding the wrong kind of value",
      "BUSY Redis is busy running a script.");
  INFO(refusal);
  const CannedServer server(":1\r\n-" + refusal + "\r\n:0\r\n:1\r\n");
  RedisTier tier(server.url(), {.timeout = 30s});
  const SharedValue value = value_of("x");
  std::vector<TierPut> puts;
  for (int i = 0; i < 4; ++i) puts.push_back({.name = name(i), .value = &value});
  tier.put_many("shop", puts);
  CHECK(puts[0].status == StoreStatus::stored);
  CHECK(puts[1].status == StoreStatus::failed);
  CHECK(puts[2].status == StoreStatus::superseded);
  CHECK(puts[3].status == StoreStatus::stored);
  CHECK(tier.stats().failures == 1);
  CHECK(tier.stats().stored == 2);
}

TEST_CASE("redis failures: of answers that fit no question the ones behind are nobody's",
          "[redis]") {
  for (const std::string& second :
       {std::string("*2\r\n:1\r\n:1\r\n"), std::string(">2\r\n+message\r\n:1\r\n"),
        std::string("+QUEUED\r\n"), std::string("$1\r\n1\r\n"), std::string("$-1\r\n"),
        std::string("_\r\n"), std::string("*1\r\n*1\r\n*1\r\n:1\r\n")}) {
    INFO(second);
    const CannedServer server(":1\r\n" + second + ":1\r\n:1\r\n");
    ManualClock clock;
    RedisTier tier(server.url(), {.timeout = 30s, .clock = &clock});
    const SharedValue value = value_of("x");
    std::vector<TierPut> puts;
    for (int i = 0; i < 4; ++i) puts.push_back({.name = name(i), .value = &value});
    tier.put_many("shop", puts);
    CHECK(puts[0].status == StoreStatus::stored);
    for (int i = 1; i < 4; ++i)
      CHECK(puts[static_cast<std::size_t>(i)].status == StoreStatus::failed);
    CHECK(tier.stats().failures == 1);
    CHECK(tier.stats().connects == 1);
    clock.advance(1min);  // past any pause of a breaker
    // On another connection, not by what is left on that one.
    CHECK_FALSE(tier.get("shop", name(9)));
    CHECK(tier.stats().connects == 2);
  }
}

TEST_CASE("redis failures: answers that fit no question are no values", "[redis]") {
  for (const std::string& answer :
       {std::string(":5\r\n"), std::string("$-1\r\n"), std::string("*1\r\n$1\r\nx\r\n"),
        std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("SSH-2.0-OpenSSH_9.2\r\n"),
        std::string("$99999999999\r\n"), std::string("$-5\r\n"), std::string(100'000, 'x'),
        std::string(20, '\0').append("\r\n"), std::string("\r\n\r\n")}) {
    INFO(answer.substr(0, 40));
    const CannedServer server(answer);
    RedisTier tier(server.url(), {.timeout = 30s});
    CHECK(failure_of(tier, 1));
    CHECK_FALSE(tier.get("shop", name(1)));
  }
  {  // A value of somebody else's, which nobody is told.
    const CannedServer server("$6\r\nsecret\r\n");
    RedisTier tier(server.url(), {.timeout = 30s});
    CHECK(tier.put("shop", name(1), value_of("x")) == StoreStatus::failed);
    CHECK_THAT(tier.stats().last_failure, EndsWith(": an answer that fits no question"));
  }
  // One answer too many: what nobody has asked for is given to nobody.
  const CannedServer server("$0\r\n\r\n$3\r\nfoo\r\n");
  RedisTier tier(server.url(), {.timeout = 30s});
  for (int i = 0; i < 5; ++i) CHECK_FALSE(failure_of(tier, i));
  CHECK(tier.stats().corrupt == 0);
  CHECK(tier.stats().connects == 5);
}

TEST_CASE("redis failures: a connection that is cut in the middle of an answer is a failure",
          "[redis]") {
  for (const std::string& answer : {std::string(""), std::string("$"), std::string("$100\r\n"),
                                    std::string("$100\r\nhello"), std::string("+O")}) {
    INFO(answer);
    const CannedServer server(answer, true);
    RedisTier tier(server.url(), {.timeout = 30s});
    const auto failure = failure_of(tier, 1);
    REQUIRE(failure);
    CHECK(failure->tried);
  }
}

TEST_CASE("redis failures: a gate that cuts and truncates costs misses, and never a wrong value",
          "[redis]") {
  const RedisServer server;
  TcpGate gate(server.port());
  ManualClock clock;
  RedisTier tier("redis://127.0.0.1:" + std::to_string(gate.port()),
                 {.timeout = 30s, .clock = &clock});
  SharedValue value = value_of("");
  for (int i = 0; i < 10; ++i) {
    value = value_of(std::to_string(i) + std::string(5'000, 'x'));
    value.expires = clock.wall_now() + 1h;
    REQUIRE(tier.put("shop", name(i), value) == StoreStatus::stored);
  }
  std::atomic<int> chunks{0};
  gate.set_rule([&](bool to_server, const std::string& /*chunk*/) {
    const int chunk = ++chunks;
    if (chunk % 5 == 0) return TcpGate::Verdict::cut;
    return !to_server && chunk % 3 == 0 ? TcpGate::Verdict::truncate : TcpGate::Verdict::pass;
  });
  int found = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<TierRead> wanted{{name(i % 10), {}}, {name((i + 3) % 10), {}}};
    const bool whole = !tier.read("shop", wanted);
    for (const int at : {0, 1}) {
      const auto& one = wanted[static_cast<std::size_t>(at)];
      const std::string right = std::to_string((i + 3 * at) % 10) + std::string(5'000, 'x');
      if (one.value) CHECK(text_in(one.value) == right);
      if (whole) CHECK(one.value);
      found += one.value ? 1 : 0;
    }
    clock.advance(10s);
  }
  CHECK(found > 50);
  CHECK(tier.stats().failures > 20);
  gate.set_rule({});
  clock.advance(10s);
  CHECK_FALSE(failure_of(tier, 1));
}

TEST_CASE("redis failures: after a failover no connection to the old master is used again",
          "[redis]") {
  const RedisServer old_master;
  const RedisServer new_master;
  TcpGate gate(old_master.port());
  ManualClock clock;
  RedisTier tier("redis://127.0.0.1:" + std::to_string(gate.port()),
                 {.timeout = 30s, .clock = &clock});
  SharedValue value = value_of("tea");
  value.expires = clock.wall_now() + 1h;
  // Two reads at once, so that there are two connections.
  gate.set_rule([](bool to_server, const std::string& /*chunk*/) {
    return to_server ? TcpGate::Verdict::pass : TcpGate::Verdict::hold;
  });
  {
    const std::jthread reader([&] { static_cast<void>(tier.get("shop", name(1))); });
    gate.await_held();
    gate.set_rule({});
    CHECK(tier.put("shop", name(1), value) == StoreStatus::stored);
    gate.release();
  }
  REQUIRE(tier.stats().connects == 2);
  old_master.ask({"REPLICAOF", "127.0.0.1", "1"});
  gate.redirect(new_master.port());
  CHECK(tier.put("shop", name(1), value) == StoreStatus::failed);
  CHECK_THAT(tier.stats().last_failure, Contains("READONLY"));
  clock.advance(1min);
  CHECK(tier.put("shop", name(1), value) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "tea");
  CHECK(new_master.ask({"DBSIZE"}) == "1");
}

TEST_CASE("redis failures: a host whose name nobody knows is a failure", "[redis]") {
  RedisTier tier("redis://no-such-host.invalid", {.timeout = 5s});
  const auto failure = failure_of(tier, 1);
  REQUIRE(failure);
  CHECK_THAT(failure->cause, Contains("no-such-host.invalid"));
  RedisTier socket("unix:/no/such/socket");
  CHECK_THROWS_WITH(socket.check(), Contains("unix:/no/such/socket"));
}

TEST_CASE(
    "redis failures: a server that loses its data mid-way keeps no later value from being kept",
    "[redis]") {
  RedisServer server;
  RedisTier tier(server.url(), {.timeout = 30s});
  const auto put = [&](const char* text, std::uint64_t horizon) {
    return tier.put("shop", name(1), value_of(text, Epoch{1, 1}, horizon, tag("a")));
  };
  CHECK(put("old", 5) == StoreStatus::stored);
  CHECK(server.ask({"SAVE"}) == "OK");
  CHECK(put("new", 9) == StoreStatus::stored);
  server.stop(SIGKILL);
  server.start();  // from the older dump
  const auto back = tier.get("shop", name(1));
  CHECK(text_in(back) == "old");
  CHECK(back->stamp.horizon == Position{5});  // by which each reader's marks refuse it
  CHECK(put("middle", 7) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "middle");
}
