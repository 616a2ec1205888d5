// What an operator's decision on a delivery does beside the delivery itself.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>

#include "support/heard.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

TEST_CASE("postgres deliveries: a retry rings for its worker, other decisions ring for nobody",
          "[deliveries]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  shop.execute(
      "insert into querymark.consumer (namespace, name, epoch, cursor) select 'shop', 'tier', "
      "epoch, pg_current_snapshot() from querymark.meta;"
      "insert into querymark.delivery (namespace, consumer, epoch, first_position, position, kind, "
      "target, state) select 'shop', 'tier', epoch, '5', i::text::xid8, 'tag', 't', 'dead' "
      "from generate_series(5, 6) i, querymark.meta");
  pqxx::connection connection(shop.url());
  Heard heard(connection, "querymark");
  const auto deliveries = log.deliveries();
  const auto rows = deliveries->list({.consumer = "tier"});
  REQUIRE(rows.size() == 2);
  const auto decide = [&](std::size_t which, Decision decision) {
    const SeenDelivery seen{rows.at(which).record.id, DeliveryState::dead};
    return deliveries->decide({&seen, 1}, decision).size();
  };
  REQUIRE(decide(0, Decision::discard) == 1);
  REQUIRE(decide(0, Decision::retry) == 0);  // it is dead no more
  shop.execute("select pg_notify('querymark', '|')");
  REQUIRE(decide(1, Decision::retry) == 1);
  while (heard.payloads.find("shop") == std::string::npos)
    REQUIRE(connection.await_notification(60, 0) > 0);
  CHECK(heard.payloads == "| shop ");
}
