// The memcached tier on real servers; what every tier does is in conformance/tiers.cpp.

#include "querymark/memcached/memcached_tier.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <mutex>
#include <thread>
#include <vector>

#include "support/memcached_server.hpp"
#include "support/tcp_gate.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

// No slow machine makes a test's call end early.
MemcachedTier patient(const std::string& servers, MemcachedTierOptions options = {}) {
  options.timeout = 30s;
  return MemcachedTier(servers, options);
}

struct Three {
  [[nodiscard]] std::string urls() const {
    return servers[2].url() + ',' + servers[0].url() + ',' + servers[1].url();
  }
  std::array<MemcachedServer, 3> servers;
};

std::vector<TierRead> some_names(int count) {
  std::vector<TierRead> wanted(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) wanted[static_cast<std::size_t>(i)].name = name(i);
  return wanted;
}

long found_in(const std::vector<TierRead>& reads) {
  return std::ranges::count_if(reads, [](const TierRead& one) { return one.value.has_value(); });
}

}  // namespace

TEST_CASE("memcached tier: a value lives for its whole seconds, and never for ever (hard case 90)",
          "[memcached]") {
  const MemcachedServer server;
  ManualClock clock;
  MemcachedTier tier = patient(server.url(), {.clock = &clock});
  SharedValue value = value_of("tea");
  const auto left_of = [&](std::chrono::milliseconds life) {
    value.expires = clock.wall_now() + life;
    const StoreStatus status = tier.put("shop", name(1), value);
    if (status != StoreStatus::stored) return -1L;
    // HD t59: what is left; -1: for ever.
    const std::string answer = server.ask("mg " + memcached_key("shop", name(1)) + " t\r\n");
    REQUIRE(answer.starts_with("HD t"));
    return std::stol(answer.substr(4));
  };
  for (const auto life : {-1h, 0h}) CHECK(left_of(life) == -1);
  for (const auto life : {1ms, 500ms, 999ms}) CHECK(left_of(life) == -1);
  CHECK(server.held(memcached_key("shop", name(1))).empty());
  for (const auto& [life, seconds] : {std::pair<std::chrono::milliseconds, long>{61'999ms, 61},
                                      {3'600'000ms, 3'600},
                                      {24h * 30, 2'592'000},
                                      {24h * 31, 2'592'000},
                                      {24h * 365 * 100, 2'592'000}}) {
    const long left = left_of(life);
    CHECK(left <= seconds);
    CHECK(left > seconds - 40);
  }
  value.expires = WallTime(253'402'300'799'000ms);  // year 9999
  CHECK(tier.put("shop", name(2), value) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(2))) == "tea");
}

TEST_CASE("memcached tier: values are spread over the servers, alike by everybody", "[memcached]") {
  const Three three;
  MemcachedTier writer = patient(three.urls());
  MemcachedTier reader = patient("memcached://" + three.servers[0].url() + ',' +
                                 three.servers[1].url() + ',' + three.servers[2].url());
  CHECK(writer.servers() == reader.servers());
  for (int i = 0; i < 300; ++i)
    REQUIRE(writer.put("shop", name(i), value_of("tea")) == StoreStatus::stored);
  for (const MemcachedServer& server : three.servers) CHECK(server.stat("curr_items") > 50);
  auto wanted = some_names(300);
  CHECK_FALSE(reader.read("shop", wanted));
  CHECK(found_in(wanted) == 300);
  CHECK(reader.stats().hits == 300);
  CHECK_NOTHROW(reader.check());
}

TEST_CASE("memcached tier: a read of many names is one question to each server", "[memcached]") {
  const MemcachedServer server;
  TcpGate gate(server.port());
  MemcachedTier tier = patient("127.0.0.1:" + std::to_string(gate.port()));
  for (int i = 0; i < 50; i += 2) tier.put("shop", name(i), value_of("tea"));
  std::string asked;
  std::mutex mutex;
  gate.set_rule([&](bool to_server, const std::string& chunk) {
    const std::scoped_lock lock(mutex);
    if (to_server) asked += chunk;
    return TcpGate::Verdict::pass;
  });
  auto wanted = some_names(50);
  CHECK_FALSE(tier.read("shop", wanted));
  CHECK(found_in(wanted) == 25);
  const std::scoped_lock lock(mutex);
  CHECK(std::ranges::count(asked, '\n') == 1);
  CHECK(asked.starts_with("get "));
  CHECK(tier.stats().connects == 1);
}

