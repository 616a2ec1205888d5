// A file tier whose values are sealed, and somebody who can write the file and has no key.

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <chrono>

#include "querymark/file_tier/file_tier.hpp"
#include "support/temp_dir.hpp"
#include "support/tier_values.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

const Epoch kEpoch{1, 1};

std::shared_ptr<const ValueCodec> sealed_by(const std::string& key_name) {
  return std::make_shared<ValueCodec>(
      ValueCodecOptions{.keys = SealingKeys::parsed(key_name + ' ' + std::string(64, '5'))});
}

SharedValue value(std::string_view text, std::uint64_t horizon) {
  return value_of(text, kEpoch, horizon, tag("a"));
}

void execute(const std::string& path, const std::string& sql) {
  SQLite::Database raw(path, SQLite::OPEN_READWRITE);
  raw.exec(sql);
}

}  // namespace

TEST_CASE("sealed file tier: what the file says beside a value must be what was sealed (case 89)",
          "[file tier]") {
  const TempDir dir;
  const std::string path = dir.file("tier");
  FileTier tier(path, {.codec = sealed_by("k"), .busy_timeout = 30s});
  tier.put("shop", name(1), value("old", 5));
  REQUIRE(text_in(tier.get("shop", name(1))) == "old");
  SECTION("a later horizon") { execute(path, "update querymark_tier_entry set horizon = 9"); }
  SECTION("an earlier one, so that what is older would replace it") {
    execute(path, "update querymark_tier_entry set horizon = 1");
  }
  SECTION("another epoch") {
    execute(path, "update querymark_tier_entry set epoch = '" + Epoch{2, 2}.hex() + "'");
  }
  SECTION("an older body in a newer row") {
    execute(path, "create table kept as select value from querymark_tier_entry");
    tier.put("shop", name(1), value("new", 9));
    execute(path, "update querymark_tier_entry set value = (select value from kept)");
  }
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.stats().corrupt == 1);
  CHECK(tier.stats().failures == 0);
}

TEST_CASE("sealed file tier: a longer life in the file is not the value's", "[file tier]") {
  const TempDir dir;
  FileTier tier(dir.file("tier"), {.codec = sealed_by("k"), .busy_timeout = 30s});
  const SharedValue put = value("tea", 5);
  tier.put("shop", name(1), put);
  execute(dir.file("tier"), "update querymark_tier_entry set expires_at = expires_at + 1000000");
  const auto found = tier.get("shop", name(1));
  REQUIRE(found);
  CHECK(found->expires == put.expires);  // by which readers judge
}

TEST_CASE("sealed file tier: plain values and unknown keys are counted misses", "[file tier]") {
  const TempDir dir;
  FileTier tier(dir.file("tier"), {.codec = sealed_by("k"), .busy_timeout = 30s});
  SECTION("plain") {
    FileTier(dir.file("tier"), {.busy_timeout = 30s}).put("shop", name(1), value("forged", 5));
  }
  SECTION("a key of another name") {
    FileTier(dir.file("tier"), {.codec = sealed_by("other"), .busy_timeout = 30s})
        .put("shop", name(1), value("x", 5));
  }
  CHECK(text_in(tier.get("shop", name(1))) == "none");
  CHECK(tier.stats().corrupt == 1);
  CHECK(tier.stats().failures == 0);
  CHECK(tier.put("shop", name(1), value("tea", 5)) == StoreStatus::stored);
  CHECK(text_in(tier.get("shop", name(1))) == "tea");
  CHECK(text_in(FileTier(dir.file("tier"), {.busy_timeout = 30s}).get("shop", name(1))) == "none");
}

TEST_CASE("sealed file tier: it does not vouch for the newest stamp, which the file could hide",
          "[file tier]") {
  const TempDir dir;
  const FileTier plain(dir.file("plain"), {.busy_timeout = 30s});
  CHECK(plain.names_newest());
  FileTier tier(dir.file("tier"), {.codec = sealed_by("k"), .busy_timeout = 30s});
  tier.put("shop", name(1), value("tea", 5));
  CHECK_FALSE(tier.names_newest());  // so each value's witness is checked
  CHECK_FALSE(tier.newest(kEpoch));
}
