// What a memcached server, or whatever answers in its place, may send.

#include <catch2/catch.hpp>
#include <vector>

#include "connection.hpp"
#include "support/scripted_channel.hpp"

namespace {

using namespace querymark;
using memcached::Connection;
using memcached::Item;

constexpr net::Deadline kNever = net::Deadline::max();

Connection told(const std::string& text, std::size_t piece, std::size_t max_bytes = 100) {
  return Connection(std::make_unique<test::ScriptedChannel>(text, piece), "there", max_bytes);
}

// Keys and values of an answer, and how it ended.
std::string answer(const std::string& text, std::size_t piece) {
  Connection connection = told(text, piece);
  std::string said;
  try {
    while (const auto item = connection.next(kNever))
      said.append(item->key).append("=").append(item->bytes).append(";");
    return said + "end";
  } catch (const Error& failure) {
    return said + (failure.connection_lost() ? "lost" : "refused");
  }
}

}  // namespace

TEST_CASE("memcached protocol: answers are the same however they are cut", "[memcached]") {
  const std::vector<std::pair<std::string, std::string>> answers{
      {"END\r\n", "end"},
      {"VALUE a 0 3\r\ntea\r\nEND\r\n", "a=tea;end"},
      {"VALUE a 0 0\r\n\r\nVALUE b 7 5 99\r\n\r\nEND\r\nEND\r\n", "a=;b=\r\nEND;end"},
      {"VALUE a 0 101\r\n" + std::string(101, 'x') + "\r\nEND\r\n", "a=;end"},
      {"VALUE a 0 90000\r\n" + std::string(90'000, 'x') + "\r\nVALUE b 0 1\r\ny\r\nEND\r\n",
       "a=;b=y;end"},
      {"SERVER_ERROR out of memory\r\n", "refused"},
      {"ERROR\r\n", "refused"},
      {"VALUE a 0 3\r\nteapot\r\nEND\r\n", "lost"},
      {"VALUE a 0 200\r\n" + std::string(210, 'x') + "\r\nEND\r\n", "lost"},
      {"VALUE a 0 -1\r\n\r\nEND\r\n", "lost"},
      {"VALUE a 0 99999999999999999999\r\n", "lost"},
      {"VALUE a 0 2000000000\r\n", "lost"},
      {"VALUE a 0\r\n", "lost"},
      {"VALUE a x 1\r\n", "lost"},
      {"VALUE a 0 1 x\r\ny\r\nEND\r\n", "lost"},
      {"VALUE  0 1\r\ny\r\nEND\r\n", "lost"},
      {"VALUE " + std::string(251, 'k') + " 0 1\r\ny\r\nEND\r\n", "lost"},
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "lost"},
      {"+PONG\r\n", "lost"},
      {"END\n", "lost"},
      {"\r\n", "lost"},
      {std::string(40'000, 'x'), "lost"},
      {"VALUE a 0 3\r\nte", "lost"},
      {"", "lost"}};
  for (const auto& [text, said] : answers)
    for (const std::size_t piece : {1U, 7U, 1'000'000U}) {
      INFO(text.substr(0, 60) << " in pieces of " << piece);
      CHECK(answer(text, piece) == said);
    }
}

TEST_CASE("memcached protocol: what becomes of something stored is told in a word", "[memcached]") {
  const auto stored = [](const std::string& line) {
    return told(line, 3).store({.key = "k", .bytes = "v", .ttl = std::chrono::seconds(1)}, kNever);
  };
  CHECK(stored("STORED\r\n") == memcached::Stored::yes);
  for (const char* line : {"NOT_STORED\r\n", "EXISTS\r\n", "NOT_FOUND\r\n"})
    CHECK(stored(line) == memcached::Stored::no);
  CHECK(stored("SERVER_ERROR object too large for cache\r\n") == memcached::Stored::too_large);
  for (const char* line : {"OK\r\n", "stored\r\n"}) CHECK_THROWS_AS(stored(line), Error);
}

TEST_CASE(
    "memcached protocol: behind a command that was not understood nobody knows whose an answer is",
    "[memcached]") {
  const auto lost = [](const auto& call) {
    try {
      static_cast<void>(call());
    } catch (const Error& failure) {
      return failure.connection_lost();
    }
    FAIL("no error");
    return false;
  };
  const auto stored = [&](const std::string& text) {
    return lost([&] { return told(text, 100).stored(kNever); });
  };
  CHECK_FALSE(stored("SERVER_ERROR out of memory storing object\r\nSTORED\r\n"));
  CHECK(stored("ERROR\r\nERROR\r\n"));
  CHECK(stored("CLIENT_ERROR bad data chunk\r\nERROR\r\n"));
  const std::vector<std::string> keys{"a", "b"};
  for (const char* text : {"ERROR\r\nDELETED\r\n", "SERVER_ERROR busy\r\nDELETED\r\n"})
    CHECK(lost([&] { return told(text, 100).remove(keys, kNever); }));
}

TEST_CASE("memcached protocol: a removal counts what was there, and fails at anything else",
          "[memcached]") {
  const std::vector<std::string> keys{"a", "b", "c"};
  CHECK(told("DELETED\r\nNOT_FOUND\r\nDELETED\r\n", 5).remove(keys, kNever) == 2);
  CHECK_THROWS_AS(told("DELETED\r\nDELETED\r\n", 5).remove(keys, kNever), Error);
  CHECK_THROWS_AS(told("DELETED\r\nERROR\r\nDELETED\r\n", 5).remove(keys, kNever), Error);
}

TEST_CASE("memcached protocol: an answer that nobody asked for spoils the connection",
          "[memcached]") {
  Connection connection = told("END\r\nEND\r\n", 100);
  CHECK_FALSE(connection.next(kNever));
  CHECK_FALSE(connection.usable());
}
