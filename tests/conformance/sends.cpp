// Statements whose results nobody waits for, and writes of a single one: the same on all databases.

#include <catch2/catch.hpp>

#include "querymark/support/constraint_violation.hpp"
#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kSet = "update product set price = $1 where id = $2";
constexpr const char* kInsert = "insert into product (id, name, price) values ($1, $2, $3)";

}  // namespace

TEMPLATE_TEST_CASE("sends: a write of one statement changes rows, and invalidates", "[sends]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  static_cast<void>(process.price(1));
  for (int i = 0; i < 4; ++i) {
    const double price = 4.5 + i;
    const Written<std::int64_t> written =
        process.db.write_one(kSet, Parameters(price, 1), entity("product", 1));
    CHECK(written.value == 1);
    CHECK(written.receipt.intents == 1);
    CHECK(written.receipt.position.value > 0);
    CHECK(process.db.wait(written.receipt, Wait::local(0ms)).satisfied());
    CHECK(only(process.price(1)) == price);
    CHECK(process.price(1).outcome().is_hit());
  }
  CHECK(process.db.write_one(kSet, Parameters(9.0, 1000), entity("product", 1000)).value == 0);
  IntentBatch both("prices are due");
  both.add(entity("product", 1)).add(entity("product", 2));
  CHECK(process.db.write_one("update product set price = 7 where id <= 2", Parameters(), both)
            .receipt.intents == 2);
  CHECK(only(process.price(2)) == 7.0);
  CHECK(process.db.write_one("update product set price = 8", Parameters(), IntentBatch())
            .receipt.intents == 0);
  CHECK(process.db.stats().writes == 7);
}

TEMPLATE_TEST_CASE("sends: they are done in order, before what is awaited", "[sends]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  process.db.write([&](Transaction& tx) {
    const std::string name = "short-lived";
    tx.send(kInsert, 50, name, 1.0);
    tx.send(kSet, 2.0, 50);
    const ResultSet price = tx.query("select price from product where id = 50");
    CHECK(price.row(0)[0].template as<double>() == 2.0);
    tx.send(kSet, 3.0, 50);
    CHECK(tx.execute("update product set price = price + 1 where id = 50") == 1);
    tx.send("update product set price = price * 2 where id = 50");
    tx.invalidate(entity("product", 50));
  });
  CHECK(only(process.price(50)) == 8.0);
  process.db.write([&](Transaction& tx) {
    for (int i = 0; i < 250; ++i) tx.send("update product set price = price + 1 where id = 50");
    tx.invalidate(entity("product", 50));
  });
  CHECK(only(process.price(50)) == 258.0);
}

TEMPLATE_TEST_CASE("sends: one that fails is named, and nothing is committed", "[sends]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  static_cast<void>(process.price(1));
  const auto fails = [&](auto&& function) {
    try {
      function();
    } catch (const ConstraintViolation& violation) {
      CHECK(violation.kind() == ConstraintViolation::Kind::unique);
      CHECK(violation.table() == "product");
      CHECK_FALSE(violation.outcome_unknown());
      CHECK_THAT(violation.what(), Contains(kInsert));
      return;
    }
    FAIL("nothing was thrown");
  };
  for (int i = 0; i < 3; ++i) {
    fails(
        [&] { process.db.write_one(kInsert, Parameters(1, "twice", 1.0), entity("product", 1)); });
    fails([&] {
      process.db.write([](Transaction& tx) {
        tx.execute("update product set price = 99 where id = 1");
        tx.send(kInsert, 1, "twice", 1.0);
        tx.send("update product set price = 98 where id = 1");
        tx.invalidate(entity("product", 1));
      });
    });
    fails([&] {
      process.db.write([](Transaction& tx) {
        tx.send("update product set price = 99 where id = 1");
        tx.send(kInsert, 1, "twice", 1.0);
        static_cast<void>(tx.query("select 1"));
        FAIL("the query went through");
      });
    });
  }
  CHECK(process.price(1).outcome().is_hit());
  CHECK(only(process.price(1)) == 2.5);
  CHECK(process.db.stats().writes == 0);
  CHECK(process.db.stats().in_doubt == 0);
  CHECK(process.db.write_one(kSet, Parameters(3.0, 1), entity("product", 1)).value == 1);
  CHECK(only(process.price(1)) == 3.0);
}

TEMPLATE_TEST_CASE("sends: what a function that throws has sent is not done", "[sends]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  CHECK_THROWS_AS(process.db.write([](Transaction& tx) {
    tx.send("update product set price = 99 where id = 1");
    throw 7;
  }),
                  int);
  CHECK_THROWS_AS(process.db.write([](Transaction& tx) { tx.send("commit"); }), Error);
  CHECK(only(process.price(1)) == 2.5);
}
