#include "querymark/file_tier/file_tier.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <barrier>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "support/rows.hpp"
#include "support/shop.hpp"
#include "support/tier_values.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

// Deadlines are long: on a loaded machine a call may take longer than the usual tenth of a second, and the next ones would
// pass the tier by.

TEST_CASE("file tier: what one process stores, another reads, also after a restart",
          "[file tier]") {
  const Shop shop;
  {
    Process first(shop);
    first.db.attach(FileTier(shop.file("tier"), {.busy_timeout = 30s}));
    CHECK(first.price(1).outcome().origin == Origin::database);
  }
  Process second(shop);
  second.db.attach(FileTier(shop.file("tier"), {.busy_timeout = 30s}));
  const auto shared = second.price(1);
  CHECK(shared.outcome().origin == Origin::shared_tier);
  CHECK(shared[0] == 2.5);
  CHECK(second.price(1).outcome().origin == Origin::memory);
  CHECK(second.cache.stats().shared_hits == 1);
  // The same query untyped, and under another type, is the same shared value.
  const auto untyped = second.db.query("select price from product where id = ?", 1)
                           .tag(entity("product", 1))
                           .fetch();
  CHECK(untyped.outcome().origin == Origin::shared_tier);
}

TEST_CASE("file tier: the reader's own marks decide, whatever the file holds", "[file tier]") {
  const Shop shop;
  Process reader(shop);
  Process writer(shop);
  reader.db.attach(FileTier(shop.file("tier"), {.busy_timeout = 30s}));
  writer.db.attach(FileTier(shop.file("tier"), {.busy_timeout = 30s}));
  static_cast<void>(writer.price(1));
  const Receipt receipt =
      writer.set_price(1, 3.25);  // no worker runs: the file keeps the old value
  REQUIRE(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  const auto fresh = reader.price(1);
  CHECK(fresh[0] == 3.25);
  CHECK(fresh.outcome().origin == Origin::database);
  CHECK(reader.cache.stats().shared_stale == 1);
}

TEST_CASE("file tier: a later stamp is never replaced by an earlier one", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  const Epoch epoch = Epoch::random();
  const Target target = tag("a");
  CHECK(tier.put("shop", name(1), value_of("new", epoch, 9, target)) == StoreStatus::stored);
  CHECK(tier.put("shop", name(1), value_of("old", epoch, 5, target)) == StoreStatus::superseded);
  CHECK(tier.get("shop", name(1))->rows.row(0)[0].view() == "new");
  CHECK(tier.put("shop", name(1), value_of("other epoch", Epoch::random(), 1, target)) ==
        StoreStatus::stored);
}

TEST_CASE("file tier: an invalidation removes what it hits, and nothing stamped above it",
          "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  const Epoch epoch = Epoch::random();
  tier.put("shop", name(1), value_of("hit", epoch, 5, entity("product", 1)));
  tier.put("shop", name(2), value_of("later", epoch, 9, entity("product", 1)));
  tier.put("shop", name(3), value_of("other target", epoch, 5, entity("product", 2)));
  tier.put("elsewhere", name(4), value_of("other namespace", epoch, 5, entity("product", 1)));
  const SharedInvalidation one{tag("product", "1"), {7}};
  tier.invalidate("shop", epoch, {&one, 1});
  CHECK_FALSE(tier.get("shop", name(1)));
  CHECK(tier.get("shop", name(2)));
  CHECK(tier.get("shop", name(3)));
  CHECK(tier.get("elsewhere", name(4)));
  const SharedInvalidation everything{flush_all(), {20}};
  tier.invalidate("shop", epoch, {&everything, 1});
  CHECK(tier.stats().entries == 1);
  CHECK(tier.get("elsewhere", name(4)));
}

TEST_CASE("file tier: bytes are bounded, the oldest go first", "[file tier]") {
  TempDir dir;
  FileTier tier(dir.file("tier"), {.max_bytes = 200'000, .busy_timeout = 30s});
  const std::string body(2'000, 'x');
  for (int i = 0; i < 400; ++i)
    REQUIRE(tier.put("shop", name(i), value_of(body, Epoch{1, 1}, 5, tag("t", i))) ==
            StoreStatus::stored);
  const auto stats = tier.stats();
  CHECK(stats.bytes <= 200'000);
  CHECK(stats.evicted > 0);
  CHECK(tier.get("shop", name(399)));
  CHECK_FALSE(tier.get("shop", name(0)));
  CHECK(
      tier.put("shop", name(1000), value_of(std::string(50'000, 'x'), Epoch{1, 1}, 5, tag("t"))) ==
      StoreStatus::oversize);
  SQLite::Database raw(dir.file("tier"), SQLite::OPEN_READWRITE);
  CHECK(raw.execAndGet("select bytes - (select sum(bytes) from querymark_tier_entry) from "
                       "querymark_tier_size")
            .getInt64() == 0);
}

TEST_CASE("file tier: expired values are misses", "[file tier]") {
  TempDir dir;
  ManualClock clock;
  FileTier tier(dir.file("tier"), {.clock = &clock});
  SharedValue value = value_of("old", Epoch{1, 1}, 5, tag("a"));
  value.expires = clock.wall_now() + 1s;
  CHECK(tier.put("shop", name(1), value) == StoreStatus::stored);
  CHECK(tier.get("shop", name(1)));
  clock.advance(1s);
  CHECK_FALSE(tier.get("shop", name(1)));
}

TEST_CASE("file tier: corrupt values are counted misses, and reads go on", "[file tier]") {
  const Shop shop;
  {
    Process filler(shop);
    filler.db.attach(FileTier(shop.file("tier"), {.busy_timeout = 30s}));
    static_cast<void>(filler.price(1));
  }
  SQLite::Database raw(shop.file("tier"), SQLite::OPEN_READWRITE);
  raw.exec(
      "update querymark_tier_entry set value = cast(substr(value, 1, 30) || x'00' || substr(value, "
      "32) as blob)");
  Process reader(shop);
  reader.db.attach(FileTier(shop.file("tier"), {.busy_timeout = 30s}));
  const auto read = reader.price(1);
  CHECK(read[0] == 2.5);
  CHECK(read.outcome().origin == Origin::database);
}

TEST_CASE("file tier: a file overwritten with garbage while open costs misses only",
          "[file tier]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(FileTier(shop.file("tier"), {.busy_timeout = 30s}));
  static_cast<void>(process.price(1));
  {
    std::fstream tier(shop.file("tier"), std::ios::in | std::ios::out | std::ios::binary);
    const std::string garbage(8192, '\x5a');
    tier.write(garbage.data(), static_cast<std::streamsize>(garbage.size()));
  }
  std::filesystem::resize_file(shop.file("tier") + "-wal", 0);
  for (int i = 1; i <= 3; ++i) CHECK(process.price(i).size() == 1);
}

TEST_CASE("file tier: a foreign database or a text file is refused and left alone", "[file tier]") {
  const Shop shop;
  CHECK_THROWS_AS(FileTier(shop.path()), ConfigError);
  CHECK(shop.number("select count(*) from sqlite_master where name like 'querymark_tier%'") == 0);
  const std::string text = shop.file("notes.txt");
  std::ofstream(text)
      << "my notes, which are not to be overwritten by a cache, whatever happens here";
  CHECK_THROWS_AS(FileTier(text), Error);
  CHECK(std::filesystem::file_size(text) == 75);
  CHECK_THROWS_AS(FileTier(shop.file("no/such/folder/tier")), Error);
}

TEST_CASE("file tier: several openers at once create it once", "[file tier]") {
  TempDir dir;
  constexpr int kOpeners = 4;
  std::atomic<int> opened{0};
  std::vector<std::string> failures;
  std::mutex failures_mutex;
  for (int round = 0; round < 20; ++round) {
    std::barrier ready(kOpeners);
    std::vector<std::thread> threads;
    for (int i = 0; i < kOpeners; ++i)
      threads.emplace_back([&] {
        ready.arrive_and_wait();
        try {
          const FileTier tier(dir.file("tier" + std::to_string(round)), {.busy_timeout = 30s});
          ++opened;
        } catch (const Error& failure) {
          const std::lock_guard lock(failures_mutex);
          failures.emplace_back(failure.what());
        }
      });
    for (std::thread& thread : threads) thread.join();
  }
  CHECK(failures == std::vector<std::string>{});
  CHECK(opened == 20 * kOpeners);
}
