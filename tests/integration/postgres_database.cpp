#include "querymark/postgres/database.hpp"

#include <catch2/catch.hpp>

#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

TEST_CASE("postgres: a query is a miss, then a hit with the same rows", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const auto fetch = [&] {
    return process.db
        .query("select id, name, price from product where price < $1 order by price", 10.0)
        .tag(collection("product"))
        .fetch();
  };
  const Result miss = fetch();
  CHECK(miss.outcome().status == ReadStatus::miss);
  CHECK(miss.outcome().stored == Stored::yes);
  const Result hit = fetch();
  CHECK(hit.outcome().source == ReadSource::memory);
  CHECK(hit.set() == miss.set());
  REQUIRE(hit.size() == 2);
  CHECK(hit[0]["name"].view() == "tea");
  CHECK(hit.set().column_type(2) == "double precision");
}
