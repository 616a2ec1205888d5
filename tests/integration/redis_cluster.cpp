// The Redis tier on a real Redis Cluster of three masters and three replicas.

#include <signal.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "cluster_text.hpp"
#include "endpoint.hpp"
#include "querymark/redis/redis_tier.hpp"
#include "querymark/support/error.hpp"
#include "slots.hpp"
#include "support/await.hpp"
#include "support/redis_cluster.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using redis::slot_of;

constexpr std::size_t kMasters = RedisCluster::kMasters;

RedisTier patient(const std::string& url, RedisTierOptions options = {}) {
  options.timeout = 30s;
  return RedisTier(url, options);
}

std::string place_of(const Digest& name) { return "qm:3:shop:" + name.hex(); }
std::uint16_t slot_of(const Digest& name) { return slot_of(place_of(name)); }
std::size_t owner_of(const Digest& name) { return RedisCluster::first_owner(slot_of(name)); }

std::vector<TierRead> names(int from, int to) {
  std::vector<TierRead> wanted;
  for (int i = from; i < to; ++i) wanted.push_back({.name = name(i)});
  return wanted;
}

std::size_t found_in(const std::vector<TierRead>& wanted) {
  return static_cast<std::size_t>(
      std::ranges::count_if(wanted, [](const TierRead& one) { return one.value.has_value(); }));
}

// Several names of one slot, and the slot.
struct Together {
  std::vector<Digest> names;
  std::uint16_t slot = 0;
};

Together names_of_one_slot(std::size_t count) {
  std::map<std::uint16_t, std::vector<Digest>> slots;
  for (int i = 10'000;; ++i) {
    std::vector<Digest>& here = slots[slot_of(name(i))];
    here.push_back(name(i));
    if (here.size() == count) return {here, slot_of(name(i))};
  }
}

std::vector<TierRead> wanted(const std::vector<Digest>& names) {
  std::vector<TierRead> all;
  for (const Digest& one : names) all.push_back({.name = one});
  return all;
}

}  // namespace

TEST_CASE("redis cluster: a key's slot is what the servers say", "[redis]") {
  const RedisServer& server = RedisCluster::shared()[0];
  for (const std::string key :
       {"", "foo", "bar", "123456789", "{user1000}.following", "{user1000}.followers", "foo{}{bar}",
        "foo{{bar}}zap", "foo{bar}{zap}", "{", "}{", "{}", "a{b", "\xff\x00\n"})
    CHECK(std::to_string(slot_of(key)) == server.ask({"CLUSTER", "KEYSLOT", key}));
  CHECK(slot_of("{user1000}.following") == slot_of("{user1000}.followers"));
}

TEST_CASE("redis cluster: what servers say of it is read, and what can't be is left out",
          "[redis]") {
  using redis::owners_in;
  const auto owners = owners_in(
      "07c3 127.0.0.1:30004@31004,hostname4 slave e7d1 0 1426238317239 4 connected\n"
      "67ed 127.0.0.1:30002@31002,hostname2,shard-id=69 master - 0 1426238316232 2 connected "
      "5461-10922 16383\n"
      "e7d1 :30001@31001 myself,master - 0 0 1 connected 0-5460 [5461->-67ed] [7-<-07c3]\r\n"
      "aaaa ::1:30005@31005 master - 0 0 1 connected 7\n"
      "bbbb 127.0.0.1:0@1 master - 0 0 1 connected 8\n"
      "cccc some host:1@1 master - 0 0 1 connected 9\n"
      "dddd 127.0.0.1:30006@31006 master - 0 0 1 connected 16384 9-8 -5 1-99999999999 x\n"
      "\n \nnonsense");
  REQUIRE(owners.size() == 4);
  CHECK(owners[0].place == redis::Place{"127.0.0.1", "30002"});
  CHECK(owners[0].hostname == "hostname2");
  using Ranges = std::vector<std::pair<std::uint16_t, std::uint16_t>>;
  CHECK(owners[0].slots == Ranges{{5461, 10922}, {16383, 16383}});
  CHECK(owners[1].place == redis::Place{"", "30001"});
  CHECK(owners[1].slots == Ranges{{0, 5460}});
  CHECK(owners[2].place == redis::Place{"::1", "30005"});
  CHECK(owners[3].slots.empty());

  const auto error = [](std::string_view text) {
    return redis::redirect_in({.is = redis::Reply::Is::error, .text = text});
  };
  const auto ask = error("ASK 3999 ::1:6381");
  REQUIRE(ask);
  CHECK(ask->once);
  CHECK(ask->slot == 3999);
  CHECK(ask->place == redis::Place{"::1", "6381"});
  const auto moved = error("MOVED 16383 ?:6381");
  REQUIRE(moved);
  CHECK_FALSE(moved->once);
  CHECK(moved->place == redis::Place{"", "6381"});
  for (const char* text : {"", "MOVED", "MOVED 1", "MOVED 16384 a:1", "MOVED 1 a", "MOVED 1 a:0",
                           "MOVED 1 a b:7", "MOVED -1 a:7", "ERR MOVED 1 a:7", "ASK 1 a:70000"})
    CHECK_FALSE(error(text));
  CHECK_FALSE(redis::redirect_in({.is = redis::Reply::Is::text, .text = "MOVED 1 a:7"}));
}

