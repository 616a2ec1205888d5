// One suite over every implementation of the port Subscribers.

#include <algorithm>
#include <catch2/catch.hpp>

#include "logs.hpp"
#include "querymark/log/reaper.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

SubscriberEntry newcomer(std::chrono::milliseconds lease = 10s) {
  SubscriberEntry entry = SubscriberEntry::of_process(lease);
  entry.application = "shop";
  entry.host = "web1";
  return entry;
}

std::optional<SubscriberRow> row_of(Subscribers& port, SubscriberId id) {
  for (SubscriberRow& row : port.subscribers())
    if (row.entry.id == id) return std::move(row);
  return std::nullopt;
}

TailRequest beating(const Cursor& from, SubscriberId id, bool count = false) {
  TailRequest request = after(from);
  request.beat = Heartbeat{.id = id, .count_live = count};
  return request;
}

}  // namespace

TEMPLATE_TEST_CASE("subscribers: who enters is listed, without a cursor until it beats",
                   "[subscribers]", QUERYMARK_LOGS) {
  TestType log;
  Subscribers& port = log.subscribers();
  const SubscriberEntry entry = newcomer();
  port.enter(entry);
  const auto row = row_of(port, entry.id);
  REQUIRE(row);
  CHECK_FALSE(row->cursor);
  CHECK(row->entry.lease == 10s);
  CHECK(row->entry.application == "shop");
  CHECK(row->entry.host == "web1");
  CHECK(row->entry.pid == entry.pid);
  CHECK(row->entry.version == entry.version);
  CHECK(row->age < 10s);
  port.leave(entry.id);
  CHECK_FALSE(row_of(port, entry.id));
  CHECK_NOTHROW(port.leave(entry.id));
}

TEMPLATE_TEST_CASE(
    "subscribers: a heartbeat travels with a look at the log, and tells how far it is",
    "[subscribers]", QUERYMARK_LOGS) {
  TestType log;
  Subscribers& port = log.subscribers();
  const SubscriberEntry entry = newcomer();
  port.enter(entry);
  const std::uint64_t entered = row_of(port, entry.id)->beat;
  const Cursor at = log.reader().now();
  const Receipt receipt = log.write(batch({tag("a")}));
  const TailPage page = log.reader().read(beating(at, entry.id));
  CHECK(page.rows.size() == 1);
  REQUIRE(page.beaten);
  CHECK(page.beaten->known);
  CHECK_FALSE(page.beaten->live);
  auto row = row_of(port, entry.id);
  REQUIRE(row);
  CHECK(row->beat != entered);
  REQUIRE(row->cursor);
  CHECK(row->cursor->epoch == at.epoch);
  CHECK(row->cursor->snapshot == at.snapshot);
  CHECK_FALSE(row->cursor->snapshot.covers(receipt.position));
  // Nothing new: it counts all the same.
  const TailPage quiet = log.reader().read(beating(page.upto, entry.id, true));
  REQUIRE(quiet.beaten);
  CHECK(quiet.beaten->known);
  CHECK(quiet.beaten->live.value_or(0) >= 1);
  row = row_of(port, entry.id);
  CHECK(row->cursor->snapshot.covers(receipt.position));
  // And on its own.
  CHECK(port.beat(entry.id, log.reader().now()).known);
  CHECK(row_of(port, entry.id)->beat != row->beat);
  CHECK_FALSE(log.reader().read(after(page.upto)).beaten);
}

TEMPLATE_TEST_CASE("subscribers: whose row is gone learns so from its heartbeat", "[subscribers]",
                   QUERYMARK_LOGS) {
  TestType log;
  Subscribers& port = log.subscribers();
  const SubscriberEntry entry = newcomer();
  const Cursor at = log.reader().now();
  const TailPage page = log.reader().read(beating(at, entry.id));
  REQUIRE(page.beaten);
  CHECK_FALSE(page.beaten->known);
  CHECK_FALSE(port.beat(entry.id, at).known);
  CHECK_FALSE(row_of(port, entry.id));  // a heartbeat enters nobody
}

TEMPLATE_TEST_CASE(
    "subscribers: a reaper removes who has not beaten since it was seen, and nobody else (hard "
    "case 62)",
    "[subscribers]", QUERYMARK_LOGS) {
  TestType log;
  Subscribers& port = log.subscribers();
  const SubscriberEntry quick = newcomer();
  const SubscriberEntry dead = newcomer();
  port.enter(quick);
  port.enter(dead);
  const std::uint64_t quick_seen = row_of(port, quick.id)->beat;
  const std::uint64_t dead_seen = row_of(port, dead.id)->beat;
  CHECK(port.beat(quick.id, log.reader().now()).known);  // between the look and the removal
  CHECK_FALSE(port.reap(quick.id, quick_seen));
  CHECK(port.reap(dead.id, dead_seen));
  CHECK(row_of(port, quick.id));
  CHECK_FALSE(row_of(port, dead.id));
  CHECK_FALSE(port.reap(dead.id, dead_seen));
}

TEMPLATE_TEST_CASE(
    "subscribers: the reaper's own clock tells who is dead, whatever the database's says "
    "(hard case 58)",
    "[subscribers]", QUERYMARK_LOGS) {
  TestType log;
  Subscribers& port = log.subscribers();
  ManualClock clock;
  Reaper reaper(port, clock);
  const SubscriberEntry living = newcomer();
  const SubscriberEntry dead = newcomer();
  port.enter(living);
  port.enter(dead);
  const auto sees = [&](SubscriberId id) {
    return std::ranges::any_of(reaper.look(),
                               [&](const SubscriberRow& row) { return row.entry.id == id; });
  };
  CHECK(sees(dead.id));
  log.grow_old(24h);  // the database's clock leaps: nobody is dead for that
  CHECK(sees(dead.id));
  clock.advance(9s);
  CHECK(port.beat(living.id, log.reader().now()).known);
  CHECK(sees(dead.id));
  clock.advance(2s);
  CHECK_FALSE(sees(dead.id));
  CHECK(sees(living.id));
  CHECK_FALSE(row_of(port, dead.id));
  Reaper late(port, clock);  // knows nothing yet
  clock.advance(1h);
  CHECK(
      std::ranges::any_of(late.look(), [&](const auto& row) { return row.entry.id == living.id; }));
}
