// The operator's command that compares a shared tier with the database.

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "querymark/file_tier/file_tier.hpp"
#include "support/child.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

constexpr const char* kPrice = "select price from product where id = ?";

// An application with a tier, that has forgotten its tags.
struct Forgetful {
  explicit Forgetful(std::shared_ptr<const ValueCodec> codec = plain_values()) {
    process.db.attach(FileTier(tier, {.codec = std::move(codec)}));
  }
  double price(std::int64_t id) {
    return process.db.query(kPrice, id).ttl(1h).fetch()[0][0].as<double>();
  }
  Finished reconcile(const std::string& calls, std::vector<std::string> more = {}) {
    const std::string file = shop.file("calls");
    std::ofstream(file, std::ios::binary) << calls;
    more.insert(more.begin(),
                {QUERYMARK_PROGRAM, "reconcile", file, "--db", "sqlite:" + shop.path(), "--tier",
                 "sqlite:" + tier, "--namespace", "shop"});
    return run(more);
  }

  Shop shop;
  std::string tier = shop.file("tier");
  Process process{shop};
};

std::string call(std::int64_t id) {
  return json{{"sql", kPrice}, {"parameters", {id}}}.dump() + "\n";
}

}  // namespace

TEST_CASE("cli reconcile: what the database contradicts is told, and invalidated everywhere",
          "[cli]") {
  Forgetful it;
  CHECK(it.price(1) == 2.5);
  CHECK(it.price(2) == 7);
  const std::string calls = call(1) + "\n" + call(2) + call(3) + call(2);
  const Finished before = it.reconcile(calls);
  CHECK(before.code == 0);
  CHECK(before.output == "4 calls: 3 agree, 1 absent, 0 excused by a write, 0 wrong, 0 failed\n");
  it.shop.execute("update product set price = 9 where id = 1");
  CHECK(it.price(1) == 2.5);
  const Finished looked = it.reconcile(calls, {"--dry-run"});
  CHECK(looked.code == 4);
  CHECK_THAT(looked.output, Contains(std::string("wrong: ") + kPrice + " with 1"));
  it.process.db.catch_up();
  CHECK(it.price(1) == 2.5);
  const Finished found = it.reconcile(calls, {"--json"});
  CHECK(found.code == 4);
  std::istringstream lines(found.output);
  std::string first;
  REQUIRE(std::getline(lines, first));
  CHECK(json::parse(first)["became"] == "wrong");
  it.process.db.catch_up();
  CHECK(it.price(1) == 9);
  CHECK(it.reconcile(calls).code == 0);
}

TEST_CASE("cli reconcile: what an invalidation has reached is nobody's to find", "[cli]") {
  Forgetful it;
  CHECK(it.process.db.query(kPrice, std::int64_t{1}).tag(tag("prices")).ttl(1h).fetch().size() ==
        1);
  it.shop.execute("update product set price = 9 where id = 1");
  it.process.db.write([](Transaction& tx) { tx.invalidate(tag("prices")); });
  CHECK_THAT(it.reconcile(call(1)).output, Contains("1 absent") && Contains("0 wrong"));
}

TEST_CASE("cli reconcile: broken calls stand among good ones, and files that are none are told",
          "[cli]") {
  Forgetful it;
  CHECK(it.price(1) == 2.5);
  const Finished told = it.reconcile(json{{"sql", "selec 1"}}.dump() + "\n" + call(1) +
                                     json{{"sql", "select * from nobody"}}.dump());
  CHECK(told.code == 1);
  CHECK_THAT(told.output, Contains("1 agree") && Contains("2 failed") && Contains("nobody"));
  CHECK_THAT(it.reconcile("").output, Contains("0 calls"));
  CHECK(it.reconcile("not json").code == 2);
  CHECK_THAT(it.reconcile(call(1) + "{\"sql\": 7}").output, Contains("line 2"));
  CHECK(it.reconcile("{\"sql\": \"select 1\", \"parameters\": [{}]}").code == 2);
  CHECK(it.reconcile("[]").code == 2);
  const std::string missing = it.shop.file("missing");
  it.tier = missing;
  CHECK(it.reconcile(call(1)).code == 2);
  CHECK_FALSE(std::filesystem::exists(missing));
  it.tier = it.shop.path();  // a database is no tier
  CHECK(it.reconcile(call(1)).code == 2);
  it.tier = it.shop.file("tier");
  // Types are part of what is asked.
  CHECK_THAT(it.reconcile(json{{"sql", kPrice}, {"parameters", {1.0}}}.dump()).output,
             Contains("1 absent"));
}

