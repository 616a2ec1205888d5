// The operator's command that compares a shared tier with the database, where that is a Redis server, and what
// it holds is compressed and sealed.

#include <signal.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "querymark/redis/redis_tier.hpp"
#include "querymark/zstd/zstd_compression.hpp"
#include "support/child.hpp"
#include "support/redis_server.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::string kKey = "first " + std::string(64, 'a');
const std::string kOtherKey = "first " + std::string(64, 'b');

// An application over Redis that has forgotten its tags.
template <class World>
struct Forgetful {
  explicit Forgetful(ValueCodecOptions options = {}) {
    process.db.attach(
        RedisTier(server.socket_url(),
                  {.timeout = 30s, .codec = std::make_shared<ValueCodec>(std::move(options))}));
  }
  double price(std::int64_t id) {
    return process.db.query(World::kPriceOf, id).ttl(1h).fetch()[0][0].template as<double>();
  }
  // A file of this content that nobody else may read.
  std::string file(const std::string& name, const std::string& content) {
    const std::string path = dir.file(name);
    std::ofstream(path, std::ios::binary) << content;
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
    return path;
  }
  Finished reconcile(std::vector<std::int64_t> ids, std::vector<std::string> more = {},
                     const std::string& environment = "") {
    std::string calls;
    for (const std::int64_t id : ids)
      calls += json{{"sql", World::kPriceOf}, {"parameters", {id}}}.dump() + "\n";
    more.insert(more.begin(), {QUERYMARK_PROGRAM, "reconcile", file("calls", calls), "--db",
                               world.address(), "--tier", server.url(), "--namespace", "shop"});
    if (!environment.empty()) more.insert(more.begin(), {"/usr/bin/env", environment});
    return run(more);
  }

  World world;
  TempDir dir;
  RedisServer server;
  typename World::Process process{world.shop};
};

}  // namespace

TEMPLATE_TEST_CASE("cli reconcile, Redis: what the database contradicts is told, and removed",
                   "[cli]", QUERYMARK_WORLDS) {
  Forgetful<TestType> it;
  CHECK(it.price(1) == 2.5);
  CHECK(it.price(2) == 7);
  CHECK_THAT(it.reconcile({1, 2, 3}).output, Contains("3 calls: 2 agree, 1 absent"));
  it.world.shop.execute("update product set price = 9 where id = 1");
  CHECK(it.price(1) == 2.5);
  const Finished looked = it.reconcile({1, 2}, {"--dry-run"});
  CHECK(looked.code == 4);
  CHECK_THAT(looked.output, Contains("wrong: ") && Contains("1 agree") && Contains("1 wrong"));
  it.process.db.catch_up();
  CHECK(it.price(1) == 2.5);  // it has only looked
  CHECK(it.reconcile({1, 2}).code == 4);
  it.process.db.catch_up();
  CHECK(it.price(1) == 9);
  CHECK(it.price(2) == 7);
  CHECK_THAT(it.reconcile({1, 2}).output, Contains("2 agree") && Contains("0 wrong"));
  // Nobody has put anything there but the application.
  CHECK(it.server.ask({"DBSIZE"}) == "2");
}

TEMPLATE_TEST_CASE("cli reconcile, Redis: a value that was sealed or compressed is compared, too",
                   "[cli]", QUERYMARK_WORLDS) {
  const bool seals = GENERATE(true, false);
  Forgetful<TestType> it({.compression = zstd_compression(),
                          .compress_from = 0,
                          .keys = seals ? SealingKeys::parsed(kKey) : nullptr});
  const std::string keys = it.file("keys", kKey);
  CHECK(it.price(1) == 2.5);
  const std::vector<std::string> given =
      seals ? std::vector<std::string>{"--tier-keys", keys} : std::vector<std::string>{};
  CHECK_THAT(it.reconcile({1, 2}, given).output, Contains("1 agree, 1 absent"));
  it.world.shop.execute("update product set price = 9 where id = 1");
  const std::string environment = seals ? "QUERYMARK_TIER_KEYS=" + keys : "QUERYMARK_TIER_KEYS=";
  CHECK_THAT(it.reconcile({1}, {}, environment).output, Contains("1 wrong"));
  it.process.db.catch_up();
  CHECK(it.price(1) == 9);
}

TEST_CASE("cli reconcile, Redis: what is there but can't be read is no agreement", "[cli]") {
  Forgetful<SqliteWorld> it({.keys = SealingKeys::parsed(kKey)});
  CHECK(it.price(1) == 2.5);
  const std::string other = it.file("other", kOtherKey);
  for (const auto& given : {std::vector<std::string>{}, {"--tier-keys", other}}) {
    const Finished told = it.reconcile({1, 2}, given);
    CHECK(told.code == 1);
    CHECK_THAT(told.output, Contains("0 agree, 1 absent") && Contains("1 failed") &&
                                Contains("sealed with a key that was not given") &&
                                Contains("--tier-keys"));
  }
  CHECK(it.reconcile({1}, {"--tier-keys", "/nowhere"}).code == 2);
  CHECK(it.reconcile({1}, {"--tier-keys", it.file("no keys", "none")}).code == 2);
  Forgetful<SqliteWorld> plain;
  CHECK(plain.price(1) == 2.5);
  CHECK_THAT(plain.reconcile({1}, {"--tier-keys", other}).output,
             Contains("1 failed") && Contains("not sealed though a key was given"));
}

TEST_CASE("cli reconcile, Redis: a server that is down is told, and no absence", "[cli]") {
  Forgetful<SqliteWorld> it;
  CHECK(it.price(1) == 2.5);
  it.server.stop(SIGTERM);
  const Finished told = it.reconcile({1});
  CHECK(told.code == 3);
  CHECK_THAT(told.output, !Contains("absent"));
  it.server.start();  // empty
  CHECK_THAT(it.reconcile({1}).output, Contains("1 absent"));
}
