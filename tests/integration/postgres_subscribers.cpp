// Processes that follow a log in PostgreSQL, as others see them.

#include <unistd.h>

#include <catch2/catch.hpp>

#include "querymark/log/reaper.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEST_CASE("postgres subscribers: a process is listed while it lives, and reports when asked",
          "[subscribers]") {
  const PgShop shop;
  postgres::Log log(shop.url(), "shop");
  const auto subscribers = log.subscribers();
  {
    PgProcess process(shop);
    await_listening(process.db);
    REQUIRE(subscribers->subscribers().size() == 1);
    CHECK(subscribers->subscribers()[0].entry.pid == ::getpid());
    const Receipt receipt = process.set_price(1, 9.0);
    subscribers->ask_report();
    shop.await("select exists (select from querymark.subscriber where pg_visible_in_snapshot('" +
               std::to_string(receipt.position.value) + "'::xid8, cursor))");
    CHECK(subscribers->subscribers()[0].cursor->snapshot.covers(receipt.position));
  }
  CHECK(subscribers->subscribers().empty());
}

TEST_CASE("postgres subscribers: heartbeats wait for no standby, however stuck (hard case 59)",
          "[subscribers]") {
  PostgresServer server;
  const PgShop shop(server);
  postgres::Log log(shop.url(), "shop", {.statement_timeout = 5s});
  const auto subscribers = log.subscribers();
  shop.execute("alter system set synchronous_standby_names = 'nobody'");
  shop.execute("select pg_reload_conf()");
  shop.await("select current_setting('synchronous_standby_names') = 'nobody'");
  const SubscriberEntry entry = SubscriberEntry::of_process(10s);
  subscribers->enter(entry);
  CHECK(subscribers->beat(entry.id, log.now()).known);
  TailRequest request{.from = log.now(), .upto = std::nullopt, .after = std::nullopt, .limit = 10};
  request.beat = Heartbeat{.id = entry.id};
  CHECK(log.read(request).beaten->known);
  const std::uint64_t seen = subscribers->subscribers()[0].beat;
  CHECK(subscribers->reap(entry.id, seen));
}
