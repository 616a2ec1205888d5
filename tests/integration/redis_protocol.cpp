// The client's side of the protocol and the URLs, without a server.

#include <catch2/catch.hpp>
#include <random>
#include <vector>

#include "endpoint.hpp"
#include "protocol.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/support/error.hpp"
#include "support/scripted_channel.hpp"

using namespace querymark;
using querymark::test::ScriptedChannel;
using namespace std::string_literals;
using Catch::Matchers::Contains;

namespace {

const redis::Deadline kNever = redis::Deadline::max();

redis::Endpoint parsed_url(std::string_view url) {
  return redis::parsed_servers(url).endpoints.front();
}

}  // namespace

TEST_CASE("redis protocol: commands are words of any bytes", "[redis]") {
  std::string out;
  redis::append_command(out, {"SET", "", std::string_view("a\r\n\0$", 5)});
  CHECK(out == "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$5\r\na\r\n\0$\r\n"s);
}

TEST_CASE("redis protocol: replies are read however they are cut", "[redis]") {
  const std::string large(70'000, 'x');
  std::string all = "+OK\r\n:-12\r\n$5\r\na\r\nb\0\r\n$-1\r\n$0\r\n\r\n-ERR no\r\n+\r\n"s;
  all += "$70000\r\n" + large + "\r\n:7\r\n";
  for (const std::size_t piece : {1U, 2U, 3U, 7U, 100U, 1'000'000U}) {
    ScriptedChannel channel(all, piece);
    redis::ReplyReader replies(channel, 100'000);
    CHECK(replies.next(kNever).text == "OK");
    CHECK(replies.next(kNever).number == -12);
    CHECK(replies.next(kNever).text == std::string_view("a\r\nb\0", 5));
    CHECK(replies.next(kNever).is == redis::Reply::Is::nothing);
    const redis::Reply empty = replies.next(kNever);
    CHECK((empty.is == redis::Reply::Is::text && empty.text.empty()));
    const redis::Reply error = replies.next(kNever);
    CHECK((error.is == redis::Reply::Is::error && error.text == "ERR no"));
    CHECK(replies.next(kNever).text.empty());
    CHECK(replies.next(kNever).text == large);
    CHECK(replies.next(kNever).number == 7);
    CHECK(replies.empty());
  }
}

TEST_CASE("redis protocol: a list is its length, and takes no room before it comes", "[redis]") {
  ScriptedChannel channel("*2\r\n:1\r\n*-1\r\n*1000000000\r\n$1\r\na\r\n", 5);
  redis::ReplyReader replies(channel, 100);
  const redis::Reply two = replies.next(kNever);
  CHECK((two.is == redis::Reply::Is::list && two.number == 2));
  CHECK(replies.next(kNever).number == 1);
  CHECK(replies.next(kNever).is == redis::Reply::Is::nothing);
  CHECK(replies.next(kNever).number == 1'000'000'000);
  CHECK(replies.next(kNever).text == "a");
  CHECK(replies.empty());
}

TEST_CASE("redis protocol: what is no reply is refused, before more of it is received", "[redis]") {
  for (const std::string text : {"*\r\n",
                                 "*-2\r\n",
                                 "*3x\r\n",
                                 "%1\r\n",
                                 "HTTP/1.1 400 Bad Request\r\n",
                                 "\r\n",
                                 "\n",
                                 "+OK\n",
                                 "$\r\n",
                                 "$5x\r\nhello\r\n",
                                 "$-2\r\n",
                                 "$99999999999999999999\r\n",
                                 "$100001\r\n",
                                 "$9223372036854775807\r\n",
                                 ":\r\n",
                                 ":1 \r\n",
                                 ":99999999999999999999\r\n",
                                 "$5\r\nhello!!",
                                 "$5\r\nhello\r\r",
                                 "_\r\n",
                                 ",1.5\r\n",
                                 ">2\r\n"}) {
    ScriptedChannel channel(text + std::string(1'000'000, 'x'), 4'096);
    redis::ReplyReader replies(channel, 100'000);
    CHECK_THROWS_WITH(replies.next(kNever), Contains("speaks no Redis"));
    CHECK(channel.received() <= 200'000);
  }
  ScriptedChannel endless(std::string(10'000'000, '+'), 100'000);
  redis::ReplyReader replies(endless, 100'000);
  CHECK_THROWS_WITH(replies.next(kNever), Contains("never ends"));
  CHECK(endless.received() <= 200'000);
}

TEST_CASE("redis protocol: of a reply that is cut off anywhere nothing is returned", "[redis]") {
  const std::string whole = "$12\r\nhello\r\nthere\r\n";
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ScriptedChannel channel(whole.substr(0, size), 5);
    redis::ReplyReader replies(channel, 100);
    CHECK_THROWS_WITH(replies.next(kNever), "gone");
  }
}

TEST_CASE("redis protocol: random bytes never do harm", "[redis]") {
  std::mt19937 random(20'261'126);
  constexpr std::string_view kLikely = "$*+-:\r\n0123456789_,%>";
  for (int round = 0; round < 3'000; ++round) {
    std::string text;
    for (std::size_t i = 0; i < 200; ++i)
      text += random() % 4 == 0 ? static_cast<char>(random()) : kLikely[random() % kLikely.size()];
    ScriptedChannel channel(text, 1 + random() % 50);
    redis::ReplyReader replies(channel, 100);
    CHECK_THROWS_AS(
        [&] {
          for (;;) static_cast<void>(replies.next(kNever));
        }(),
        Error);
  }
}

TEST_CASE("redis urls: every part is read", "[redis]") {
  using Transport = redis::Endpoint::Transport;
  const auto plain = parsed_url("redis://cache.example");
  CHECK(plain.transport == Transport::tcp);
  CHECK(plain.host == "cache.example");
  CHECK(plain.port == "6379");
  CHECK(plain.database == 0);
  CHECK(plain.label() == "redis://cache.example:6379/0");
  const auto full = parsed_url("REDISS://bob:p%40s%3As%2F@[::1]:7000/12");
  CHECK(full.transport == Transport::tls);
  CHECK(full.user == "bob");
  CHECK(full.password == "p@s:s/");
  CHECK(full.host == "::1");
  CHECK(full.port == "7000");
  CHECK(full.database == 12);
  CHECK(full.label() == "rediss://[::1]:7000/12");
  const auto zoned = parsed_url("redis://[fe80::1%25eth0]:7000");
  CHECK(zoned.host == "fe80::1%eth0");
  CHECK(zoned.label() == "redis://[fe80::1%25eth0]:7000/0");
  const auto unescaped = parsed_url("redis://:p@ss/w:rd@h/");
  CHECK(unescaped.user.empty());
  CHECK(unescaped.password == "p@ss/w:rd");
  CHECK(unescaped.host == "h");
  const auto socket = parsed_url("unix:/run/redis/redis.sock?db=3");
  CHECK(socket.transport == Transport::unix_socket);
  CHECK(socket.path == "/run/redis/redis.sock");
  CHECK(socket.database == 3);
  CHECK(socket.label() == "unix:/run/redis/redis.sock?db=3");
  const auto owned = parsed_url("unix://:secret@/run/a%20b");
  CHECK(owned.password == "secret");
  CHECK(owned.path == "/run/a b");
  CHECK(owned.label() == "unix:/run/a%20b");
  CHECK(parsed_url("unix:///run/x").path == "/run/x");
}

TEST_CASE("redis urls: any other text is refused, and nothing of it is shown", "[redis]") {
  for (const std::string url : {"",
                                "hunter2",
                                "redis:",
                                "redis:hunter2",
                                "redis://",
                                "redis://:hunter2@",
                                "redis:///1",
                                "redis://hunter2:x",
                                "redis://h:65536",
                                "redis://h:-1",
                                "redis://h:1:hunter2",
                                "redis://::1",
                                "redis://[::1",
                                "redis://[::1]hunter2",
                                "redis://h/hunter2",
                                "redis://h/-1",
                                "redis://h/0/hunter2",
                                "redis://h/9999999999",
                                "redis://h?password=hunter2",
                                "redis://hunter2%ZZ@h",
                                "redis://:hunter2%0",
                                "redis://h%00hunter2",
                                "redis://hunter2@h",
                                "redis://a%3Ahunter2%40h",
                                "redis://hunter2%25h",
                                "http://hunter2@h",
                                "unix:",
                                "unix:?db=1",
                                "unix:/x?db=hunter2",
                                "unix:/x?password=hunter2",
                                "unix:/hunter2%",
                                "postgresql://hunter2@h"}) {
    INFO(url);
    CHECK_THROWS_AS(parsed_url(url), ConfigError);
    CHECK_THROWS_WITH(parsed_url(url), !Contains("hunter2") && Contains("redis://USER"));
  }
  CHECK_THROWS_AS(parsed_url("unix:/" + std::string(107, 'x')), ConfigError);
}

TEST_CASE("redis tier: options that can't be meant are refused, without asking anybody",
          "[redis]") {
  const std::string url = "redis://127.0.0.1:1";
  CHECK_NOTHROW(RedisTier(url));
  CHECK_THROWS_AS(RedisTier(url, {.prefix = ""}), ConfigError);
  CHECK_THROWS_AS(RedisTier(url, {.prefix = "a{b}"}), ConfigError);
  CHECK_THROWS_AS(RedisTier(url, {.connections = 0}), ConfigError);
  CHECK_THROWS_AS(RedisTier(url, {.timeout = std::chrono::milliseconds(0)}), ConfigError);
  CHECK_THROWS_AS(RedisTier(url, {.max_value_bytes = 0}), ConfigError);
  CHECK_THROWS_AS(RedisTier(url, {.max_value_bytes = 600U << 20U}), ConfigError);
  CHECK_THROWS_WITH(RedisTier("rediss://127.0.0.1:1", {.ca_file = "/missing.pem"}),
                    Contains("/missing.pem"));
  CHECK_THROWS_AS(RedisTier("rediss://127.0.0.1:1", {.certificate_file = "/missing.pem"}),
                  ConfigError);
}
