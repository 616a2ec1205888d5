// Definitions of a SQLite file that change: SQLite has no triggers for them, so whoever looks at the log tells.

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "querymark/key/tracked.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

bool hits(Process& process) {
  return process.db.query("select name from product where id = 1")
      .tag(schema_of_all())
      .fetch()
      .outcome()
      .is_hit();
}

std::int64_t told(const Shop& shop) {
  SQLite::Database beside(shop.path(), SQLite::OPEN_READONLY);
  return beside.execAndGet("select count(*) from querymark_log where kind = 'schema'").getInt64();
}

void follow_definitions(const Shop& shop) {
  shop.execute(
      "update querymark_meta set definitions = (select schema_version from pragma_schema_version)");
}

void warm(Process& process) {
  static_cast<void>(hits(process));
  REQUIRE(hits(process));
}

}  // namespace

TEST_CASE("sqlite definitions: a change by anybody is told of once, whoever finds it",
          "[definitions]") {
  const Shop shop;
  follow_definitions(shop);
  Process one(shop);
  Process two(shop);
  warm(one);
  warm(two);
  shop.execute("create index by_name on product (name)");
  one.db.catch_up();
  two.db.catch_up();
  CHECK_FALSE(hits(one));
  CHECK_FALSE(hits(two));
  CHECK(told(shop) == 1);
  warm(one);
  shop.execute("update product set price = 3 where id = 1");
  one.db.catch_up();
  CHECK(hits(one));
  CHECK(told(shop) == 1);
}

TEST_CASE("sqlite definitions: a write of one's own that changes them is told of with it",
          "[definitions]") {
  const Shop shop;
  follow_definitions(shop);
  Process one(shop);
  Process other(shop);
  warm(one);
  warm(other);
  const Receipt receipt =
      one.db.write([](Transaction& tx) { tx.execute("create view cheap as select 1"); }).receipt;
  CHECK_FALSE(hits(one));
  CHECK(told(shop) == 1);
  CHECK(receipt.intents == 1);
  REQUIRE(other.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK_FALSE(hits(other));
  CHECK(told(shop) == 1);
}

TEST_CASE("sqlite definitions: where nothing is tracked nobody tells of them", "[definitions]") {
  const Shop shop;
  Process one(shop);
  warm(one);
  shop.execute("create index by_name on product (name)");
  one.db.catch_up();
  CHECK(hits(one));
  CHECK(told(shop) == 0);
}
