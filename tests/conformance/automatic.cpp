// Nothing declared, never stale, still precise: automatic tags on every database, with writers that know nothing
// of the library.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "support/rounds.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

TrackReport track(const SqliteWorld& world, const TrackOptions& options) {
  return sqlite::track(world.address(), options);
}
#ifdef QUERYMARK_TEST_POSTGRES
TrackReport track(const PostgresWorld& world, const TrackOptions& options) {
  return postgres::track(world.address(), options);
}
#endif

template <class World>
typename World::Options automatic() {
  typename World::Options options = World::Process::quick();
  options.tags = Tags::automatic;
  return options;
}

// A database whose products are tracked, and a process that declares nothing.
template <class World>
struct Tracked {
  Tracked() { static_cast<void>(track(world, {.tables = {"product"}})); }
  typename World::Process open() const {
    return typename World::Process(world.shop, automatic<World>());
  }
  World world;
};

template <class Process>
auto price_of(Process& process, const char* sql) {
  return process.db.template prepare<double>(sql).ttl(1h);
}

}  // namespace

TEMPLATE_TEST_CASE("automatic: a write by anybody reaches the rows that it changes, and no others",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process process(it.world.shop, automatic<TestType>());
  const auto price = price_of(process, TestType::kPriceOf);
  const auto all = process.db.template prepare<double>("select sum(price) from product").ttl(1h);
  for (int round = 1; round <= 5; ++round) {
    for (const std::int64_t id : {1, 2}) static_cast<void>(price(id));
    static_cast<void>(all());
    REQUIRE(price(std::int64_t{1}).outcome().is_hit());
    REQUIRE(price(std::int64_t{2}).outcome().is_hit());
    REQUIRE(all().outcome().is_hit());
    it.world.shop.execute("update product set price = " + std::to_string(round) + " where id = 1");
    process.db.catch_up();
    CHECK(price.fetch_one(std::int64_t{1}) == round);
    CHECK(price(std::int64_t{2}).outcome().is_hit());
    CHECK_FALSE(all().outcome().is_hit());
  }
}

TEMPLATE_TEST_CASE("automatic: a process sees its own writes, and others those that they wait for",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process one(it.world.shop, automatic<TestType>());
  typename TestType::Process two(it.world.shop, automatic<TestType>());
  const auto ours = price_of(one, TestType::kPriceOf);
  const auto theirs = price_of(two, TestType::kPriceOf);
  for (int round = 1; round <= rounds(50); ++round) {
    static_cast<void>(ours(std::int64_t{1}));
    static_cast<void>(theirs(std::int64_t{1}));
    const Receipt receipt =
        one.db
            .write([&](Transaction& tx) {
              tx.execute(TestType::kSetPrice, static_cast<double>(round), std::int64_t{1});
            })
            .receipt;
    REQUIRE(ours.fetch_one(std::int64_t{1}) == round);
    REQUIRE(two.db.wait(receipt, Wait::local(10s)).satisfied());
    REQUIRE(theirs.fetch_one(std::int64_t{1}) == round);
    REQUIRE(theirs.at_least(receipt).fetch_one(std::int64_t{1}) == round);
  }
}

TEMPLATE_TEST_CASE("automatic: what is not tracked is not cached, until it is", "[automatic]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop, automatic<TestType>());
  const auto price = price_of(process, TestType::kPriceOf);
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = price(std::int64_t{1}).outcome();
    CHECK(outcome.status == ReadStatus::bypass);
    CHECK(outcome.stored == Stored::unproven);
  }
  CHECK(process.cache.stats().unproven == 2);
  static_cast<void>(track(world, {.tables = {"product"}}));
  process.db.catch_up();
  static_cast<void>(price(std::int64_t{1}));
  CHECK(price(std::int64_t{1}).outcome().is_hit());
}

TEMPLATE_TEST_CASE("automatic: a definition that changes ends what was kept by the old one",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  it.world.shop.execute("create view cheap as select id, name from product where price < 10");
  typename TestType::Process process(it.world.shop, automatic<TestType>());
  const auto cheap =
      process.db.template prepare<std::int64_t>("select count(*) from cheap").ttl(1h);
  CHECK(cheap.fetch_one() == 2);
  CHECK(cheap().outcome().is_hit());
  it.world.shop.execute(
      "drop view cheap; create view cheap as select id, name from product where price < 5");
  process.db.catch_up();
  CHECK(cheap.fetch_one() == 1);
  CHECK(cheap().outcome().is_hit());
  it.world.shop.execute("update product set price = 1 where id = 2");
  process.db.catch_up();
  CHECK(cheap.fetch_one() == 2);
}

TEMPLATE_TEST_CASE("automatic: a shared tier's values are judged by what triggers report",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process one(it.world.shop, automatic<TestType>());
  one.db.attach(it.world.tier());
  typename TestType::Process two(it.world.shop, automatic<TestType>());
  two.db.attach(it.world.tier());
  const auto ours = price_of(one, TestType::kPriceOf);
  const auto theirs = price_of(two, TestType::kPriceOf);
  static_cast<void>(ours(std::int64_t{1}));
  static_cast<void>(ours(std::int64_t{2}));
  CHECK(theirs(std::int64_t{1}).outcome().origin == Origin::shared_tier);
  it.world.shop.execute("update product set price = 77 where id in (1, 2)");
  two.db.catch_up();
  CHECK(theirs.fetch_one(std::int64_t{1}) == 77);
  CHECK(theirs.fetch_one(std::int64_t{2}) == 77);
}
