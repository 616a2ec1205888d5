#include "querymark/testing/memory_database.hpp"

#include <catch2/catch.hpp>
#include <thread>

#include "support/errors.hpp"
#include "support/rows.hpp"
#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using test::message_of;
using test::only;
using testing::Call;
using testing::MemoryDatabase;
using testing::Table;

constexpr const char* kCount = "select count(*) from t where n < $1";
constexpr const char* kSet = "update t set n = $1";

struct Fixture {
  ManualClock clock;
  Cache cache{{.memory_bytes = 16U << 20U, .clock = &clock}};
  MemoryDatabase db{cache};
  std::int64_t n = 1;

  Fixture() {
    db.on_query(kCount, [this](const Call&) { return test::number(n); });
    db.on_execute(kSet, [this](const Call& call) {
      call.on_rollback([this, before = n] { n = before; });
      n = call[0].as<std::int64_t>();
      return 1;
    });
  }
  Rows<std::int64_t> count(Queries& of) {
    return of.query(kCount, 10).tag(tag("t")).fetch_as<std::int64_t>();
  }
  Receipt set(std::int64_t value) {
    return db
        .write([&](Transaction& tx) {
          tx.execute(kSet, value);
          tx.invalidate(tag("t"));
        })
        .receipt;
  }
};

}  // namespace

TEST_CASE("memory database: hits, writes that make them stale, and a ttl by the manual clock",
          "[testing]") {
  Fixture f;
  CHECK(only(f.count(f.db)) == 1);
  CHECK(f.count(f.db).outcome().is_hit());
  const Receipt receipt = f.set(2);
  CHECK(receipt.intents == 1);
  CHECK(f.db.wait(receipt, Wait::local({})).satisfied());
  CHECK(only(f.count(f.db)) == 2);
  CHECK(f.count(f.db).outcome().is_hit());
  f.clock.advance(6min);
  CHECK(f.count(f.db).outcome().status == ReadStatus::miss);
  CHECK(f.db.loads() == 3);
  CHECK(f.db.executed() == std::vector<std::string>{kSet});
}

TEST_CASE("memory database: a write that fails leaves neither intents nor statements",
          "[testing]") {
  Fixture f;
  static_cast<void>(f.count(f.db));
  CHECK_THROWS_AS(f.db.write([](Transaction& tx) {
    tx.execute(kSet, 5);
    tx.execute(kSet, 6);
    tx.invalidate(tag("t"));
    throw std::runtime_error("no");
  }),
                  std::runtime_error);
  CHECK(f.n == 1);  // undone in reverse
  CHECK(f.db.executed().empty());
  CHECK(f.count(f.db).outcome().is_hit());
  f.set(7);  // and the next one may begin
  CHECK(only(f.count(f.db)) == 7);
}

TEST_CASE("memory database: it says what it was not told about", "[testing]") {
  Fixture f;
  CHECK_THAT(message_of([&] { static_cast<void>(f.db.query("select 1").fetch()); }),
             Contains("\"select 1\"") && Contains("on_query"));
  CHECK_THAT(message_of([&] {
               static_cast<void>(f.db.write([](Transaction& tx) { tx.execute("delete from t"); }));
             }),
             Contains("\"delete from t\"") && Contains("on_execute"));
  f.db.on_other_queries([](const Call& call) {
    return Table({"sql", "n"}).row(call.sql(), static_cast<std::int64_t>(call.size())).rows();
  });
  const Result any = f.db.query("select 2", 1, "x").fetch();
  CHECK(any[0]["sql"].view() == "select 2");
  CHECK(any[0]["n"].as<int>() == 2);
  CHECK_THROWS_AS(Table({"a", "b"}).row(1), ConfigError);
  f.db.on_query("select $2",
                [](const Call& call) { return Table({"n"}).row(call[1].as<int>()).rows(); });
  CHECK_THROWS_AS(f.db.query("select $2", 1).fetch(), TypeError);
}

