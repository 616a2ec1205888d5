// A Redis tier whose values are sealed, and somebody who can write there and has no key.

#include <catch2/catch.hpp>

#include "querymark/redis/redis_tier.hpp"
#include "support/redis_server.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;

const Epoch kEpoch{1, 1};

std::shared_ptr<const ValueCodec> sealed_by(const std::string& key_name) {
  return std::make_shared<ValueCodec>(
      ValueCodecOptions{.keys = SealingKeys::parsed(key_name + ' ' + std::string(64, '5'))});
}

RedisTier tier_on(const RedisServer& server, std::shared_ptr<const ValueCodec> codec) {
  return RedisTier(server.url(), {.timeout = std::chrono::seconds(30), .codec = std::move(codec)});
}

SharedValue value(std::string_view text, std::uint64_t horizon) {
  return value_of(text, kEpoch, horizon, tag("a"));
}

const std::string kPlace = "qm:3:shop:" + name(1).hex();
constexpr std::size_t kOrder = 24;  // epoch and horizon, by which the server compares

}  // namespace

TEST_CASE("sealed redis tier: what the server compares must be what was sealed (hard case 89)",
          "[redis]") {
  const RedisServer server;
  RedisTier tier = tier_on(server, sealed_by("k"));
  tier.put("shop", name(1), value("old", 5));
  const std::string old_bytes = server.ask({"GET", kPlace});
  tier.put("shop", name(1), value("new", 9));
  const std::string new_bytes = server.ask({"GET", kPlace});
  REQUIRE(text_in(tier.get("shop", name(1))) == "new");
  std::string forged;
  SECTION("an older value in the place of a newer one") {
    forged = new_bytes.substr(0, kOrder) + old_bytes.substr(kOrder);
  }
  SECTION("a newer one that what is older would replace") {
    forged = old_bytes.substr(0, kOrder) + new_bytes.substr(kOrder);
  }
  SECTION("one that nothing would replace") {
    forged = old_bytes;
    forged.replace(kOrder - 8, 8, std::string(8, '\xFF'));
  }
  server.ask({"SET", kPlace, forged});
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.stats().corrupt == 1);
  CHECK(tier.stats().failures == 0);
}

TEST_CASE("sealed redis tier: an old value that is put back comes with its old stamp", "[redis]") {
  const RedisServer server;
  RedisTier tier = tier_on(server, sealed_by("k"));
  tier.put("shop", name(1), value("old", 5));
  const std::string old_bytes = server.ask({"GET", kPlace});
  tier.put("shop", name(1), value("new", 9));
  server.ask({"SET", kPlace, old_bytes});
  const auto found = tier.get("shop", name(1));
  REQUIRE(found);  // which readers judge by their marks
  CHECK(found->stamp.horizon.value == 5);
}

TEST_CASE("sealed redis tier: plain values and unknown keys are counted misses", "[redis]") {
  const RedisServer server;
  RedisTier tier = tier_on(server, sealed_by("k"));
  SECTION("plain") { tier_on(server, plain_values()).put("shop", name(1), value("forged", 5)); }
  SECTION("a key of another name") {
    tier_on(server, sealed_by("other")).put("shop", name(1), value("x", 5));
  }
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.stats().corrupt == 1);
  CHECK(tier.stats().failures == 0);
  CHECK(tier.put("shop", name(1), value("tea", 5)) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "tea");
  CHECK(text_in(tier_on(server, plain_values()).get("shop", name(1))) == "none");
}