TEST_CASE("redis cluster: its URL names some of its servers", "[redis]") {
  const redis::Servers servers =
      redis::parsed_servers("rediss+cluster://me:p%40s@one:7000,[::1]:7001,three");
  CHECK(servers.cluster);
  REQUIRE(servers.endpoints.size() == 3);
  for (const redis::Endpoint& endpoint : servers.endpoints) {
    CHECK(endpoint.transport == redis::Endpoint::Transport::tls);
    CHECK(endpoint.user == "me");
    CHECK(endpoint.password == "p@s");
  }
  CHECK(servers.endpoints[1].host == "::1");
  CHECK(servers.endpoints[2].port == "6379");
  CHECK(servers.label() == "rediss+cluster://one:7000,[::1]:7001,three:6379");
  CHECK(RedisTier("redis+cluster://me:secret@one,two").url() ==
        "redis+cluster://one:6379,two:6379");
  CHECK(redis::parsed_servers("redis+cluster://one/0").label() == "redis+cluster://one:6379");
  for (const char* url :
       {"redis+cluster:one", "redis+cluster://", "redis+cluster://one,", "redis+cluster://,one",
        "redis+cluster://one/1", "redis+cluster://one,two/x", "redis+cluster://me@one",
        "unix+cluster:/socket", "redis://one,two"})
    CHECK_THROWS_AS(RedisTier(url), ConfigError);
}

TEST_CASE("redis cluster: each value is where its slot is, and one read finds them all",
          "[redis]") {
  const RedisCluster& cluster = RedisCluster::shared();
  RedisTier tier = patient(cluster.url());
  CHECK_NOTHROW(tier.check());
  for (int i = 0; i < 60; ++i)
    REQUIRE(tier.put("shop", name(i), value_of(std::to_string(i))) == StoreStatus::stored);
  std::array<int, kMasters> there{};
  for (int i = 0; i < 60; ++i) {
    const std::size_t owner = owner_of(name(i));
    there.at(owner) += 1;
    CHECK(cluster[owner].ask({"EXISTS", place_of(name(i))}) == "1");
  }
  CHECK(std::ranges::all_of(there, [](int n) { return n > 0; }));
  std::vector<TierRead> all = names(0, 70);
  CHECK_FALSE(tier.read("shop", all));
  CHECK(found_in(all) == 60);
  for (int i = 0; i < 60; ++i)
    CHECK(text_in(all[static_cast<std::size_t>(i)].value) == std::to_string(i));
  CHECK(tier.stats().redirected == 0);
  CHECK(tier.stats().connects == kMasters);
  std::vector<Digest> gone;
  for (int i = 50; i < 70; ++i) gone.push_back(name(i));
  CHECK(tier.remove("shop", gone) == 10);
  std::vector<TierRead> rest = names(0, 70);
  CHECK_FALSE(tier.read("shop", rest));
  CHECK(found_in(rest) == 50);
}

