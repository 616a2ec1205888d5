// Those rules of freshness whose test needs SQLite's own ways; conformance/freshness.cpp has the
// others.

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

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
