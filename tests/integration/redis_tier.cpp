// The Redis tier on a real server; what every tier does is in conformance/tiers.cpp.

#include "querymark/redis/redis_tier.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "put_script.hpp"
#include "support/daemon.hpp"
#include "support/errors.hpp"
#include "support/plain_codec.hpp"
#include "support/redis_server.hpp"
#include "support/tcp_gate.hpp"
#include "support/test_certificate.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

// No slow machine makes a test's call end early.
RedisTier patient(const std::string& url, RedisTierOptions options = {}) {
  options.timeout = 30s;
  return RedisTier(url, options);
}

std::string place_of(const Digest& name) { return "qm:3:shop:" + name.hex(); }

const SharedName kAnother{"shop", sha256({"another"})};

}  // namespace

TEST_CASE("redis tier: a value lives for its own milliseconds, under a key that names it",
          "[redis]") {
  const RedisServer& server = RedisServer::shared();
  ManualClock clock;
  RedisTier tier = patient(server.url(), {.prefix = "ttl", .clock = &clock});
  SharedValue value = value_of("tea");
  value.expires = clock.wall_now() + 123'456ms;
  REQUIRE(tier.put("shop & more", name(1), value) == StoreStatus::stored);
  const std::string key = "ttl:3:shop%20%26%20more:" + name(1).hex();
  const int left = std::stoi(server.ask({"PTTL", key}));
  CHECK(left <= 123'456);
  CHECK(left > 60'000);
  value.expires = clock.wall_now() + 1h;
  tier.put("shop & more", name(1), value);
  CHECK(std::stoi(server.ask({"PTTL", key})) > 3'000'000);  // the new one's
  value.expires = WallTime(253'402'300'799'000ms);          // year 9999
  CHECK(tier.put("shop & more", name(2), value) == StoreStatus::stored);
}

TEST_CASE("redis tier: it comes by TCP, unix socket, name of the host, and database", "[redis]") {
  const RedisServer& server = RedisServer::shared();
  RedisTier tcp = patient(server.url(), {.prefix = "ways"});
  tcp.put("shop", name(1), value_of("tea"));
  for (const std::string& url : {server.socket_url(), server.url() + "/0",
                                 "redis://localhost:" + std::to_string(server.port())}) {
    RedisTier tier = patient(url, {.prefix = "ways"});
    CHECK_NOTHROW(tier.check());
    CHECK(text_in(tier.get("shop", name(1))) == "tea");
  }
  RedisTier other = patient(server.url() + "/3", {.prefix = "ways"});
  CHECK(text_in(other.get("shop", name(1))) == "none");
  other.put("shop", name(1), value_of("cup"));
  CHECK(text_in(tcp.get("shop", name(1))) == "tea");
  CHECK(text_in(patient(server.socket_url() + "?db=3", {.prefix = "ways"}).get("shop", name(1))) ==
        "cup");
  RedisTier missing = patient(server.url() + "/9999");
  CHECK_THROWS_AS(missing.check(), ConfigError);
  CHECK_THROWS_WITH(missing.check(), Contains("database 9999"));
  CHECK_FALSE(missing.get("shop", name(1)));
  CHECK(missing.put("shop", name(1), value_of("lost")) == StoreStatus::failed);
  CHECK(missing.stats().failures == 2);
}

TEST_CASE("redis tier: user and password are sent, and never shown", "[redis]") {
  const RedisServer server({"--requirepass", "hunter2"});
  const std::string port = std::to_string(server.port());
  server.ask({"ACL", "SETUSER", "bob", "on", ">b@b", "~qm:*", "+getrange", "+set", "+eval",
              "+evalsha", "+unlink"},
             "hunter2");
  RedisTier right = patient("redis://:hunter2@127.0.0.1:" + port);
  CHECK_NOTHROW(right.check());
  CHECK(right.put("shop", name(1), value_of("tea")) == StoreStatus::stored);
  RedisTier bob = patient("redis://bob:b%40b@127.0.0.1:" + port);
  CHECK_NOTHROW(bob.check());
  CHECK(text_in(bob.get("shop", name(1))) == "tea");
  for (const std::string who : {":wrongpw@", "bob:wrongpw@", "nobody:wrongpw@", ""}) {
    RedisTier wrong = patient("redis://" + who + "127.0.0.1:" + port);
    if (!who.empty()) CHECK_THROWS_AS(wrong.check(), ConfigError);
    const std::string said = message_of([&] { wrong.check(); });
    CHECK_THAT(said, Contains(who.empty() ? "NOAUTH" : "WRONGPASS"));
    TierRead wanted{name(1), {}};
    const auto failure = wrong.read("shop", {&wanted, 1});
    REQUIRE(failure);
    CHECK_FALSE(wanted.value);
    CHECK(wrong.put("shop", name(1), value_of("cup")) == StoreStatus::failed);
    for (const std::string& text : {said, failure->cause, wrong.stats().last_failure, wrong.url()})
      CHECK_THAT(text, !Contains("wrongpw"));
  }
  // A command that the user may not send is told by its name.
  server.ask({"ACL", "SETUSER", "bob", "-getrange"}, "hunter2");
  CHECK_THROWS_WITH(bob.check(), Contains("NOPERM"));
}

TEST_CASE("redis tier: a server that does not know AUTH does not make a password known",
          "[redis]") {
  const RedisServer server({"--rename-command", "AUTH", ""});
  RedisTier tier = patient("redis://:hunter2@127.0.0.1:" + std::to_string(server.port()));
  CHECK_THROWS_WITH(tier.check(), !Contains("hunter2") && Contains("password"));
}

TEST_CASE("redis tier: a read of many names is one round trip", "[redis]") {
  const RedisServer& server = RedisServer::shared();
  TcpGate gate(server.port());
  RedisTier tier = patient("redis://127.0.0.1:" + std::to_string(gate.port()), {.prefix = "trips"});
  for (int i = 0; i < 100; i += 2) tier.put("shop", name(i), value_of(std::to_string(i)));
  // Holds back every answer until all that was asked has gone by.
  std::atomic<std::size_t> asked{0};
  gate.set_rule([&](bool to_server, const std::string& chunk) {
    if (to_server) asked += static_cast<std::size_t>(std::ranges::count(chunk, '*'));
    return !to_server && asked < 100 ? TcpGate::Verdict::hold : TcpGate::Verdict::pass;
  });
  std::vector<TierRead> wanted(100);
  for (std::size_t i = 0; i < 100; ++i) wanted[i].name = name(static_cast<int>(i));
  CHECK_FALSE(tier.read("shop", wanted));
  for (std::size_t i = 0; i < 100; ++i)
    CHECK(text_in(wanted[i].value) == (i % 2 == 0 ? std::to_string(i) : "none"));
  CHECK(asked == 100);
  CHECK(tier.stats().connects == 1);
}

TEST_CASE("redis tier: values that are put together are one round trip", "[redis]") {
  const RedisServer& server = RedisServer::shared();
  TcpGate gate(server.port());
  RedisTier tier = patient("redis://127.0.0.1:" + std::to_string(gate.port()), {.prefix = "puts"});
  CHECK(tier.put("shop", name(100), value_of("tea")) == StoreStatus::stored);
  // Holds back every answer until all that was told has gone by.
  std::atomic<std::size_t> told{0};
  gate.set_rule([&](bool to_server, const std::string& chunk) {
    if (to_server) told += static_cast<std::size_t>(std::ranges::count(chunk, '*'));
    return !to_server && told < 100 ? TcpGate::Verdict::hold : TcpGate::Verdict::pass;
  });
  const SharedValue value = value_of("tea");
  std::vector<TierPut> puts(100);
  for (std::size_t i = 0; i < 100; ++i)
    puts[i] = {.name = name(static_cast<int>(i)), .value = &value};
  tier.put_many("shop", puts);
  for (const TierPut& one : puts) CHECK(one.status == StoreStatus::stored);
  CHECK(tier.stats().stored == 101);
  CHECK(tier.stats().connects == 1);
}

TEST_CASE("redis tier: the script is known by its name, and sent where it is not", "[redis]") {
  const RedisServer& server = RedisServer::shared();
  CHECK(server.ask({"SCRIPT", "LOAD", redis::kPutScript}) == redis::kPutScriptName);
  RedisTier tier = patient(server.url(), {.prefix = "script"});
  server.ask({"SCRIPT", "FLUSH"});
  CHECK(tier.put("shop", name(1), value_of("tea")) == StoreStatus::stored);
  CHECK(tier.put("shop", name(1), value_of("cup")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "cup");
  server.ask({"SCRIPT", "FLUSH"});
  const SharedValue value = value_of("pot");
  std::array<TierPut, 2> puts{
      {{.name = name(1), .value = &value}, {.name = name(2), .value = &value}}};
  tier.put_many("shop", puts);
  CHECK(puts[0].status == StoreStatus::stored);
  CHECK(puts[1].status == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(2))) == "pot");
  CHECK(tier.stats().failures == 0);
}

TEST_CASE("redis tier: what is no value of ours under a key of ours is a counted miss", "[redis]") {
  const RedisServer server;
  RedisTier tier = patient(server.url(), {.max_value_bytes = 10'000});
  tier.put("shop", name(1), value_of("tea"));
  SECTION("another type") { server.ask({"LPUSH", place_of(name(0)), "x"}); }
  SECTION("a number") { server.ask({"SET", place_of(name(0)), "12"}); }
  SECTION("as many zeros as epoch and horizon have bytes") {
    server.ask({"SET", place_of(name(0)), std::string(24, '\0')});
  }
  SECTION("another query's value") {
    const std::string other = test::encoded(kAnother, value_of("cup"));
    server.ask({"SET", place_of(name(0)), std::string(24, '\0') + other});
  }
  SECTION("another key's value, whole") {
    server.ask({"COPY", place_of(name(1)), place_of(name(0))});
  }
  SECTION("a value that is far too large, of which next to nothing is sent") {
    server.ask({"SETRANGE", place_of(name(0)), "100000000", "x"});
  }
  std::array<TierRead, 2> wanted{TierRead{name(0), {}}, TierRead{name(1), {}}};
  CHECK_FALSE(tier.read("shop", wanted));
  CHECK_FALSE(wanted[0].value);
  CHECK(text_in(wanted[1].value) == "tea");
  CHECK(tier.stats().corrupt == 1);
  const std::string sent = server.ask({"INFO", "stats"});
  const std::size_t at = sent.find("total_net_output_bytes:");
  REQUIRE(at != std::string::npos);
  CHECK(std::stoll(sent.substr(at + 23)) < 100'000);
  CHECK(tier.put("shop", name(0), value_of("again")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(0))) == "again");
}

TEST_CASE("redis tier: a full server takes nothing and still answers, or forgets", "[redis]") {
  const std::string body(9'000, 'x');
  SECTION("noeviction") {
    const RedisServer server({"--maxmemory", "3mb", "--maxmemory-policy", "noeviction"});
    RedisTier tier = patient(server.url());
    int stored = 0;
    while (stored < 1'000 && tier.put("shop", name(stored), value_of(body)) == StoreStatus::stored)
      ++stored;
    REQUIRE(stored > 0);
    REQUIRE(stored < 1'000);
    CHECK_THAT(tier.stats().last_failure, Contains("OOM"));
    for (int i = 0; i < stored; ++i) CHECK(text_in(tier.get("shop", name(i))) == body);
    const std::array<Digest, 1> one{name(0)};
    CHECK(tier.remove("shop", one) == 1);
    CHECK(tier.stats().failures == 1);
  }
  SECTION("allkeys-lru") {
    const RedisServer server({"--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru"});
    RedisTier tier = patient(server.url());
    for (int i = 0; i < 500; ++i)
      REQUIRE(tier.put("shop", name(i), value_of(body)) == StoreStatus::stored);
    CHECK(text_in(tier.get("shop", name(499))) == body);
    std::vector<TierRead> wanted(500);
    for (std::size_t i = 0; i < 500; ++i) wanted[i].name = name(static_cast<int>(i));
    CHECK_FALSE(tier.read("shop", wanted));
    CHECK(std::ranges::count_if(wanted, [](const TierRead& one) { return !one.value; }) > 0);
    CHECK(tier.stats().failures == 0);
  }
}

TEST_CASE("redis tier: what was flushed, or lost in a restart, is missed without a failure",
          "[redis]") {
  RedisServer server;
  RedisTier tier = patient(server.url());
  tier.put("shop", name(1), value_of("tea"));
  SECTION("FLUSHALL") { server.ask({"FLUSHALL"}); }
  SECTION("killed and started again: the connection is found to be dead before it is used") {
    server.stop(SIGKILL);
    server.start();
  }
  SECTION("stopped and started again") {
    server.stop(SIGTERM);
    server.start();
  }
  TierRead wanted{name(1), {}};
  CHECK_FALSE(tier.read("shop", {&wanted, 1}));
  CHECK_FALSE(wanted.value);
  CHECK(tier.put("shop", name(1), value_of("cup")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "cup");
  CHECK(tier.stats().failures == 0);
}

TEST_CASE("redis tier: many threads share few connections, and nobody gets another's answer",
          "[redis]") {
  const RedisServer& server = RedisServer::shared();
  RedisTier tier = patient(server.url(), {.prefix = "threads", .connections = 3});
  for (int i = 0; i < 20; ++i)
    REQUIRE(tier.put("shop", name(i), value_of(std::to_string(i))) == StoreStatus::stored);
  std::atomic<int> wrong{0};
  std::atomic<int> hits{0};
  {
    std::vector<std::jthread> readers;
    for (int reader = 0; reader < 12; ++reader)
      readers.emplace_back([&, reader] {
        for (int i = 0; i < 100; ++i) {
          const int wanted = (reader + i) % 20;
          const std::string found = text_in(tier.get("shop", name(wanted)));
          if (found == std::to_string(wanted))
            ++hits;
          else if (found != "none")
            ++wrong;
        }
      });
  }
  CHECK(wrong == 0);
  CHECK(hits + static_cast<int>(tier.stats().skipped) == 1'200);
  CHECK(tier.stats().failures == 0);
  CHECK(tier.stats().connects <= 3);
}

TEST_CASE("redis tier: over TLS the server must be the one that the URL names", "[redis]") {
  const TestCertificate made("IP:127.0.0.1,DNS:localhost");
  const std::string certificate = made.file();
  const std::string key = made.key_file();
  const int port = free_port();
  const RedisServer server({"--tls-port", std::to_string(port), "--tls-cert-file", certificate,
                            "--tls-key-file", key, "--tls-ca-cert-file", certificate,
                            "--tls-auth-clients", "optional", "--requirepass", "hunter2", "--bind",
                            "127.0.0.1", "127.0.0.2"});
  const auto at = [&](const std::string& host) {
    return "rediss://:hunter2@" + host + ":" + std::to_string(port);
  };
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    RedisTier tier = patient(at(host), {.ca_file = certificate});
    CHECK_NOTHROW(tier.check());
    const std::string body(3'000'000, 'x');
    CHECK(tier.put("shop", name(1), value_of(body)) == StoreStatus::stored);
    CHECK(text_in(tier.get("shop", name(1))) == body);
    CHECK(text_in(tier.get("shop", name(2))) == "none");
    CHECK(tier.stats().connects == 1);
  }
  RedisTier named = patient(at("127.0.0.2"), {.ca_file = certificate});
  CHECK_THROWS_WITH(named.check(), Contains("certificate"));
  RedisTier unknown = patient(at("127.0.0.1"));
  CHECK_THROWS_WITH(unknown.check(), Contains("certificate"));
  CHECK_FALSE(unknown.get("shop", name(1)));
  RedisTier plain = patient("redis://:hunter2@127.0.0.1:" + std::to_string(port));
  CHECK_THROWS_AS(plain.check(), Error);
  // A server without TLS takes the greeting for half a line of its own protocol, and waits.
  RedisTier no_tls("rediss://:hunter2@127.0.0.1:" + std::to_string(server.port()),
                   {.timeout = 100ms, .ca_file = certificate});
  CHECK_THROWS_WITH(no_tls.check(), Contains("in time") && !Contains("hunter2"));
  RedisTier mutual = patient(
      at("127.0.0.1"), {.ca_file = certificate, .certificate_file = certificate, .key_file = key});
  CHECK_NOTHROW(mutual.check());
}
