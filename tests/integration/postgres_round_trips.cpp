// How often a write goes to the server and back, and that what travels together fails as it would
// alone.

#include <catch2/catch.hpp>
#include <pqxx/transaction>

#include "support/gated_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE("postgres round trips: BEGIN travels with a write's first statement", "[round trips]") {
  GatedShop counted;
  counted.process.set_price(1, 3.0);
  CHECK(counted.trips([&] { counted.process.set_price(1, 4.0); }) == 2);
  CHECK(counted.trips([&] {
    counted.process.db.write([](postgres::Transaction& tx) {
      const ResultSet price = tx.query("select price from product where id = 1");
      CHECK(price.row(0)[0].as<double>() == 4.0);
      tx.execute("update product set price = 5 where id = 1");
    });
  }) == 3);
  CHECK(counted.shop.number("select price::int from product where id = 1") == 5);
}

TEST_CASE("postgres round trips: a write without a statement commits its intents",
          "[round trips]") {
  GatedShop counted;
  static_cast<void>(counted.process.price(1));
  counted.shop.execute("update product set price = 8 where id = 1");
  Receipt receipt;
  CHECK(counted.trips([&] {
    receipt = counted.process.db
                  .write([](postgres::Transaction& tx) { tx.invalidate(entity("product", 1)); })
                  .receipt;
  }) == 2);
  CHECK(receipt.position.value > 0);
  CHECK(only(counted.process.price(1)) == 8.0);
  CHECK(counted.trips([&] {
    CHECK_THROWS_AS(counted.process.db.write([](postgres::Transaction&) { throw 7; }), int);
  }) == 0);
}

TEST_CASE("postgres round trips: a first statement that fails, fails as any other",
          "[round trips]") {
  GatedShop counted;
  try {
    counted.process.db.write([](postgres::Transaction& tx) {
      CHECK_THROWS_WITH(tx.execute("insert into product (id) values ($1 / 0)", 1),
                        Contains("22012"));
      CHECK_THROWS_WITH(tx.execute("select 2"), Contains("25P02"));
    });
    FAIL("a failed transaction was committed");
  } catch (const Error& failure) {
    CHECK(failure.native_code() == "22012");
    CHECK_THAT(failure.what(),
               Contains("nothing is committed") && Contains("insert into product (id)"));
  }
  // What is refused by its text was never sent, so the next statement is the first.
  counted.process.db.write([](postgres::Transaction& tx) {
    CHECK_THROWS_AS(tx.execute("commit"), ConfigError);
    tx.execute("update product set price = 4 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  CHECK(only(counted.process.price(1)) == 4.0);
}

TEST_CASE("postgres round trips: a BEGIN that fails runs nothing, and lets nothing be committed",
          "[round trips]") {
  GatedShop counted;
  counted.shop.execute("create sequence runs");
  counted.process.set_price(1, 3.0);
  counted.shop.execute("alter table querymark.meta rename to hidden");
  bool swallowed = false;
  try {
    counted.process.db.write([&](postgres::Transaction& tx) {
      try {
        static_cast<void>(tx.query("select nextval('runs')"));
      } catch (const Error&) {
        swallowed = true;
      }
      CHECK_THROWS_WITH(static_cast<void>(tx.query("select nextval('runs')")),
                        Contains("nothing is committed"));
    });
    FAIL("committed without a position");
  } catch (const Error& failure) {
    CHECK_THAT(failure.what(), Contains("nothing is committed") && Contains("querymark.meta"));
  }
  CHECK(swallowed);
  CHECK(counted.shop.number("select is_called::int from runs") == 0);
  counted.shop.execute("alter table querymark.hidden rename to meta");
  counted.process.set_price(1, 5.0);
  CHECK(only(counted.process.price(1)) == 5.0);
}

TEST_CASE("postgres round trips: a first statement that ends its connection is tried once more",
          "[round trips]") {
  GatedShop counted;
  counted.shop.execute("create sequence runs");
  CHECK_THROWS_AS(counted.process.db.write([](postgres::Transaction& tx) {
    static_cast<void>(tx.query("select nextval('runs'), pg_terminate_backend(pg_backend_pid())"));
  }),
                  Error);
  CHECK(counted.shop.number("select last_value from runs") == 2);
  counted.process.set_price(1, 5.0);
  CHECK(only(counted.process.price(1)) == 5.0);
}

TEST_CASE("postgres round trips: the log is looked at once for what triggers have put there",
          "[round trips]") {
  GatedShop counted;
  PgProcess& process = counted.process;
  await_listening(process.db);
  static_cast<void>(process.price(2));
  process.set_price(1, 3.0);
  // A program without the library, which rings nobody, and a trigger of the write's own.
  counted.shop.execute(
      "begin; update product set price = 70 where id = 2;"
      "select querymark.invalidate('shop', 'entity', 'product:2'); commit;"
      "create function tell() returns trigger language plpgsql as $$ begin "
      "perform querymark.invalidate('shop', 'entity', 'product:3'); return null; end $$;"
      "create trigger tell after update on product for each row execute function tell()");
  static_cast<void>(process.price(3));
  const std::uint64_t polls = process.db.stats().polls;
  const Receipt receipt = process.set_price(1, 4.0);
  CHECK(process.db.stats().polls == polls + 1);
  CHECK(process.db.source().marks().cursor().snapshot.horizon() > receipt.position);
  CHECK(process.db.source().marks().remembered() == 0);
  CHECK(only(process.price(2)) == 70.0);
  CHECK_FALSE(process.price(3).outcome().is_hit());
  CHECK(only(process.price(1)) == 4.0);
  CHECK(process.price(1).outcome().is_hit());
}

TEST_CASE("postgres round trips: what a policy hides from the writer is not passed over",
          "[round trips]") {
  const PgShop shop;
  shop.execute(
      "do $$ begin create role half login in role querymark_writer, querymark_subscriber; "
      "exception when duplicate_object then null; end $$;"
      "grant select, update on product to half; alter table querymark.log enable row level "
      "security; create policy half on querymark.log using (target <> 'product:2')");
  postgres::Options options = PgProcess::quick();
  options.poll_interval = 1h;
  options.max_lag = 2h;
  options.direct_url = shop.url();
  PgProcess process(shop.server().url(shop.name(), "half"), options);
  await_listening(process.db);
  static_cast<void>(process.price(2));
  shop.execute(
      "begin; update product set price = 70 where id = 2;"
      "select querymark.invalidate('shop', 'entity', 'product:2'); commit");
  process.set_price(1, 4.0);
  process.db.catch_up();
  CHECK(only(process.price(2)) == 70.0);
}

TEST_CASE("postgres round trips: a hit on a borrowed connection is one", "[round trips]") {
  GatedShop counted;
  pqxx::connection own(counted.gate.url(counted.shop.name()));
  pqxx::work work(own);
  auto borrowed = counted.process.db.borrow(work);
  const auto read = [&] {
    return borrowed.query("select price from product where id = 1")
        .tag(entity("product", 1))
        .fetch_as<double>()
        .outcome()
        .status;
  };
  CHECK(read() == ReadStatus::miss);
  ReadStatus status{};
  CHECK(counted.trips([&] { status = read(); }) == 1);
  CHECK(status == ReadStatus::hit);
}
