#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "property/worker_world.hpp"
#include "querymark/log/memory_outbox.hpp"
#include "support/rounds.hpp"

// Workers of shared targets over the log in memory, stepped one call at a time: targets that fail,
// are refused something, take it and do not say so, go and come back; workers that die between any two
// steps or are stopped for longer than their lease; operators, pruners, clocks that leap and histories
// that are lost. Invariants: those of CheckedLog, WorkerProcess and LogFollower, and that all comes to
// an end once the troubles have.

namespace {

using namespace querymark;
using test::WorkerMutant;
using test::WorkerTally;
using test::WorkerWorld;

class MemoryWorldLog final : public test::WorldLog {
 public:
  MemoryWorldLog(const std::string& name, const Clock& clock)
      : clock_(clock), outbox_(name, clock) {}
  [[nodiscard]] test::LogPorts ports() override {
    return {outbox_, outbox_, outbox_, outbox_, outbox_, outbox_};
  }
  std::vector<Position> write(std::span<const std::optional<Target>> rows) override {
    std::vector<Position> positions;
    IntentBatch batch;
    const std::uint64_t before = outbox_.now().snapshot.limit().value;
    for (const auto& row : rows) {
      positions.push_back({before + positions.size()});
      if (row)
        batch.add(*row);
      else
        outbox_.append_malformed();
    }
    if (!batch.empty()) outbox_.append(batch);
    return positions;
  }
  void lose_history() override { outbox_.replace_history(); }
  [[nodiscard]] std::int64_t leases() override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(clock_.now().time_since_epoch())
        .count();
  }

 private:
  const Clock& clock_;
  MemoryOutbox outbox_;
};

test::WorldLogs in_memory(ManualClock& clock) {
  test::WorldLogs logs;
  for (const char* name : {"shop", "forum"})
    logs.push_back(std::make_unique<MemoryWorldLog>(name, clock));
  return logs;
}

}  // namespace

TEST_CASE(
    "workers: whatever becomes of them, log and targets, waits do not lie and all comes to an end",
    "[workers]") {
  WorkerTally tally;
  const std::uint64_t first = test::Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + test::rounds(100); ++seed) {
    {
      WorkerWorld world(seed, in_memory, {}, tally);
      world.run(400);
      if (tally.wrongs.count == 0) world.calm_down();
    }
    INFO("QUERYMARK_SEED=" << seed << ": " << tally.wrongs.first);
    REQUIRE(tally.wrongs.count == 0);
  }
  // And all of it happens.
  CHECK(tally.applied > 1000);
  CHECK(tally.flushes > 10);
  CHECK(tally.shown > 100);
  CHECK(tally.fenced > 0);
  CHECK(tally.deaths > 0);
  CHECK(tally.stops > 0);
  CHECK(tally.outages > 0);
  CHECK(tally.taken_rows > 0);
  CHECK(tally.dead > 0);
  CHECK(tally.paid > 0);
  CHECK(tally.superseded > 0);
  CHECK(tally.decided > 0);
  CHECK(tally.pruned > 0);
}

TEST_CASE("workers: a target that forgets what it was told is found out", "[workers]") {
  WorkerTally tally;
  for (std::uint64_t seed = 1; seed <= 100 && tally.wrongs.count == 0; ++seed) {
    WorkerWorld world(seed, in_memory, {.forgets = true}, tally);
    world.run(400);
    if (tally.wrongs.count == 0) world.calm_down();
  }
  CHECK(tally.wrongs.count > 0);
}
