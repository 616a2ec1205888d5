// Nobody declares anything: tables report what writes change in them, whoever writes, and queries are analysed.

#include <catch2/catch.hpp>

#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

sqlite::Options automatic() {
  sqlite::Options options = Process::quick();
  options.tags = Tags::automatic;
  return options;
}

struct AutomaticShop : Shop {
  AutomaticShop() { sqlite::track(path(), {.tables = {"product"}}); }
};

// The price, and whether memory had it.
std::pair<double, bool> price(Queries& queries, std::int64_t id) {
  const auto rows = queries.query("select price from product where id = ?", id)
                        .ttl(std::chrono::hours(1))
                        .fetch_as<double>();
  return {only(rows), rows.outcome().is_hit()};
}

}  // namespace

TEST_CASE("sqlite automatic: a foreign write reaches the row that it changed, and no other",
          "[automatic]") {
  const AutomaticShop shop;
  Process process(shop, automatic());
  for (const std::int64_t id : {1, 2}) static_cast<void>(price(process.db, id));
  CHECK(price(process.db, 1) == std::pair(2.5, true));
  shop.execute("update product set price = 3 where id = 1");
  process.db.catch_up();
  CHECK(price(process.db, 1) == std::pair(3.0, false));
  CHECK(price(process.db, 2) == std::pair(7.0, true));
  shop.execute("insert or replace into product values (1, 'tea', 4, null)");
  process.db.catch_up();
  CHECK(price(process.db, 1) == std::pair(4.0, false));
  CHECK(price(process.db, 2).second);
}

TEST_CASE("sqlite automatic: an own write needs no intent", "[automatic]") {
  const AutomaticShop shop;
  Process process(shop, automatic());
  for (const std::int64_t id : {1, 2}) static_cast<void>(price(process.db, id));
  process.db.write(
      [](Transaction& tx) { tx.execute("update product set price = 9 where id = ?", 1); });
  CHECK(price(process.db, 1) == std::pair(9.0, false));
  CHECK(price(process.db, 2).second);
}

TEST_CASE(
    "sqlite automatic: once a table no longer reports, nothing of it is kept; then it is again",
    "[automatic]") {
  const AutomaticShop shop;
  Process process(shop, automatic());
  static_cast<void>(price(process.db, 1));
  CHECK(price(process.db, 1).second);
  for (const char* change :
       {"drop trigger querymark_update_product", "create unique index by_note on product (note)"}) {
    shop.execute(change);
    shop.execute("update product set price = price + 1 where id = 1");
    process.db.catch_up();
    const double now = price(process.db, 1).first;
    shop.execute("update product set price = price + 1 where id = 1");
    CHECK(price(process.db, 1) == std::pair(now + 1, false));
    sqlite::track(shop.path(), {.tables = {"product"}});
    process.db.catch_up();
    static_cast<void>(price(process.db, 1));
    CHECK(price(process.db, 1).second);
  }
}

TEST_CASE("sqlite automatic: what is known of a query is told", "[automatic]") {
  const AutomaticShop shop;
  Process process(shop);
  CHECK(process.db.analyse("select name from product where id = ?").str() ==
        "cache\n  main:product by id = $1");
}
