// The feed in a real Redis Cluster: each log is at home in one slot, which moves, and whose server dies.

#include <signal.h>

#include <array>
#include <catch2/catch.hpp>
#include <future>
#include <string>

#include "slots.hpp"
#include "support/await.hpp"
#include "support/feed_world.hpp"
#include "support/redis_cluster.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

const Target kProduct = entity("product", 1);

std::string place_of(const std::string& log) { return "{qm:feed:shop:" + log + "}:"; }

// What the server says behind `name` in one section of INFO.
std::string info(const RedisServer& server, const std::string& section, const std::string& name) {
  const std::string all = server.ask({"INFO", section});
  const std::size_t at = all.find(name);
  if (at == std::string::npos) return "0";
  const std::size_t from = at + name.size();
  return all.substr(from, all.find_first_not_of("0123456789", from) - from);
}

// A command has no way to tell that it waits.
void await_info(const RedisServer& server, const std::string& section, const std::string& name,
                const std::string& value) {
  await(name, 60s, [&] { return info(server, section, name) == value; });
}

void see(Handed& handed, Follower& follower) {
  const std::uint64_t before = follower.marks.generation();
  static_cast<void>(handed.write(kProduct));
  follower.subscriber.catch_up();
  CHECK_FALSE(follower.unchanged(before, kProduct));
}

}  // namespace

TEST_CASE("redis feed: a follower misses nothing while the feed's slot moves (hard case 85)",
          "[redis]") {
  const RedisCluster& cluster = RedisCluster::shared();
  const std::string place = place_of("moving");
  const std::uint16_t slot = redis::slot_of(place);
  Handed handed(cluster.url(), "moving", 30s);
  handed.work();
  Follower follower(handed, 60s);
  follower.subscriber.begin();
  see(handed, follower);
  std::size_t from = RedisCluster::first_owner(slot);
  for (std::size_t moves = 0; moves < RedisCluster::kMasters; ++moves) {
    const std::size_t to = (from + 1) % RedisCluster::kMasters;
    cluster.begin_move(slot, from, to);
    for (const char* key : {"beat", "asks", "stream", "rings", "news"}) {
      CHECK(cluster.move_key(place + key, from, to));
      see(handed, follower);
    }
    // Those that there are: what is not there yet comes into being where the slot goes.
    for (int bucket = 0; bucket < 16; ++bucket)
      static_cast<void>(cluster.move_key(place + "bucket:" + std::to_string(bucket), from, to));
    see(handed, follower);
    cluster.end_move(slot, from, to);
    see(handed, follower);
    from = to;
  }
  CHECK(follower.log.gaps() == 0);
  CHECK(follower.marks.restarts() == 1);
  CHECK(handed.worker->stats().died == 0);
}

TEST_CASE("redis feed: what a beat continues is read, also where the beat has moved first",
          "[redis]") {
  const RedisCluster& cluster = RedisCluster::shared();
  const std::string place = place_of("order");
  const std::uint16_t slot = redis::slot_of(place);
  RedisFeed feed(cluster.url(), {.timeout = 60s});
  const FeedName name{"order", "shop"};
  const auto writer = feed.writer(name);
  const auto reader = feed.reader(name);
  writer->append("first");
  writer->beat("beat");
  const std::size_t from = RedisCluster::first_owner(slot);
  const std::size_t to = (from + 1) % RedisCluster::kMasters;
  cluster.begin_move(slot, from, to);
  CHECK(cluster.move_key(place + "beat", from, to));
  static_cast<void>(reader->read({}));  // both are connected to
  const std::string reads = info(cluster[from], "commandstats", "cmdstat_xread:calls=");
  ::kill(cluster[to].pid(), SIGSTOP);
  auto page = std::async(std::launch::async, [&] { return reader->read({}); });
  await_info(cluster[from], "commandstats",
             "cmdstat_xread:calls=", std::to_string(std::stoi(reads) + 1));
  const std::string added = cluster[from].ask({"XADD", place + "stream", "*", "c", "second"});
  ::kill(cluster[to].pid(), SIGCONT);
  const FeedPage read = page.get();
  CHECK(read.beat == "beat");
  CHECK(read.entries == std::vector<std::string>{"first", "second"});
  CHECK(read.last == added);
  CHECK(cluster.move_key(place + "stream", from, to));
  CHECK(cluster.move_key(place + "news", from, to));
  cluster.end_move(slot, from, to);
  CHECK(reader->read({}).entries.size() == 2);
}

TEST_CASE("redis feed: whoever waits for the bell is rung by the server that has the slot now",
          "[redis]") {
  const RedisCluster& cluster = RedisCluster::shared();
  const std::uint16_t slot = redis::slot_of(place_of("bell"));
  const std::size_t from = RedisCluster::first_owner(slot);
  const std::size_t to = (from + 1) % RedisCluster::kMasters;
  RedisFeed feed(cluster.url(), {.timeout = 60s});
  const FeedName name{"bell", "shop"};
  const auto bell = feed.doorbell(name);
  const auto writer = feed.writer(name);
  const auto rung_after = [&](std::size_t at, auto&& deed) {
    auto rung = std::async(std::launch::async, [&] { bell->wait(10min); });
    await_info(cluster[at], "clients", "blocked_clients:", "1");
    deed();
    const bool in_time = rung.wait_for(60s) == std::future_status::ready;
    if (!in_time) bell->interrupt();
    rung.get();
    return in_time;
  };
  CHECK(rung_after(from, [&] { writer->append("one"); }));
  // Its key is there, then it is on its way, then it is where the slot is.
  CHECK(rung_after(from, [&] {
    cluster.begin_move(slot, from, to);
    CHECK(cluster.move_key(place_of("bell") + "stream", from, to));
    CHECK(cluster.move_key(place_of("bell") + "news", from, to));
    cluster.end_move(slot, from, to);
    await_info(cluster[to], "clients", "blocked_clients:", "1");
    writer->append("two");
  }));
  cluster.begin_move(slot, to, from);
  CHECK(cluster.move_key(place_of("bell") + "stream", to, from));
  CHECK(cluster.move_key(place_of("bell") + "news", to, from));
  auto fresh = feed.doorbell(name);
  auto rung = std::async(std::launch::async, [&] { fresh->wait(10min); });
  await_info(cluster[from], "clients", "blocked_clients:", "1");
  writer->append("three");
  CHECK(rung.wait_for(60s) == std::future_status::ready);
  fresh->interrupt();
  rung.get();
  cluster.end_move(slot, to, from);
}

TEST_CASE(
    "redis feed: a replica takes the place of the feed's server, and nothing stale is trusted",
    "[redis]") {
  const RedisCluster cluster;
  const std::uint16_t slot = redis::slot_of(place_of("taken"));
  const std::size_t owner = RedisCluster::first_owner(slot);
  Handed handed(cluster.url(), "taken");
  handed.work();
  Follower follower(handed);
  follower.subscriber.begin();
  see(handed, follower);
  cluster[owner].stop(SIGKILL);
  const std::uint64_t before = follower.marks.generation();
  static_cast<void>(handed.write(kProduct));
  CHECK_THROWS_AS(follower.subscriber.catch_up(), Error);
  REQUIRE(cluster[owner + RedisCluster::kMasters].ask({"CLUSTER", "FAILOVER", "TAKEOVER"}) == "OK");
  await("the follower has seen the write", 60s, [&] {
    try {
      follower.subscriber.catch_up();
    } catch (const Error&) {  // the others' news of it, and the worker's breaker
    }
    return !follower.unchanged(before, kProduct);
  });
}