TEST_CASE("memory database: tables hold every type", "[testing]") {
  Fixture f;
  f.db.on_query("select all", Table({"i", "d", "t", "b", "z"})
                                  .row(1, 2.5, "three", true, std::optional<int>())
                                  .row(std::optional<int>(), 0.0, std::string(), false, 4));
  const Result rows = f.db.query("select all").fetch();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0]["i"].as<int>() == 1);
  CHECK(rows[0]["d"].as<double>() == 2.5);
  CHECK(rows[0]["t"].view() == "three");
  CHECK(rows[0]["b"].as<bool>());
  CHECK(rows[0]["z"].is_null());
  CHECK(rows[1]["i"].is_null());
  CHECK(rows[1]["z"].as<int>() == 4);
}

TEST_CASE("memory database: another process sees a write when it waits or catches up",
          "[testing]") {
  Fixture f;
  Cache elsewhere{{.memory_bytes = 16U << 20U, .clock = &f.clock}};
  MemoryDatabase other(elsewhere, f.db);
  CHECK(only(f.count(other)) == 1);
  const Receipt receipt = f.set(2);
  CHECK(only(f.count(other)) == 1);  // nothing has told it yet
  CHECK(other.wait(receipt, Wait::local(1s)).satisfied());
  CHECK(only(f.count(other)) == 2);
  f.set(3);
  other.catch_up();
  CHECK(only(f.count(other)) == 3);
}

TEST_CASE("memory database: commits in doubt, and what became of them", "[testing]") {
  Fixture f;
  for (const bool takes_effect : {true, false}) {
    const std::int64_t before = f.n;
    f.db.lose_next_commit(takes_effect);
    try {
      f.set(before + 1);
      FAIL("the answer was lost");
    } catch (const CommitInDoubt& doubt) {
      CHECK(f.db.resolve(doubt.receipt()) ==
            (takes_effect ? WriteFate::committed : WriteFate::rolled_back));
    }
    CHECK(f.n == (takes_effect ? before + 1 : before));
    CHECK(only(f.count(f.db)) == f.n);
  }
  const Receipt receipt = f.set(9);
  f.db.log().replace_history();
  CHECK(f.db.resolve(receipt) == WriteFate::unknown);
  CHECK(f.db.stats().in_doubt == 2);
}

TEST_CASE("memory database: what an application does while it is out of reach", "[testing]") {
  Fixture f;
  Cache cache{{.memory_bytes = 16U << 20U, .clock = &f.clock}};
  MemoryDatabase db(cache, f.db, {.max_lag = 5s, .lagging = Lagging::serve_degraded});
  CHECK(only(f.count(db)) == 1);
  db.set_reachable(false);
  CHECK(f.count(db).outcome().is_hit());
  CHECK_THROWS_AS(f.set(2), Error);
  f.clock.advance(10s);
  CHECK(f.count(db).outcome().status == ReadStatus::degraded);
  CHECK_THROWS_AS(db.catch_up(), Error);
  CHECK_FALSE(db.stats().last_error.empty());
  db.set_reachable(true);
  db.catch_up();
  CHECK(db.stats().last_error.empty());
  CHECK(f.count(db).outcome().status == ReadStatus::hit);
}

TEST_CASE("memory database: settings, tiers and nested writes", "[testing]") {
  Fixture f;
  auto tier = std::make_shared<test::FakeTier>();
  f.db.attach(tier);
  f.db.on_query("select tenant", [](const Call& call) {
    return Table({"tenant"}).row(call.settings().at("app.tenant")).rows();
  });
  DatabaseSession one = f.db.with({{"app.tenant", "1"}});
  DatabaseSession two = f.db.with({{"app.tenant", "2"}});
  const auto tenant = [](Queries& of) { return of.query("select tenant").fetch_as<std::string>(); };
  CHECK(only(tenant(one)) == "1");
  CHECK(only(tenant(two)) == "2");
  CHECK(tenant(one).outcome().is_hit());
  CHECK(tier->values.size() == 2);
  CHECK_THROWS_AS(f.db.attach(tier), ConfigError);  // after the first read
  CHECK_THAT(message_of([&] { static_cast<void>(f.db.write([&](Transaction&) { f.set(2); })); }),
             Contains("write() inside write()"));
  f.set(3);
}
