// The five rules of freshness on SQLite, each with the interleaving forced, and the marks' and
// fills' part of the hard cases. Two `Process` objects stand for two processes: they share nothing
// but the file.

#include <SQLiteCpp/SQLiteCpp.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <thread>
#include <vector>

#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// A load of product 1's price that runs `meanwhile` after it has read the row and before it
// returns.
template <class Meanwhile>
Cached<double> slow_price(Process& process, Meanwhile meanwhile) {
  return process.db.get_or_load<double>(
      "slow price", {.tags = {entity("product", 1)}, .ttl = 1h}, [&] {
        const auto rows = process.db.query("select price from product where id = 1")
                              .uncached()
                              .fetch_as<double>();
        meanwhile();
        return rows[0];
      });
}

}  // namespace

TEST_CASE("rule 1: a hit is refused once the invalidation of its target is applied",
          "[freshness]") {
  const Shop shop;
  Process reader(shop);
  Process writer(shop);
  CHECK(only(reader.price(1)) == 2.5);
  CHECK(reader.price(1).outcome().is_hit());
  const Receipt receipt = writer.set_price(1, 3.5);
  REQUIRE(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  const Rows<double> fresh = reader.price(1);
  CHECK(fresh[0] == 3.5);
  CHECK(fresh.outcome().status == ReadStatus::miss);
}

TEST_CASE("rule 1: a fill that an own write overtakes is not served again", "[freshness]") {
  const Shop shop;
  Process process(shop);
  const auto old = slow_price(process, [&] { process.set_price(1, 9.0); });
  CHECK(*old == 2.5);
  CHECK(old.outcome().stored == Stored::invalidated);
  const auto next = slow_price(process, [] {});
  CHECK(*next == 9.0);
}

TEST_CASE("rule 1: a fill that another process's write overtakes is not served again",
          "[freshness]") {
  const Shop shop;
  Process process(shop);
  Process writer(shop);
  const auto old = slow_price(process, [&] {
    const Receipt receipt = writer.set_price(1, 9.0);
    REQUIRE(process.db.wait(receipt, Wait::local(10s)).satisfied());
  });
  CHECK(*old == 2.5);
  const auto next = slow_price(process, [] {});
  CHECK(*next == 9.0);
}

TEST_CASE("rule 1: invalidating a key, a tag, a collection or everything reaches the entry",
          "[freshness]") {
  const Shop shop;
  Process process(shop);
  auto by_id = process.db.prepare<double>("select price from product where id = ?")
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

TEST_CASE("rule 2: a process that can't reach the log bypasses the cache after max_lag",
          "[freshness]") {
  const Shop shop;
  ManualClock clock;
  Cache cache{{.memory_bytes = 64U << 20U, .clock = &clock}};
  sqlite::Options options = Process::quick();
  options.max_lag = 2s;
  sqlite::Database db(shop.path(), cache, options);
  const auto price = [&] {
    return db.query("select price from product where id = 1")
        .tag(entity("product", 1))
        .fetch_as<double>();
  };
  static_cast<void>(price());
  CHECK(price().outcome().is_hit());
  // Polls keep coming, so trust is renewed from the clock of then: hold it by making the log
  // unreadable.
  std::filesystem::rename(shop.path(), shop.path() + ".away");
  CHECK_THROWS_AS(db.catch_up(), Error);
  clock.advance(3s);
  CHECK_THROWS_AS(db.catch_up(), Error);
  // An open connection still reads the file: the answer is right, but nothing is served from
  // memory.
  const auto direct = price();
  CHECK(direct.outcome().status == ReadStatus::bypass);
  CHECK(direct.outcome().stored == Stored::lagging);
  std::filesystem::rename(shop.path() + ".away", shop.path());
  db.catch_up();
  static_cast<void>(price());
  CHECK(price().outcome().is_hit());
}

TEST_CASE("rule 2: the policy serve_degraded labels what it serves", "[freshness]") {
  const Shop shop;
  ManualClock clock;
  Cache cache{{.memory_bytes = 64U << 20U, .clock = &clock}};
  sqlite::Options options = Process::quick();
  options.max_lag = 2s;
  options.lagging = Lagging::serve_degraded;
  sqlite::Database db(shop.path(), cache, options);
  const auto price = [&] {
    return db.query("select price from product where id = 1").fetch_as<double>();
  };
  static_cast<void>(price());
  std::filesystem::rename(shop.path(), shop.path() + ".away");
  clock.advance(3s);
  CHECK_THROWS_AS(db.catch_up(), Error);
  CHECK(price().outcome().status == ReadStatus::degraded);
  std::filesystem::rename(shop.path() + ".away", shop.path());
}

TEST_CASE("rule 3: a shared value stamped below the floor is a miss (hard case 6)", "[freshness]") {
  const Shop shop;
  {
    Process filler(shop);
    filler.db.attach(sqlite::FileTier(shop.file("tier")));
    static_cast<void>(filler.price(1));
    filler.set_price(2, 8.0);  // moves positions past the stamp
  }
  // What is pruned can't be read: the newcomer's floor stays above the stamp.
  shop.execute("update querymark_meta set floor = 2");
  shop.execute("delete from querymark_log where id < 2");
  Process newcomer(shop);
  newcomer.db.attach(sqlite::FileTier(shop.file("tier")));
  const auto read = newcomer.price(1);
  CHECK(read.outcome().source == ReadSource::database);
  CHECK(newcomer.cache.stats().shared_stale == 1);
}

TEST_CASE(
    "rule 3: a process that starts after the write does not serve the old value from a persistent "
    "tier",
    "[freshness]") {
  const Shop shop;
  {
    Process filler(shop);
    filler.db.attach(sqlite::FileTier(shop.file("tier")));
    CHECK(only(filler.price(1)) == 2.5);
    CHECK(only(filler.price(2)) == 7.0);
    filler.set_price(1, 4.0);
  }
  Process newcomer(shop);  // its first snapshot is above the write: only the retained log knows
  newcomer.db.attach(sqlite::FileTier(shop.file("tier")));
  CHECK(only(newcomer.price(1)) == 4.0);
  CHECK(newcomer.price(2).outcome().source == ReadSource::shared_tier);
}

TEST_CASE("rule 4: a transaction reads its own writes past the cache and fills nothing",
          "[freshness]") {
  const Shop shop;
  Process process(shop);
  static_cast<void>(process.price(1));
  CHECK_THROWS_AS(process.db.write([&](sqlite::Transaction& tx) {
    tx.execute("update product set price = 99 where id = 1");
    tx.invalidate(entity("product", 1));
    const ResultSet inside = tx.query("select price from product where id = 1");
    CHECK(inside.row(0)[0].as<double>() == 99.0);
    throw std::runtime_error("changed my mind");
  }),
                  std::runtime_error);
  const auto after = process.price(1);
  CHECK(after[0] == 2.5);
  CHECK(after.outcome().is_hit());  // rolled back: nothing was invalidated either
  CHECK(shop.number("select count(*) from querymark_log") == 0);
}

TEST_CASE("rule 4: before write() returns, the writer's own marks include the write",
          "[freshness]") {
  const Shop shop;
  Process process(shop);
  static_cast<void>(process.price(1));
  const Receipt receipt = process.set_price(1, 5.0);
  CHECK(only(process.price(1)) == 5.0);
  const WaitOutcome wait = process.db.wait(receipt, Wait::local(0s));
  CHECK(wait.satisfied());
}

TEST_CASE(
    "rule 4: staged intents whose commit is in doubt are applied at once, and again from the log "
    "(hard case 3)",
    "[freshness]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  static_cast<void>(process.price(1));
  own.exec("begin immediate");
  own.exec("update product set price = 6 where id = 1");
  {
    const sqlite::Staged staged = process.db.stage(own, IntentBatch().add(entity("product", 1)));
  }  // dies unsettled, as when the connection hangs in COMMIT
  CHECK(process.db.stats().in_doubt == 1);
  const auto old = process.price(1);  // the commit is not visible yet: caches the old row again
  CHECK(old[0] == 2.5);
  CHECK_FALSE(old.outcome().is_hit());
  CHECK(process.price(1).outcome().is_hit());
  own.exec("commit");
  process.db.catch_up();
  CHECK(only(process.price(1)) == 6.0);
}

TEST_CASE("rule 5: skewed wall clocks serve no invalidated value", "[freshness]") {
  const Shop shop;
  ManualClock ahead;
  ahead.skew_wall(1h);
  ManualClock behind;
  behind.skew_wall(-1h);
  Cache first{{.memory_bytes = 64U << 20U, .clock = &ahead}};
  Cache second{{.memory_bytes = 64U << 20U, .clock = &behind}};
  sqlite::Database writer(shop.path(), first, Process::quick());
  sqlite::Database reader(shop.path(), second, Process::quick());
  writer.attach(sqlite::FileTier(shop.file("tier")));
  reader.attach(sqlite::FileTier(shop.file("tier")));
  const auto price = [](sqlite::Database& db) {
    return db.query("select price from product where id = 1")
        .tag(entity("product", 1))
        .ttl(24h)
        .fetch_as<double>();
  };
  static_cast<void>(price(writer));
  static_cast<void>(price(reader));
  const auto written = writer.write([](sqlite::Transaction& tx) {
    tx.execute("update product set price = 11 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  REQUIRE(reader.wait(written.receipt, Wait::local(10s)).satisfied());
  CHECK(only(price(reader)) == 11.0);
  CHECK(only(price(writer)) == 11.0);
}

TEST_CASE("rows that a trigger adds to an own transaction are applied, not skipped (hard case 4)",
          "[freshness]") {
  const Shop shop;
  shop.execute(
      "create trigger audit after update on product begin "
      "insert into querymark_log (namespace, kind, target, write_id) "
      "values ('shop', 'collection', 'product', 0); end");
  Process process(shop);
  const auto all = [&] {
    return process.db.query("select count(*) from product where price > 5")
        .tag(collection("product"))
        .fetch_as<std::int64_t>();
  };
  CHECK(only(all()) == 2);
  CHECK(all().outcome().is_hit());
  process.set_price(1, 50.0);  // declares the entity only
  CHECK(only(all()) == 3);
}

TEST_CASE("a call whose targets are no subset of the entry's is a miss (hard case 7)",
          "[freshness]") {
  const Shop shop;
  Process process(shop);
  const auto read = [&](const Target& target) {
    return process.db.query("select price from product where id = 1")
        .tag(target)
        .ttl(1h)
        .fetch_as<double>();
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

TEST_CASE("a local flush keeps the old value from coming back from a shared tier (hard case 18)",
          "[freshness]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(sqlite::FileTier(shop.file("tier")));
  static_cast<void>(process.price(1));
  process.db.flush_local();
  const auto after = process.price(1);
  CHECK(after.outcome().source == ReadSource::database);
  // Once the cursor has passed the flush's position, what was loaded since then may be shared
  // again.
  process.db.flush_local();
  process.set_price(3, 31.0);
  static_cast<void>(process.price(2));
  Process other(shop);
  other.db.attach(sqlite::FileTier(shop.file("tier")));
  CHECK(other.price(2).outcome().source == ReadSource::shared_tier);
}

TEST_CASE("a load right after an own write is stamped above it (hard case 28)", "[freshness]") {
  const Shop shop;
  Process process(shop);
  process.db.attach(sqlite::FileTier(shop.file("tier")));
  Process other(shop);
  other.db.attach(sqlite::FileTier(shop.file("tier")));
  const Receipt receipt = process.set_price(1, 4.5);
  CHECK(process.db.source().marks().begin_load().shared.horizon > receipt.position);
  static_cast<void>(process.price(1));
  REQUIRE(other.db.wait(receipt, Wait::local(10s)).satisfied());
  const auto shared = other.price(1);
  CHECK(shared.outcome().source == ReadSource::shared_tier);
  CHECK(shared[0] == 4.5);
}

TEST_CASE("writers and pollers at once never move the cursor back (hard case 26)", "[freshness]") {
  const Shop shop;
  Process process(shop);
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
