// The rules of freshness on every database, each with the interleaving forced, and those hard cases
// that all of them share. Two processes in these tests share nothing but the database and the tier.

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEMPLATE_TEST_CASE("rule 1: a hit is refused once the invalidation of its target is applied",
                   "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process reader(world.shop);
  typename TestType::Process writer(world.shop);
  CHECK(only(reader.price(1)) == 2.5);
  CHECK(reader.price(1).outcome().is_hit());
  const Receipt receipt = writer.set_price(1, 3.5);
  REQUIRE(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  const Rows<double> fresh = reader.price(1);
  CHECK(fresh[0] == 3.5);
  CHECK(fresh.outcome().status == ReadStatus::miss);
}

TEMPLATE_TEST_CASE("rule 1: a fill that an own write overtakes is not served again", "[freshness]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto old = slow_price(process, [&] { process.set_price(1, 9.0); });
  CHECK(*old == 2.5);
  CHECK(old.outcome().stored == Stored::invalidated);
  const auto next = slow_price(process, [] {});
  CHECK(*next == 9.0);
}

TEMPLATE_TEST_CASE("rule 1: a fill that another process's write overtakes is not served again",
                   "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  typename TestType::Process writer(world.shop);
  const auto old = slow_price(process, [&] {
    const Receipt receipt = writer.set_price(1, 9.0);
    REQUIRE(process.db.wait(receipt, Wait::local(10s)).satisfied());
  });
  CHECK(*old == 2.5);
  const auto next = slow_price(process, [] {});
  CHECK(*next == 9.0);
}

TEMPLATE_TEST_CASE(
    "rule 1: invalidating a key, a tag, a collection or everything reaches the entry",
    "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  auto by_id = process.db.template prepare<double>(TestType::kPriceOf)
                   .tag([](std::int64_t id) { return entity("product", id); })
                   .tag(collection("product"))
                   .ttl(1h);
  const Target other[] = {by_id.key(std::int64_t{2}), entity("product", 2), collection("customer"),
                          key_named("x")};
  const Target own[] = {by_id.key(std::int64_t{1}), entity("product", 1), collection("product"),
                        flush_all(), tag("product", "1")};
  for (const Target& target : other) {
    CAPTURE(target.text());
    static_cast<void>(by_id(std::int64_t{1}));
    process.db.write([&](auto& tx) { tx.invalidate(target); });
    CHECK(by_id(std::int64_t{1}).outcome().is_hit());
  }
  for (const Target& target : own) {
    CAPTURE(to_string(target.kind()), target.text());
    static_cast<void>(by_id(std::int64_t{1}));
    process.db.write([&](auto& tx) { tx.invalidate(target); });
    CHECK_FALSE(by_id(std::int64_t{1}).outcome().is_hit());
  }
}

TEMPLATE_TEST_CASE("rule 3: a shared value stamped below the floor is a miss (hard case 6)",
                   "[freshness]", QUERYMARK_TIER_WORLDS) {
  const TestType world;
  {
    typename TestType::Process filler(world.shop);
    filler.db.attach(world.tier());
    static_cast<void>(filler.price(1));
    filler.set_price(2, 8.0);  // moves positions past the stamp
  }
  world.prune();  // what is pruned can't be read: the newcomer's floor stays above the stamp
  typename TestType::Process newcomer(world.shop);
  newcomer.db.attach(world.tier());
  const auto read = newcomer.price(1);
  CHECK(read.outcome().origin == Origin::database);
  CHECK(newcomer.cache.stats().shared_stale == TestType::kCopies);
}

TEMPLATE_TEST_CASE(
    "rule 3: a process that starts after the write does not serve the old value from a persistent "
    "tier",
    "[freshness]", QUERYMARK_TIER_WORLDS) {
  const TestType world;
  {
    typename TestType::Process filler(world.shop);
    filler.db.attach(world.tier());
    CHECK(only(filler.price(1)) == 2.5);
    CHECK(only(filler.price(2)) == 7.0);
    filler.set_price(1, 4.0);
  }
  // Its first snapshot is above the write: only the retained log knows.
  typename TestType::Process newcomer(world.shop);
  newcomer.db.attach(world.tier());
  CHECK(only(newcomer.price(1)) == 4.0);
  CHECK(newcomer.price(2).outcome().origin == Origin::shared_tier);
}

TEMPLATE_TEST_CASE(
    "rule 3: a tier's value of a future that the database has lost is refused, and the history "
    "goes on under another epoch",
    "[freshness]", QUERYMARK_WORLDS) {
  // Whatever it is asked for, it has from a history whose end the database does not reach.
  struct FutureTier final : SharedTier {
    explicit FutureTier(Database& database) : db(database) {}
    [[nodiscard]] std::string_view label() const noexcept override { return "future"; }
    [[nodiscard]] std::optional<TierFailure> read(std::string_view /*namespace_name*/,
                                                  std::span<TierRead> wanted) noexcept override {
      const Cursor now = db.source().marks().cursor();
      const WallTime wall = system_clock().wall_now();
      for (TierRead& one : wanted)
        one.value =
            SharedValue{.stamp = {now.epoch, {now.snapshot.limit().value + 1'000'000}, WriteId{5}},
                        .stored = wall,
                        .expires = wall + 1h,
                        .targets = {},
                        .rows = rows};
      return std::nullopt;
    }
    StoreStatus put(std::string_view /*namespace_name*/, const Digest& /*name*/,
                    const SharedValue& /*value*/) noexcept override {
      return StoreStatus::failed;
    }
    std::size_t remove(std::string_view /*namespace_name*/,
                       std::span<const Digest> /*names*/) override {
      return 0;
    }
    Database& db;
    ResultSet rows;
  };
  const TestType world;
  typename TestType::Process process(world.shop);
  auto tier = std::make_shared<FutureTier>(process.db);
  typename TestType::Process other(world.shop);  // whose read comes before no tier of ours
  const Result wrong = other.db.query("select 99.0 as price").fetch();
  tier->rows = wrong.set();
  const Epoch before = process.db.source().marks().cursor().epoch;
  process.db.attach(tier);
  CHECK(only(process.price(1)) == 2.5);
  CHECK(process.cache.stats().shared_stale == 1);
  CHECK(process.db.source().marks().cursor().epoch != before);
}

TEMPLATE_TEST_CASE("rule 4: a transaction reads its own writes past the cache and fills nothing",
                   "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  static_cast<void>(process.price(1));
  const auto abandon = [&](auto& tx) {
    tx.execute("update product set price = 99 where id = 1");
    tx.invalidate(entity("product", 1));
    const ResultSet inside = tx.query("select price from product where id = 1");
    CHECK(inside.row(0)[0].template as<double>() == 99.0);
    throw std::runtime_error("changed my mind");
  };
  CHECK_THROWS_AS(process.db.write(abandon), std::runtime_error);
  const auto after = process.price(1);
  CHECK(after[0] == 2.5);
  CHECK(after.outcome().is_hit());  // rolled back: nothing was invalidated either
  CHECK(world.log_rows() == 0);
}

TEMPLATE_TEST_CASE("rule 4: before write() returns, the writer's own marks include the write",
                   "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  static_cast<void>(process.price(1));
  const Receipt receipt = process.set_price(1, 5.0);
  CHECK(only(process.price(1)) == 5.0);
  CHECK(process.db.wait(receipt, Wait::local(0s)).satisfied());
}

TEMPLATE_TEST_CASE("rule 5: skewed wall clocks serve no invalidated value", "[freshness]",
                   QUERYMARK_TIER_WORLDS) {
  const TestType world;
  ManualClock ahead;
  ManualClock behind;
  // From the true time, by which the file tier expires its values.
  ahead.skew_wall(system_clock().wall_now() - ahead.wall_now() + 1h);
  behind.skew_wall(system_clock().wall_now() - behind.wall_now() - 1h);
  Cache first{{.memory_bytes = 64U << 20U, .clock = &ahead}};
  Cache second{{.memory_bytes = 64U << 20U, .clock = &behind}};
  typename TestType::Database writer(world.address(), first, TestType::Process::quick());
  typename TestType::Database reader(world.address(), second, TestType::Process::quick());
  writer.attach(world.tier());
  reader.attach(world.tier());
  const auto price = [](typename TestType::Database& db) {
    return db.query("select price from product where id = 1")
        .tag(entity("product", 1))
        .ttl(24h)
        .template fetch_as<double>();
  };
  static_cast<void>(price(writer));
  CHECK(price(reader).outcome().origin == Origin::shared_tier);
  const auto written = writer.write([](auto& tx) {
    tx.execute("update product set price = 11 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  REQUIRE(reader.wait(written.receipt, Wait::local(10s)).satisfied());
  CHECK(only(price(reader)) == 11.0);
  CHECK(only(price(writer)) == 11.0);
}

TEMPLATE_TEST_CASE(
    "rows that a trigger adds to an own transaction are applied, not skipped (hard case 4)",
    "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  world.add_audit_trigger();
  typename TestType::Process process(world.shop);
  const auto all = [&] {
    return process.db.query("select count(*) from product where price > 5")
        .tag(collection("product"))
        .template fetch_as<std::int64_t>();
  };
  CHECK(only(all()) == 2);
  CHECK(all().outcome().is_hit());
  process.set_price(1, 50.0);  // declares the entity only
  CHECK(only(all()) == 3);
}

TEMPLATE_TEST_CASE("what the log shows of an own write does not kill what was loaded since",
                   "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  process.set_price(1, 4.0);
  static_cast<void>(process.price(1));
  for (int i = 0; i < 3; ++i) process.db.catch_up();
  CHECK(process.price(1).outcome().is_hit());
  CHECK(process.db.source().marks().remembered() == 0);
}

TEMPLATE_TEST_CASE("a call whose targets are no subset of the entry's is a miss (hard case 7)",
                   "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto read = [&](const Target& target) {
    return process.db.query("select price from product where id = 1")
        .tag(target)
        .ttl(1h)
        .template fetch_as<double>();
  };
  static_cast<void>(read(tag("a")));
  process.db.write([](auto& tx) { tx.invalidate(tag("b")); });
  CHECK(read(tag("a")).outcome().is_hit());        // raises the stamp past b's invalidation
  CHECK_FALSE(read(tag("b")).outcome().is_hit());  // must not profit from it
  CHECK(read(tag("b")).outcome().is_hit());
  CHECK(read(tag("a")).outcome().is_hit());  // stored with both sets
  process.db.write([](auto& tx) { tx.invalidate(tag("a")); });
  CHECK_FALSE(read(tag("b")).outcome().is_hit());  // and so killed by either
}

TEMPLATE_TEST_CASE(
    "a local flush keeps the old value from coming back from a shared tier (hard case 18)",
    "[freshness]", QUERYMARK_TIER_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  process.db.attach(world.tier());
  static_cast<void>(process.price(1));
  process.db.flush_local();
  CHECK(process.price(1).outcome().origin == Origin::database);
  // Once the cursor has passed the flush's position, what was loaded since then may be shared
  // again.
  process.db.flush_local();
  process.set_price(3, 31.0);
  static_cast<void>(process.price(2));
  typename TestType::Process other(world.shop);
  other.db.attach(world.tier());
  CHECK(other.price(2).outcome().origin == Origin::shared_tier);
}

TEMPLATE_TEST_CASE("a load right after an own write is stamped above it (hard case 28)",
                   "[freshness]", QUERYMARK_TIER_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  process.db.attach(world.tier());
  typename TestType::Process other(world.shop);
  other.db.attach(world.tier());
  const Receipt receipt = process.set_price(1, 4.5);
  static_cast<void>(process.price(1));
  CHECK(process.db.source().marks().begin_load().shared.horizon > receipt.position);
  REQUIRE(other.db.wait(receipt, Wait::local(10s)).satisfied());
  const auto shared = other.price(1);
  CHECK(shared.outcome().origin == Origin::shared_tier);
  CHECK(shared[0] == 4.5);
}

TEMPLATE_TEST_CASE("writers and pollers at once never move the cursor back (hard case 26)",
                   "[freshness]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  std::atomic<bool> stop{false};
  std::atomic<bool> went_back{false};
  std::thread watcher([&] {
    Position last;
    while (!stop) {
      const Position now = process.db.source().marks().cursor().snapshot.limit();
      if (now < last) went_back = true;
      last = now;
    }
  });
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 100; ++i) process.db.catch_up();
    });
  for (int i = 0; i < 100; ++i) process.set_price(1, i);
  for (std::thread& thread : threads) thread.join();
  stop = true;
  watcher.join();
  CHECK_FALSE(went_back);
  CHECK(only(process.price(1)) == 99.0);
}
