// One suite over every implementation of the port Pruning.

#include <catch2/catch.hpp>

#include "held.hpp"
#include "querymark/log/pruner.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

PrunerOptions hour() { return {.retention = 1h, .chunk = 3}; }

std::size_t rows_from(LogReader& reader, const Cursor& from) {
  return reader.read(after(from)).rows.size();
}

}  // namespace

TEMPLATE_TEST_CASE(
    "pruning: what is younger than the retention stays, what is older goes in chunks", "[pruning]",
    QUERYMARK_LOGS) {
  TestType log;
  Pruner pruner(log.pruning(), log.subscribers(), hour());
  for (int i = 0; i < 8; ++i) log.write(batch({tag("old", i)}));
  CHECK(pruner.run_once().removed == 0);
  // After the snapshot that this has recorded: other transactions (a heartbeat) may end in between.
  const Cursor reader = log.reader().now();
  log.grow_old(30min);
  const Receipt young = log.write(batch({tag("young")}));
  CHECK(pruner.run_once().removed == 0);
  CHECK(log.pruning().extent().recorded.size() == 2);
  log.grow_old(31min);
  const PruneRound round = pruner.run_once();
  CHECK(round.removed == 8);
  CHECK_FALSE(round.more);
  CHECK_FALSE(round.plan.held_by);
  CHECK_FALSE(log.pruning().extent().pruned.covers(young.position));
  // Whoever stood there lacks nothing; who reads what is retained sees the rest.
  CHECK(log.reader().read(after(reader)).status == TailStatus::ok);
  CHECK(rows_from(log.reader(), reader) == 1);
  CHECK(rows_from(log.reader(), log.reader().retained()) == 1);
  CHECK(pruner.run_once().removed == 0);
}

TEMPLATE_TEST_CASE(
    "pruning: a cursor that does not cover what may be gone is not whole, before a row is removed "
    "(hard cases 55, 56)",
    "[pruning]", QUERYMARK_LOGS) {
  TestType log;
  const Cursor behind = log.reader().now();
  log.write(batch({tag("a"), tag("b")}));
  const Cursor there = log.reader().now();
  REQUIRE(log.pruning().allow(there.epoch, there.snapshot));
  CHECK(log.reader().read(after(behind)).status == TailStatus::pruned);
  CHECK(log.reader().read(after(there)).status == TailStatus::ok);
  CHECK(log.pruning().extent().leftover >= 1);
  CHECK(log.pruning().remove(100).rows >= 1);
  CHECK(log.reader().read(after(behind)).status == TailStatus::pruned);
  CHECK(log.reader().read(after(there)).status == TailStatus::ok);
  // Never back.
  REQUIRE(log.pruning().allow(behind.epoch, behind.snapshot));
  CHECK(log.pruning().extent().pruned.contains(there.snapshot));
}

TEMPLATE_TEST_CASE(
    "pruning: a consumer that lags holds what it has not read, up to a bound of rows", "[pruning]",
    QUERYMARK_LOGS) {
  TestType log;
  const ClaimResult first = log.claims().claim("tier", "me", 0ms);
  REQUIRE(log.claims().finish(first.claim));
  for (int i = 0; i < 6; ++i) log.write(batch({tag("t", i)}));
  Pruner pruner(log.pruning(), log.subscribers(), hour());
  CHECK(pruner.run_once().removed == 0);
  log.grow_old(2h);
  const PruneRound held = pruner.run_once();
  CHECK(held.removed == 0);
  REQUIRE(held.plan.held_by);
  CHECK(held.plan.held_by->kind == LogHolder::Kind::consumer);
  CHECK(held.plan.held_by->name == "tier");
  CHECK(held.plan.held_by->namespace_name == "shop");
  const ClaimResult kept = log.claims().claim("tier", "me", 0ms);
  CHECK_FALSE(kept.claim.flush_first);

  PrunerOptions bounded = hour();
  bounded.most_rows = 5;
  Pruner cap(log.pruning(), log.subscribers(), bounded);
  const PruneRound over = cap.run_once();
  CHECK(over.plan.over_bound);
  CHECK(over.removed >= 5);
  CHECK(log.claims().claim("tier", "me", 0ms).claim.flush_first);
  // Once: what is allowed to go counts no more.
  CHECK_FALSE(cap.run_once().plan.over_bound);
}

