// Processes that never read the database's log: the executable `querymark` hands it on through a real
// Redis server.

#include <signal.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <memory>
#include <pqxx/connection>
#include <pqxx/nontransaction>
#include <thread>

#include "querymark/redis/redis_feed.hpp"
#include "support/await.hpp"
#include "support/child.hpp"
#include "support/pg_shop.hpp"
#include "support/redis_cluster.hpp"
#include "support/redis_server.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

// Of a Redis server or a cluster.
std::vector<std::string> worker(const PgShop& shop, const auto& redis) {
  return {QUERYMARK_PROGRAM, "worker",    "--db",      shop.url(), "--namespace", "shop",
          "--target",        redis.url(), "--poll-ms", "200"};
}

postgres::Options following(const auto& redis) {
  postgres::Options options = PgProcess::quick();
  options.feed = std::make_shared<RedisFeed>(redis.url(), RedisFeedOptions{.timeout = 5s});
  return options;
}

[[maybe_unused]] const std::string kKeyOne = "one " + std::string(64, '1') + '\n';
[[maybe_unused]] const std::string kKeyTwo = "two " + std::string(64, '2') + '\n';
[[maybe_unused]] void write_keys(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  REQUIRE(::chmod(path.c_str(), 0600) == 0);
}

// Until the follower's reads are answered again.
void catch_up_at_last(PgProcess& process) {
  for (int tries = 0;; ++tries) {
    try {
      process.db.catch_up();
      return;
    } catch (const Error& failure) {
      INFO(failure.what());
      REQUIRE(tries < 20);
    }
  }
}

// A user of the shop who may neither read the log nor enter among those who follow it.
std::string user_without_log(const PgShop& shop) {
  shop.execute(
      "do $$ begin create role unread login; exception when duplicate_object then null; end $$;"
      "grant usage on schema querymark to unread;"
      "grant select on querymark.meta, querymark.schema, querymark.history to unread;"
      "grant insert (namespace, kind, target, reason, write_id) on querymark.log to unread;"
      "grant select, update on product to unread");
  return shop.server().url(shop.name(), "unread");
}

}  // namespace