TEST_CASE("memcached tier: a read of very many names and large values comes to its end",
          "[memcached]") {
  const MemcachedServer server({"-m", "256"});
  MemcachedTier tier = patient(server.url());
  const std::string large(100'000, 'x');
  for (int i = 0; i < 500; ++i) tier.put("shop", name(i), value_of(large));
  auto wanted = some_names(20'000);
  CHECK_FALSE(tier.read("shop", wanted));
  CHECK(found_in(wanted) == 500);
}

TEST_CASE("memcached tier: a server that is lost costs its own share, until it is back",
          "[memcached]") {
  Three three;
  ManualClock clock;
  MemcachedTier tier = patient(three.urls(), {.clock = &clock});
  SharedValue value = value_of("tea");
  value.expires = clock.wall_now() + 1h;
  const auto fill = [&] {
    int stored = 0;
    for (int i = 0; i < 300; ++i) stored += tier.put("shop", name(i), value) == StoreStatus::stored;
    return stored;
  };
  REQUIRE(fill() == 300);
  const long share = three.servers[1].stat("curr_items");
  three.servers[1].stop(SIGKILL);
  auto wanted = some_names(300);
  const auto failure = tier.read("shop", wanted);
  REQUIRE(failure);
  CHECK(failure->tried);
  CHECK_THAT(failure->cause, Contains(three.servers[1].url()));
  CHECK(found_in(wanted) == 300 - share);
  CHECK(fill() == 300 - share);  // and nobody else takes it over
  auto again = some_names(300);
  const auto skipped = tier.read("shop", again);
  REQUIRE(skipped);
  CHECK_FALSE(skipped->tried);
  CHECK(found_in(again) == 300 - share);
  std::vector<Digest> all;
  for (int i = 1000; i < 1020; ++i) all.push_back(name(i));
  CHECK_THROWS_AS(tier.remove("shop", all), Error);
  three.servers[1].start();
  clock.advance(1min);
  auto back = some_names(300);
  CHECK_FALSE(tier.read("shop", back));
  CHECK(found_in(back) == 300 - share);
  CHECK(fill() == 300);
}

TEST_CASE("memcached tier: one server more moves no more than its own share", "[memcached]") {
  const Three three;
  const MemcachedServer fourth;
  MemcachedTier before = patient(three.urls());
  for (int i = 0; i < 400; ++i) before.put("shop", name(i), value_of("tea"));
  MemcachedTier after = patient(three.urls() + ',' + fourth.url());
  auto wanted = some_names(400);
  CHECK_FALSE(after.read("shop", wanted));
  CHECK(found_in(wanted) > 240);
  for (const TierRead& one : wanted)
    if (!one.value) after.put("shop", one.name, value_of("tea"));
  CHECK(fourth.stat("curr_items") == 400 - found_in(wanted));
}

TEST_CASE("memcached tier: what is too large for the tier or for an item is not stored",
          "[memcached]") {
  const MemcachedServer small({"-I", "512k"});
  MemcachedTier tier = patient(small.url());
  CHECK(tier.put("shop", name(1), value_of(std::string(900'000, 'x'))) == StoreStatus::oversize);
  CHECK(tier.put("shop", name(1), value_of(std::string(1'000'000, 'x'))) == StoreStatus::oversize);
  CHECK(tier.put("shop", name(1), value_of("tea")) == StoreStatus::stored);
  CHECK(tier.stats().oversize == 2);
  CHECK(tier.stats().failures == 0);
  // The default fits into what a server takes by default.
  const MemcachedServer usual;
  MemcachedTier largest = patient(usual.url());
  std::size_t size = largest.limits().max_value_bytes;
  const auto status = [&] {
    return largest.put("shop", name(1), value_of(std::string(size, 'x')));
  };
  while (status() == StoreStatus::oversize) --size;
  CHECK(size > 999'000);
  CHECK(largest.get("shop", name(1))->rows.row(0)[0].view().size() == size);
}

TEST_CASE("memcached tier: many values are put by two round trips", "[memcached]") {
  const MemcachedServer server;
  TcpGate gate(server.port());
  MemcachedTier tier = patient("127.0.0.1:" + std::to_string(gate.port()));
  CHECK(tier.put("shop", name(0), value_of("later", Epoch{1, 1}, 9, tag("a"))) ==
        StoreStatus::stored);
  std::mutex mutex;
  int turns = 0;
  bool asking = false;
  gate.set_rule([&](bool to_server, const std::string&) {
    const std::scoped_lock lock(mutex);
    if (to_server && !asking) ++turns;
    asking = to_server;
    return TcpGate::Verdict::pass;
  });
  const SharedValue value = value_of("tea");
  std::vector<TierPut> puts(50);
  for (int i = 0; i < 50; ++i)
    puts[static_cast<std::size_t>(i)] = {.name = name(i), .value = &value};
  tier.put_many("shop", puts);
  {
    const std::scoped_lock lock(mutex);
    CHECK(turns == 2);
  }
  CHECK(tier.stats().connects == 1);
  for (int i = 0; i < 50; ++i) {
    CHECK(puts[static_cast<std::size_t>(i)].status ==
          (i == 0 ? StoreStatus::superseded : StoreStatus::stored));
    CHECK(text_in(tier.get("shop", name(i))) == (i == 0 ? "later" : "tea"));
  }
}

TEST_CASE("memcached tier: of many values each is told what became of it", "[memcached]") {
  const MemcachedServer small({"-I", "512k"});
  MemcachedTier tier = patient(small.url());
  const SharedValue tea = value_of("tea");
  const SharedValue large = value_of(std::string(900'000, 'x'));
  std::vector<TierPut> puts(100);
  for (std::size_t i = 0; i < puts.size(); ++i)
    puts[i] = {.name = name(static_cast<int>(i)), .value = i % 10 == 5 ? &large : &tea};
  tier.put_many("shop", puts);
  for (std::size_t i = 0; i < puts.size(); ++i) {
    CAPTURE(i);
    CHECK(puts[i].status == (i % 10 == 5 ? StoreStatus::oversize : StoreStatus::stored));
    CHECK(text_in(tier.get("shop", puts[i].name)) == (i % 10 == 5 ? "none" : "tea"));
  }
  CHECK(tier.stats().failures == 0);
}

TEST_CASE("memcached tier: a server that is lost loses its own share of many values",
          "[memcached]") {
  MemcachedServer gone;
  const MemcachedServer stays;
  MemcachedTier tier = patient(gone.url() + ',' + stays.url());
  gone.stop(SIGKILL);
  const SharedValue value = value_of("tea");
  std::vector<TierPut> puts(60);
  for (std::size_t i = 0; i < puts.size(); ++i)
    puts[i] = {.name = name(static_cast<int>(i)), .value = &value};
  tier.put_many("shop", puts);
  const auto stored = std::ranges::count(puts, StoreStatus::stored, &TierPut::status);
  CHECK(stored == stays.stat("curr_items"));
  CHECK(stored > 0);
  CHECK(std::ranges::count(puts, StoreStatus::failed, &TierPut::status) == 60 - stored);
  CHECK(stored < 60);
  CHECK(tier.stats().failures == 1);
  for (const TierPut& put : puts)
    CHECK((text_in(tier.get("shop", put.name)) == "tea") == (put.status == StoreStatus::stored));
}

TEST_CASE("memcached tier: who comes in between is looked at once more", "[memcached]") {
  const MemcachedServer server;
  TcpGate gate(server.port());
  MemcachedTier tier = patient("127.0.0.1:" + std::to_string(gate.port()));
  MemcachedTier direct = patient(server.url());
  std::atomic<bool> came{false};
  gate.set_rule([&](bool to_server, const std::string& chunk) {
    if (to_server && chunk.starts_with("add") && !came.exchange(true)) {
      direct.put("shop", name(1), value_of("earlier", Epoch{1, 1}, 3, tag("a")));
      direct.put("shop", name(2), value_of("later", Epoch{1, 1}, 9, tag("a")));
    }
    return TcpGate::Verdict::pass;
  });
  const SharedValue value = value_of("own");
  std::vector<TierPut> puts{{.name = name(1), .value = &value},
                            {.name = name(2), .value = &value},
                            {.name = name(3), .value = &value}};
  tier.put_many("shop", puts);
  CHECK(came);
  CHECK(puts[0].status == StoreStatus::stored);
  CHECK(puts[1].status == StoreStatus::superseded);
  CHECK(puts[2].status == StoreStatus::stored);
  CHECK(text_in(direct.get("shop", name(1))) == "own");
  CHECK(text_in(direct.get("shop", name(2))) == "later");
}

TEST_CASE("memcached tier: many who put many at once keep the latest of each", "[memcached]") {
  const MemcachedServer one;
  const MemcachedServer other;
  MemcachedTier tier = patient(one.url() + ',' + other.url());
  constexpr int kThreads = 6;
  constexpr int kNames = 20;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::uint64_t round = 0; round < 20; ++round) {
        const SharedValue value = value_of("x", Epoch{1, 1}, round * kThreads + t + 1, tag("a"));
        std::vector<TierPut> puts(kNames);
        for (int i = 0; i < kNames; ++i)
          puts[static_cast<std::size_t>(i)] = {.name = name(i), .value = &value};
        tier.put_many("shop", puts);
      }
    });
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kNames; ++i)
    CHECK(tier.get("shop", name(i))->stamp.horizon.value == 20 * kThreads);
}

TEST_CASE("memcached tier: what is no value of ours under a key of ours is a counted miss",
          "[memcached]") {
  const MemcachedServer server;
  MemcachedTier tier = patient(server.url(), {.max_value_bytes = 10'000});
  tier.put("shop", name(1), value_of("tea"));
  tier.put("shop", name(2), value_of("cup"));
  const std::string key = memcached_key("shop", name(0));
  const std::string tea = server.held(memcached_key("shop", name(1)));
  SECTION("nothing") { server.store(key, ""); }
  SECTION("a number") { server.store(key, "12"); }
  SECTION("zeros") { server.store(key, std::string(24, '\0')); }
  SECTION("another name's value, whole") { server.store(key, tea); }
  SECTION("far too large") { server.store(key, std::string(500'000, 'x')); }
  std::array<TierRead, 3> wanted{TierRead{name(1), {}}, TierRead{name(0), {}},
                                 TierRead{name(2), {}}};
  CHECK_FALSE(tier.read("shop", wanted));
  CHECK(text_in(wanted[0].value) == "tea");
  CHECK_FALSE(wanted[1].value);
  CHECK(text_in(wanted[2].value) == "cup");
  CHECK(tier.stats().corrupt == 1);
  CHECK(tier.put("shop", name(0), value_of("milk")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(0))) == "milk");
  CHECK(tier.stats().failures == 0);
}

TEST_CASE("memcached tier: what others compare by must be what the value says", "[memcached]") {
  const MemcachedServer server;
  MemcachedTier tier = patient(server.url());
  tier.put("shop", name(1), value_of("old", Epoch{1, 1}, 5, tag("a")));
  const std::string key = memcached_key("shop", name(1));
  std::string forged = server.held(key);
  forged[23] = '\x09';
  server.store(key, forged);
  CHECK_FALSE(tier.get("shop", name(1)));
  CHECK(tier.stats().corrupt == 1);
}

TEST_CASE("memcached tier: servers that can't be meant are refused", "[memcached]") {
  for (const std::string text :
       {"",        ",",      "a,",        ",a",           "a,,b",          "a:0",
        "a:65536", "a:x",    "a:",        "a:1:2",        "[::1",          "[]:1",
        "[::1]x",  "unix",   "UNIX:1",    "unix:",        "unix:relative", "redis://a",
        "a b",     "a\r\nb", "a,A:11211", "memcached://", "user@a",        "a/1"})
    CHECK_THROWS_AS(MemcachedTier(text), ConfigError);
  CHECK_THROWS_AS(MemcachedTier("unix:/" + std::string(200, 'x')), ConfigError);
  CHECK(MemcachedTier("B,a:1,[::1],unix:/run/m").servers() ==
        std::vector<std::string>{"[::1]:11211", "a:1", "b:11211", "unix:/run/m"});
  CHECK_THROWS_AS(MemcachedTier("a", {.prefix = ""}), ConfigError);
  CHECK_THROWS_AS(MemcachedTier("a", {.prefix = "a b"}), ConfigError);
  CHECK_THROWS_AS(MemcachedTier("a", {.connections = 0}), ConfigError);
  CHECK_THROWS_AS(MemcachedTier("a", {.max_value_bytes = 0}), ConfigError);
  CHECK_THROWS_AS(MemcachedTier("a", {.timeout = 0ms}), ConfigError);
}

TEST_CASE("memcached tier: it comes by name of the host", "[memcached]") {
  const MemcachedServer server;
  patient(server.url()).put("shop", name(1), value_of("tea"));
  CHECK(text_in(patient("localhost:" + std::to_string(server.port())).get("shop", name(1))) ==
        "tea");
}

TEST_CASE("memcached tier: it comes by unix socket", "[memcached]") {
  const MemcachedServer server({"-s", MemcachedServer::kSocket, "-a", "0777"});
  MemcachedTier tier = patient(server.url());
  CHECK(tier.put("shop", name(1), value_of("tea")) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "tea");
  CHECK(tier.servers().front() == server.url());
}