TEMPLATE_TEST_CASE("pruning: a living subscriber holds what it has not read, a dead one nothing",
                   "[pruning]", QUERYMARK_LOGS) {
  TestType log;
  const SubscriberEntry entry = SubscriberEntry::of_process(10s);
  log.subscribers().enter(entry);
  const Cursor cursor = log.reader().now();
  log.write(batch({tag("a")}));
  log.write(batch({tag("b")}));
  Pruner pruner(log.pruning(), log.subscribers(), hour());
  static_cast<void>(pruner.run_once());
  log.grow_old(2h);
  CHECK(log.subscribers().beat(entry.id, cursor).known);  // lives, and stands still
  const PruneRound held = pruner.run_once();
  CHECK(held.removed == 0);
  REQUIRE(held.plan.held_by);
  CHECK(held.plan.held_by->kind == LogHolder::Kind::subscriber);
  CHECK(held.plan.held_by->name == entry.for_people());
  // Its last beat lies ahead once the clock has been put back: as much as none, but for the next one.
  const bool put_back = GENERATE(false, true);
  if (put_back) {
    log.put_clock_back(24h);
    CHECK(log.subscribers().beat(entry.id, cursor).known);
    CHECK(pruner.run_once().plan.held_by);
    log.put_clock_back(24h);
  }
  log.grow_old(11s);
  const PruneRound free = pruner.run_once();
  CHECK_FALSE(free.plan.held_by);
  CHECK(free.removed >= 1);
  CHECK(log.reader().read(after(cursor)).status == TailStatus::pruned);
}

TEMPLATE_TEST_CASE("pruning: another epoch forgets what may go of the old one", "[pruning]",
                   QUERYMARK_LOGS) {
  TestType log;
  log.write(batch({tag("a")}));
  const Cursor old = log.reader().now();
  CHECK(log.pruning().record_snapshot(1min, 1h));
  CHECK_FALSE(log.pruning().record_snapshot(1min, 1h));
  log.lose_history();
  CHECK(log.reader().read(after(old)).status == TailStatus::history_changed);
  CHECK_FALSE(log.pruning().allow(old.epoch, old.snapshot));
  CHECK(log.pruning().extent().recorded.empty());
  const Cursor now = log.reader().now();
  log.write(batch({tag("b")}));
  CHECK(rows_from(log.reader(), now) == 1);
}

TEMPLATE_TEST_CASE(
    "pruning: deliveries that have ended go after the retention, the dead when somebody has "
    "decided",
    "[pruning]", QUERYMARK_LOGS) {
  Held<TestType> held;
  const auto leave = [&](const Target& target, DeliveryState state) {
    held.written = held.log.write(batch({target}));
    held.claim = held.again();
    REQUIRE(held.leave(target, state));
    return held.rows().back().record.id;
  };
  const auto decide = [&](std::uint64_t id, DeliveryState seen, Decision decision) {
    const SeenDelivery delivery{id, seen};
    REQUIRE(held.log.deliveries().decide({&delivery, 1}, decision).size() == 1);
  };
  const std::uint64_t waits = leave(tag("waits"), DeliveryState::pending);
  const std::uint64_t dead = leave(tag("dead"), DeliveryState::dead);
  const std::uint64_t expired = leave(tag("expired"), DeliveryState::expired);
  decide(leave(tag("gone"), DeliveryState::dead), DeliveryState::dead, Decision::discard);
  decide(leave(tag("too"), DeliveryState::pending), DeliveryState::pending, Decision::cancel);
  Pruner pruner(held.log.pruning(), held.log.subscribers(), {.retention = 1h, .chunk = 1});
  CHECK(pruner.run_once().deliveries == 0);
  held.log.grow_old(2h);
  CHECK(pruner.run_once().deliveries == 2);
  std::vector<std::uint64_t> left;
  for (const DeliveryRow& row : held.rows()) left.push_back(row.record.id);
  CHECK(left == std::vector{waits, dead, expired});
  CHECK(pruner.run_once().deliveries == 0);
}