TEST_CASE("cli reconcile: a call that is not what it seems is refused, not looked for as another",
          "[cli]") {
  Forgetful it;
  const auto refused = [&](const std::string& line) {
    const Finished finished = it.reconcile(line);
    CHECK(finished.code == 2);
    return finished.output;
  };
  CHECK_THAT(refused(R"({"sql": "select 1", "paramters": [7]})"),
             Contains("unknown field \"paramters\""));
  CHECK_THAT(refused(R"({"sql": "select ?", "parameters": 7})"), Contains("is a list, not 7"));
  CHECK_THAT(refused(R"({"sql": "select ?", "parameters": [18446744073709551615]})"),
             Contains("outside of 64 bits"));
  CHECK_THAT(refused(R"({"sql": "select 1", "scope": 7})"), Contains("\"scope\" is a text"));
  for (const char* none : {"[]", "7", "null", "{}"})
    CHECK_THAT(refused(none), Contains("line 1: a call is an object such as {\"sql\""));
  CHECK_THAT(refused("{"), Contains("line 1 is no JSON"));
  CHECK(it.reconcile(R"({"sql": "select ?", "parameters": [9223372036854775807]})").code == 0);
}

TEST_CASE("cli reconcile: calls that never end are refused, before any is looked at", "[cli]") {
  const Forgetful it;
  const std::string options =
      " --namespace shop --db sqlite:" + it.shop.path() + " --tier sqlite:" + it.tier;
  const Finished device =
      run({"/bin/sh", "-c", QUERYMARK_PROGRAM " reconcile /dev/zero" + options});
  CHECK(device.code == 2);
  CHECK_THAT(device.output, Contains("the file of calls /dev/zero has more than 64 MiB"));
  const Finished piped =
      run({"/bin/sh", "-c",
           R"(yes '{"sql": "select 1"}' | )" QUERYMARK_PROGRAM " reconcile -" + options});
  CHECK(piped.code == 2);
  CHECK(piped.output == "querymark: standard input has more than 64 MiB\n");
}

TEST_CASE("cli reconcile: what is sealed is compared by its key, and else no agreement", "[cli]") {
  const std::string keys = "first " + std::string(64, 'a');
  Forgetful it(std::make_shared<ValueCodec>(ValueCodecOptions{.keys = SealingKeys::parsed(keys)}));
  CHECK(it.price(1) == 2.5);
  const Finished blind = it.reconcile(call(1) + call(2));
  CHECK(blind.code == 1);
  CHECK_THAT(blind.output, Contains("--tier-keys") && Contains("1 absent") && Contains("1 failed"));
  const std::string file = it.shop.file("keys");
  std::ofstream(file, std::ios::binary) << keys;
  std::filesystem::permissions(file, std::filesystem::perms::owner_read);
  CHECK(it.reconcile(call(1), {"--tier-keys", file}).code == 0);
  it.shop.execute("update product set price = 9 where id = 1");
  CHECK(it.reconcile(call(1), {"--tier-keys", file}).code == 4);
  it.process.db.catch_up();
  CHECK(it.price(1) == 9);
}

TEST_CASE("cli reconcile: memcached servers are not looked into, and it says so", "[cli]") {
  Forgetful it;
  const std::string file = it.shop.file("calls");
  std::ofstream(file, std::ios::binary) << call(1);
  const Finished told = run({QUERYMARK_PROGRAM, "reconcile", file, "--db",
                             "sqlite:" + it.shop.path(), "--tier", "memcached://me:11211"});
  CHECK(told.code == 2);
  CHECK_THAT(told.output, Contains("memcached") && Contains("only into file tiers and Redis"));
}