TEST_CASE("redis cluster: a slot that moves amid a read costs no value (hard case 85)", "[redis]") {
  const RedisCluster& cluster = RedisCluster::shared();
  RedisTier tier = patient(cluster.url());
  const Together slot = names_of_one_slot(3);
  const std::size_t from = RedisCluster::first_owner(slot.slot);
  const std::size_t to = (from + 1) % kMasters;
  std::vector<Digest> of_all = slot.names;
  for (int i = 0; i < 10; ++i) of_all.push_back(name(i));
  for (const Digest& one : of_all)
    REQUIRE(tier.put("shop", one, value_of("tea")) == StoreStatus::stored);
  const auto found = [&] {
    std::vector<TierRead> all = wanted(of_all);
    CHECK_FALSE(tier.read("shop", all));
    return found_in(all);
  };
  cluster.begin_move(slot.slot, from, to);
  CHECK(found() == of_all.size());
  CHECK(tier.stats().redirected == 0);
  CHECK(cluster.move_key(place_of(slot.names[0]), from, to));
  CHECK(found() == of_all.size());  // one of them is asked of the other server
  CHECK(tier.stats().redirected == 1);
  CHECK(tier.remove("shop", std::vector{slot.names[0], slot.names[1]}) == 2);
  CHECK(found() == of_all.size() - 2);
  CHECK(tier.put("shop", slot.names[0], value_of("tea")) == StoreStatus::stored);
  CHECK(tier.put("shop", slot.names[1], value_of("tea")) == StoreStatus::stored);
  CHECK(cluster[to].ask({"CLUSTER", "COUNTKEYSINSLOT", std::to_string(slot.slot)}) == "2");
  CHECK(found() == of_all.size());
  CHECK(cluster.move_key(place_of(slot.names[2]), from, to));
  cluster.end_move(slot.slot, from, to);
  const std::uint64_t before = tier.stats().redirected;
  CHECK(found() == of_all.size());
  CHECK(tier.stats().redirected > before);
  const std::uint64_t after = tier.stats().redirected;
  CHECK(found() == of_all.size());  // where it is now is known
  CHECK(tier.stats().redirected == after);

  cluster.begin_move(slot.slot, to, from);
  for (const Digest& one : slot.names) CHECK(cluster.move_key(place_of(one), to, from));
  cluster.end_move(slot.slot, to, from);
  CHECK(found() == of_all.size());
}

