#include "querymark/log/pruner.hpp"

#include <catch2/catch.hpp>

#include "unit/log_fixture.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

const Epoch kEpoch{1, 2};

Snapshot at(std::uint64_t xmin, std::uint64_t xmax, std::vector<Position> in_progress = {}) {
  return {Position{xmin}, Position{xmax}, std::move(in_progress)};
}

LogHolder holder(std::string name, const Snapshot& snapshot, Epoch epoch = kEpoch) {
  return {LogHolder::Kind::consumer, "shop", std::move(name), Cursor{epoch, snapshot, {}}};
}

LogExtent extent() {
  return {.epoch = kEpoch,
          .now = at(200, 210, {{200}, {205}}),
          .pruned = at(10, 10),
          .rows = 100,
          .recorded = {{at(50, 50), 3h}, {at(80, 90, {{80}, {85}}), 61min}, {at(150, 150), 1min}}};
}

}  // namespace

TEST_CASE("pruner: the newest snapshot older than the retention goes, never an id that ran then",
          "[pruning]") {
  const PrunePlan plan = plan_pruning(extent(), {});
  REQUIRE(plan.upto);
  CHECK(*plan.upto == at(80, 90, {{80}, {85}}));
  CHECK_FALSE(plan.held_by);
  CHECK(*plan_pruning(extent(), {.retention = 2h}).upto == at(50, 50));
  CHECK_FALSE(plan_pruning(extent(), {.retention = 4h}).upto);
  CHECK(*plan_pruning(extent(), {.retention = 0s}).upto == extent().now);
}

TEST_CASE("pruner: the oldest cursor bounds it, and is named", "[pruning]") {
  LogExtent log = extent();
  log.holders = {holder("ahead", at(200, 210, {{205}})),
                 holder("late", at(60, 70, {{60}})),
                 holder("later", at(75, 75)),
                 {LogHolder::Kind::consumer, "shop", "new", {}}};
  const PrunePlan plan = plan_pruning(log, {});
  REQUIRE(plan.upto);
  CHECK(*plan.upto == at(60, 70, {{60}}));
  REQUIRE(plan.held_by);
  CHECK(plan.held_by->name == "late");
}

TEST_CASE("pruner: who is to start anew holds nothing", "[pruning]") {
  LogExtent log = extent();
  log.pruned = at(40, 40);
  log.holders = {holder("other epoch", at(60, 60), Epoch{3, 4}), holder("lost", at(39, 39))};
  const PrunePlan plan = plan_pruning(log, {});
  CHECK_FALSE(plan.held_by);
  CHECK(*plan.upto == at(80, 90, {{80}, {85}}));
}

TEST_CASE("pruner: beyond the bound of rows everything that is known goes, whoever has not read it",
          "[pruning]") {
  LogExtent log = extent();
  log.holders = {holder("late", at(60, 60))};
  const PrunePlan plan = plan_pruning(log, {.most_rows = 99});
  CHECK(plan.over_bound);
  CHECK_FALSE(plan.held_by);
  CHECK(*plan.upto == log.now);
  CHECK_FALSE(plan_pruning(log, {.most_rows = 100}).over_bound);
  CHECK_FALSE(plan_pruning(log, {.most_rows = 0}).over_bound);
}

TEST_CASE("pruner: a run that is stopped leaves the rest to the next", "[pruning]") {
  ManualClock clock;
  MemoryOutbox log("shop", clock);
  Pruner pruner(log, log, {.retention = 0s, .chunk = 2, .clock = &clock});
  for (int i = 0; i < 5; ++i) log.append(batch(tag("t", i)));
  std::stop_source stop;
  stop.request_stop();
  const PruneRound round = pruner.run_once(stop.get_token());
  CHECK(round.removed == 2);
  CHECK(round.more);
  CHECK(pruner.run_once().removed == 3);
}

TEST_CASE("pruner: options that make no sense are refused", "[pruning]") {
  MemoryOutbox log("shop");
  CHECK_THROWS_AS(Pruner(log, log, {.retention = -1s}), ConfigError);
  CHECK_THROWS_AS(Pruner(log, log, {.chunk = 0}), ConfigError);
  CHECK_THROWS_AS(Pruner(log, log, {.interval = 0s}), ConfigError);
}