TEST_CASE("followers: a process without the log sees what others write, and they see what it does",
          "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  // Who comes first in a history names it, for which the user has no right.
  std::vector<std::string> once = worker(shop, redis);
  once.emplace_back("--once");
  CHECK(run(once).code == 0);
  Child working(worker(shop, redis));
  PgProcess follower(user_without_log(shop), following(redis));
  PgProcess other(shop);

  CHECK(follower.price(1)[0] == 2.5);
  CHECK(follower.price(1).outcome().is_hit());
  const Receipt receipt = other.set_price(1, 3);
  CHECK(follower.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(follower.price(1)[0] == 3);

  // Strong, without a receipt.
  static_cast<void>(other.set_price(1, 4));
  follower.db.catch_up();
  CHECK(follower.price(1)[0] == 4);

  const Receipt own = follower.set_price(2, 8);
  CHECK(follower.db.wait(own, Wait::local(0ms)).satisfied());
  CHECK(follower.price(2)[0] == 8);
  CHECK(other.db.wait(own, Wait::local(10s)).satisfied());
  CHECK(other.price(2)[0] == 8);
  // Who waits for everybody waits for it, too.
  CHECK(other.db.wait(other.set_price(1, 5), Wait::cluster(30s)).satisfied());
  CHECK(follower.price(1)[0] == 5);
}

TEST_CASE(
    "followers: a follower's own write reaches the others before they next look by themselves",
    "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  std::vector<std::string> rarely = worker(shop, redis);
  rarely.back() = "3600000";
  Child working(rarely);
  postgres::Options options = following(redis);
  options.max_lag = 3h;
  options.poll_interval = 1h;
  PgProcess one(shop, options);
  PgProcess other(shop, options);
  CHECK(other.price(1)[0] == 2.5);
  static_cast<void>(one.set_price(1, 3));
  await("the other has seen the write", 30s, [&] { return other.price(1)[0] == 3; });
}

TEST_CASE("followers: the log is handed on through a Redis Cluster as through one server",
          "[followers]") {
  const PgShop shop;
  const RedisCluster cluster;
  Child working(worker(shop, cluster));
  PgProcess follower(shop, following(cluster));
  PgProcess other(shop);
  CHECK(follower.price(1)[0] == 2.5);
  const Receipt receipt = other.set_price(1, 3);
  CHECK(follower.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(follower.price(1)[0] == 3);
  CHECK(other.db.wait(receipt, Wait::cluster(30s)).satisfied());
}

#ifdef FOLLOWER_EXAMPLE
TEST_CASE("followers: the example answers from its memory, and with what others have written",
          "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  const std::string user = user_without_log(shop);
  std::vector<std::string> once = worker(shop, redis);
  once.emplace_back("--once");
  REQUIRE(run(once).code == 0);
  const Child working(worker(shop, redis));
  Child one({FOLLOWER_EXAMPLE, user, redis.url()});
  Child two({FOLLOWER_EXAMPLE, user, redis.url()});
  CHECK_THAT(one.ask("price 1"), Contains("2.50, a miss"));
  CHECK_THAT(one.ask("price 1"), Contains("2.50, a hit"));
  CHECK(two.ask("set 1 3.5") == "1 row");
  CHECK_THAT(one.ask("now 1"), Contains("3.50, a miss"));
  CHECK_THAT(one.ask("price 1"), Contains("3.50, a hit"));
  CHECK_THAT(two.ask("price 1"), Contains("3.50"));
}

TEST_CASE("followers: with keys, who has none is answered by nobody", "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  const TempDir dir;
  const std::string keys = dir.file("keys");
  write_keys(keys, kKeyOne);
  std::vector<std::string> command = worker(shop, redis);
  command.insert(command.begin(), {"/usr/bin/env", "QUERYMARK_FEED_KEYS=" + keys});
  const Child working(command);
  Child follower({FOLLOWER_EXAMPLE, shop.url(), redis.url(), keys});
  PgProcess other(shop);
  CHECK_THAT(follower.ask("price 1"), Contains("2.50, a miss"));
  static_cast<void>(other.set_price(1, 3.5));
  CHECK_THAT(follower.ask("now 1"), Contains("3.50, a miss"));
  const Finished without = run({FOLLOWER_EXAMPLE, shop.url(), redis.url()});
  CHECK(without.code != 0);
  CHECK_THAT(without.output, Contains("no worker hands on the log"));
}

TEST_CASE("followers: keys are changed on SIGHUP, while followers go on", "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  const TempDir dir;
  const std::string keys = dir.file("keys");
  write_keys(keys, kKeyOne);
  std::ofstream(dir.file("worker.toml"))
      << "db = \"" << shop.url() << "\"\nnamespace = \"shop\"\ntarget = \"" << redis.url()
      << "\"\npoll = \"200ms\"\njson = true\nfeed_keys = \"" << keys << "\"\n";
  Child working({QUERYMARK_PROGRAM, "worker", "--config", dir.file("worker.toml")});
  const std::string both = dir.file("both");
  write_keys(both, kKeyOne + kKeyTwo);
  Child follower({FOLLOWER_EXAMPLE, shop.url(), redis.url(), both});
  PgProcess other(shop);
  CHECK_THAT(follower.ask("price 1"), Contains("2.50, a miss"));

  // The path is the same, what stands there is not.
  write_keys(keys, kKeyTwo + kKeyOne);
  working.signal(SIGHUP);
  while (working.hear().find("\"reloaded\"") == std::string::npos) {
  }
  const std::string later = dir.file("later");
  write_keys(later, kKeyTwo);
  Child new_one({FOLLOWER_EXAMPLE, shop.url(), redis.url(), later});
  CHECK_THAT(new_one.ask("price 1"), Contains("2.50, a miss"));
  static_cast<void>(other.set_price(1, 3.5));
  CHECK_THAT(follower.ask("now 1"), Contains("3.50, a miss"));
  CHECK_THAT(new_one.ask("now 1"), Contains("3.50, a miss"));
}
#endif

TEST_CASE("followers: what somebody else puts in the feed's place costs misses, and is told",
          "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  std::vector<std::string> command = worker(shop, redis);
  command.emplace_back("--json");
  Child working(command);
  PgProcess other(shop);
  pqxx::connection own(shop.url());
  const auto id = pqxx::nontransaction(own)
                      .exec("select database_id from querymark.meta")[0][0]
                      .as<std::string>();
  const std::string stream = "{qm:feed:shop:" + id + "}:stream";
  redis.ask({"SET", stream, "somebody else's"});
  static_cast<void>(other.set_price(1, 3));
  for (std::string line = working.hear(); line.find(stream + ":aside") == std::string::npos;)
    line = working.hear();
  PgProcess follower(shop, following(redis));
  CHECK(follower.price(1)[0] == 3);
  CHECK(redis.ask({"GET", stream + ":aside"}) == "somebody else's");
}

TEST_CASE("followers: a killed worker proves nothing, and its successor goes on", "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  auto working = std::make_unique<Child>(worker(shop, redis));
  postgres::Options options = following(redis);
  options.max_lag = 1s;
  PgProcess follower(shop, options);
  PgProcess other(shop);
  CHECK(follower.price(1)[0] == 2.5);
  working->signal(SIGKILL);
  working.reset();
  const Receipt receipt = other.set_price(1, 3);
  // Within its lag it may serve what it knows; what it is asked for for certain, it reads.
  CHECK(follower.price(1)[0] >= 2.5);
  CHECK_FALSE(follower.db.wait(receipt, Wait::local(100ms)).satisfied());
  working = std::make_unique<Child>(worker(shop, redis));
  catch_up_at_last(follower);
  CHECK(follower.price(1)[0] == 3);
}

TEST_CASE("followers: a Redis that comes back empty or older costs misses alone", "[followers]") {
  const PgShop shop;
  RedisServer redis;
  Child working(worker(shop, redis));
  PgProcess follower(shop, following(redis));
  PgProcess other(shop);
  double price = 10;
  const auto change_and_look = [&] {
    static_cast<void>(other.set_price(1, ++price));
    catch_up_at_last(follower);
    CHECK(follower.price(1)[0] == price);
  };
  change_and_look();
  redis.ask({"SAVE"});
  change_and_look();
  redis.stop(SIGKILL);  // back with what the SAVE knew
  redis.start();
  change_and_look();
  redis.ask({"FLUSHALL"});
  change_and_look();
}

TEST_CASE("followers: what the database becomes is carried by the feed", "[followers]") {
  const PgShop shop;
  const RedisServer redis;
  Child working(worker(shop, redis));
  PgProcess follower(shop, following(redis));
  CHECK(follower.price(1)[0] == 2.5);
  const Epoch before = epoch_of(follower);
  shop.execute("truncate querymark.incarnation");  // as a crash of the server does
  PgProcess other(shop);
  static_cast<void>(other.set_price(1, 3));
  catch_up_at_last(follower);
  CHECK(epoch_of(follower) != before);
  CHECK(follower.price(1)[0] == 3);
}

TEST_CASE("followers: what a standby gives that lags behind is known to be older (hard case 86)",
          "[followers]") {
  const PgShop shop;
  const auto standby = PostgresServer::standby_of(shop.server());
  standby->await_replay(shop.server());
  const RedisServer redis;
  Child working(worker(shop, redis));
  postgres::Options options = following(redis);
  options.replica_url = standby->url(shop.name());
  PgProcess follower(shop, options);
  PgProcess other(shop);
  pqxx::connection own(standby->url(shop.name()));
  const auto on_standby = [&](const char* sql) {
    return pqxx::nontransaction(own).exec(sql)[0][0].as<std::string>("");
  };
  on_standby("select pg_wal_replay_pause()");
  while (on_standby("select pg_get_wal_replay_pause_state()") != "paused")
    std::this_thread::yield();
  const Receipt receipt = other.set_price(1, 3);
  REQUIRE(follower.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(follower.price(1)[0] == 3);
  CHECK(follower.price(1).outcome().is_hit());
  CHECK(follower.cache.stats().replica_stale == 1);
  CHECK(follower.price(3)[0] == 30);  // nothing is known of it
  CHECK(follower.cache.stats().replica_stale == 1);
  CHECK(follower.db.replica().loads == 2);
}

TEST_CASE("cli: the log of a SQLite database is not handed on, and the worker says why",
          "[followers]") {
  const TempDir dir;
  const std::string database = "sqlite:" + dir.file("shop.db");
  REQUIRE(run({QUERYMARK_PROGRAM, "migrate", "--db", database}).code == 0);
  const Finished refused = run(
      {QUERYMARK_PROGRAM, "worker", "--db", database, "--target", "redis://127.0.0.1:1", "--once"});
  CHECK(refused.code == 2);
  CHECK_THAT(refused.output, Contains("has its log at hand") && !Contains("127.0.0.1"));
}

TEST_CASE("cli: a Redis server is a target, and holds no log", "[followers]") {
  const RedisServer& redis = RedisServer::shared();
  const Finished no_log = run({QUERYMARK_PROGRAM, "migrate", "--db", redis.url()});
  CHECK(no_log.code == 2);
  CHECK_THAT(no_log.output, Contains("holds no log"));
}