TEST_CASE("redis cluster: readers of a slot that moves again and again miss nothing", "[redis]") {
  const RedisCluster& cluster = RedisCluster::shared();
  RedisTier tier = patient(cluster.url(), {.connections = 8});
  const Together slot = names_of_one_slot(2);
  std::vector<Digest> of_all = slot.names;
  for (int i = 0; i < 10; ++i) of_all.push_back(name(i));
  for (const Digest& one : of_all)
    REQUIRE(tier.put("shop", one, value_of("tea")) == StoreStatus::stored);
  std::atomic<bool> stop{false};
  std::atomic<int> rounds{0};
  std::atomic<int> missed{0};
  std::vector<std::thread> readers;
  for (int t = 0; t < 3; ++t)
    readers.emplace_back([&] {
      while (!stop) {
        std::vector<TierRead> all = wanted(of_all);
        if (tier.read("shop", all) || found_in(all) != of_all.size()) ++missed;
        ++rounds;
      }
    });
  std::size_t from = RedisCluster::first_owner(slot.slot);
  for (std::size_t move = 0; move < 2 * kMasters; ++move) {
    const std::size_t to = (from + 1) % kMasters;
    const auto let_them_read = [&, before = rounds.load()] {
      while (rounds < before + 6) std::this_thread::yield();
    };
    cluster.begin_move(slot.slot, from, to);
    for (const Digest& one : slot.names) {
      CHECK(cluster.move_key(place_of(one), from, to));
      let_them_read();
    }
    cluster.end_move(slot.slot, from, to);
    from = to;
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CAPTURE(tier.stats().last_failure);
  CHECK(missed == 0);
  CHECK(tier.stats().failures == 0);
}

TEST_CASE("redis cluster: who is sent in circles comes to an end", "[redis]") {
  const RedisCluster cluster;
  const std::uint16_t slot = slot_of(name(1));
  const std::size_t owner = RedisCluster::first_owner(slot);
  const std::size_t other = (owner + 1) % kMasters;
  RedisTier tier = patient(cluster.url());
  const auto id = [&](std::size_t at) { return cluster[at].ask({"CLUSTER", "MYID"}); };
  REQUIRE(tier.put("shop", name(2), value_of("tea")) == StoreStatus::stored);
  REQUIRE(cluster[owner].ask({"CLUSTER", "SETSLOT", std::to_string(slot), "NODE", id(other)}) ==
          "OK");
  std::vector<TierRead> both{{.name = name(1)}, {.name = name(2)}};
  const auto failure = tier.read("shop", both);
  REQUIRE(failure);
  CHECK(failure->tried);
  CHECK_THAT(failure->cause, Contains("send one to another"));
  CHECK(found_in(both) == 1);
}

TEST_CASE(
    "redis cluster: a server that is down costs the misses of its slots, until a replica is "
    "in its place",
    "[redis]") {
  RedisCluster cluster;
  RedisTier tier = patient(cluster.url());
  std::vector<Digest> all;
  std::size_t on_first = 0;
  for (int i = 0; i < 60; ++i) {
    all.push_back(name(i));
    on_first += owner_of(name(i)) == 0 ? 1U : 0U;
    REQUIRE(tier.put("shop", name(i), value_of("tea")) == StoreStatus::stored);
  }
  const auto is_copied = [&] { return cluster[3].ask({"DBSIZE"}) == cluster[0].ask({"DBSIZE"}); };
  while (!is_copied()) std::this_thread::yield();
  cluster[0].stop(SIGKILL);
  const auto read = [&](std::size_t& found) {
    std::vector<TierRead> some = wanted(all);
    const auto failure = tier.read("shop", some);
    found = found_in(some);
    return failure;
  };
  std::size_t found = 0;
  const auto failure = read(found);
  REQUIRE(failure);
  CHECK(failure->tried);
  CHECK(found == all.size() - on_first);
  CHECK(read(found));  // whether it was passed by, or has failed again
  CHECK(found == all.size() - on_first);
  const auto on_another =
      std::ranges::find_if(all, [](const Digest& one) { return owner_of(one) != 0; });
  CHECK(tier.put("shop", *on_another, value_of("tea")) == StoreStatus::stored);
  const auto on_it =
      std::ranges::find_if(all, [](const Digest& one) { return owner_of(one) == 0; });
  CHECK(tier.put("shop", *on_it, value_of("tea")) == StoreStatus::failed);
  CHECK_THROWS_AS(tier.remove("shop", all), Error);  // not all are removed for certain

  REQUIRE(cluster[3].ask({"CLUSTER", "FAILOVER", "TAKEOVER"}) == "OK");
  for (const Digest& one : all)
    if (owner_of(one) != 0) tier.put("shop", one, value_of("tea"));
  await("its breaker, and the others' news of it", 30s, [&] { return !read(found); });
  CHECK(found == all.size());
  CHECK(tier.put("shop", *on_it, value_of("cup")) != StoreStatus::failed);
  CHECK(tier.remove("shop", all) == all.size());
}

TEST_CASE("redis cluster: a replica that the others elect is found, and keeps what is put",
          "[redis]") {
  RedisCluster cluster({.elects = true});
  RedisTier tier = patient(cluster.url());
  std::vector<Digest> all;
  for (int i = 0; i < 60; ++i) {
    all.push_back(name(i));
    REQUIRE(tier.put("shop", name(i), value_of("tea")) == StoreStatus::stored);
  }
  while (cluster[3].ask({"DBSIZE"}) != cluster[0].ask({"DBSIZE"})) std::this_thread::yield();
  cluster[0].stop(SIGKILL);
  cluster.await_master(3);
  std::vector<TierRead> seen;
  await("the breaker of who is gone", 30s, [&] {
    seen = wanted(all);
    return !tier.read("shop", seen);
  });
  CHECK(found_in(seen) == all.size());
  // Who comes back as a replica sends to the master that took its place.
  cluster[0].start();
  for (const Digest& one : all)
    CHECK(tier.put("shop", one, value_of("cup")) == StoreStatus::stored);
  RedisTier late = patient("redis+cluster://127.0.0.1:" + std::to_string(cluster[0].port()));
  std::vector<TierRead> some = wanted(all);
  CHECK_FALSE(late.read("shop", some));
  CHECK(std::ranges::all_of(some, [](const TierRead& one) { return text_in(one.value) == "cup"; }));
}

TEST_CASE("redis cluster: over TLS each server must be who it says it is", "[redis]") {
  const TestCertificate certificate("DNS:localhost");
  const RedisCluster cluster({.certificate = certificate});
  RedisTier tier = patient(cluster.url(), {.ca_file = certificate.file()});
  CHECK_NOTHROW(tier.check());
  std::vector<TierRead> all = names(0, 60);
  for (const TierRead& one : all)
    CHECK(tier.put("shop", one.name, value_of("tea")) == StoreStatus::stored);
  CHECK_FALSE(tier.read("shop", all));
  CHECK(found_in(all) == all.size());
  CHECK(tier.stats().failures == 0);
  CHECK(tier.stats().connects >= kMasters);
  // Found under an address, which the certificate is not for; the others are found by their names.
  const std::string first = cluster.url().substr(0, cluster.url().find(','));
  std::string address = first;
  address.replace(address.find("localhost"), std::string("localhost").size(), "127.0.0.1");
  RedisTier by_address = patient(address, {.ca_file = certificate.file()});
  CHECK_THROWS_WITH(by_address.check(), Contains("certificate"));
  RedisTier unknown = patient(first);
  CHECK_THROWS_WITH(unknown.check(), Contains("certificate"));
  CHECK_FALSE(unknown.get("shop", name(1)));
}

TEST_CASE("redis cluster: a server that hangs keeps nobody from reading what others have",
          "[redis]") {
  const RedisCluster& cluster = RedisCluster::shared();
  RedisTier filler = patient(cluster.url());
  std::vector<Digest> all;
  std::size_t on_hanging = 0;
  for (int i = 0; i < 40; ++i) {
    all.push_back(name(i));
    REQUIRE(filler.put("shop", name(i), value_of("tea")) != StoreStatus::failed);
  }
  // The one that is asked first.
  const std::size_t hanging = owner_of(all[0]);
  for (const Digest& one : all) on_hanging += owner_of(one) == hanging ? 1U : 0U;
  RedisTier tier(cluster.url(), {.timeout = 2s});
  REQUIRE(tier.get("shop", all[0]));
  const RedisServer& server = cluster[hanging];
  ::kill(server.pid(), SIGSTOP);
  std::vector<TierRead> first = wanted(all);
  const auto failure = tier.read("shop", first);
  std::vector<TierRead> second = wanted(all);
  const auto passed_by = tier.read("shop", second);
  ::kill(server.pid(), SIGCONT);
  REQUIRE(failure);
  CHECK(failure->tried);
  CHECK(found_in(first) == all.size() - on_hanging);
  CHECK(passed_by);
  CHECK(found_in(second) == all.size() - on_hanging);
}

TEST_CASE("redis cluster: what is none is told, and one server of it where a cluster was not meant",
          "[redis]") {
  RedisTier none =
      patient("redis+cluster://127.0.0.1:" + std::to_string(RedisServer::shared().port()));
  CHECK_THROWS_AS(none.check(), ConfigError);
  CHECK_THROWS_WITH(none.check(), Contains("is no Redis Cluster"));
  CHECK_FALSE(none.get("shop", name(1)));
  CHECK_THAT(none.stats().last_failure, Contains("is no Redis Cluster"));
  const RedisCluster& cluster = RedisCluster::shared();
  const std::size_t other = (owner_of(name(1)) + 1) % kMasters;
  RedisTier one = patient(cluster[other].url());
  CHECK_FALSE(one.get("shop", name(1)));
  CHECK_THAT(one.stats().last_failure, Contains("use redis+cluster://"));
  RedisTier nobody = patient("redis+cluster://127.0.0.1:1,127.0.0.1:2");
  CHECK_THROWS_AS(nobody.check(), Error);
  CHECK_FALSE(nobody.get("shop", name(1)));
  CHECK(nobody.put("shop", name(1), value_of("tea")) == StoreStatus::failed);
  // One of them is enough.
  RedisTier half =
      patient("redis+cluster://127.0.0.1:1,127.0.0.1:" + std::to_string(cluster[0].port()));
  CHECK_NOTHROW(half.check());
}
