// A tier on a disk that takes nothing more.

#include <catch2/catch.hpp>
#include <filesystem>
#include <memory>

#include "querymark/file_tier/file_tier.hpp"
#include "querymark/querymark.hpp"
#include "support/file_size_limit.hpp"
#include "support/temp_dir.hpp"
#include "support/tier_values.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEST_CASE("file tier: a full disk fails a check, and reads go on", "[file tier]") {
  const TempDir dir;
  FileTier tier(dir.file("tier"), {.busy_timeout = 30s});
  REQUIRE(tier.put("shop", name(1), value_of("one")) == StoreStatus::stored);
  const std::size_t bytes = tier.stats().bytes;
  CHECK_NOTHROW(tier.check());
  {
    const FileSizeLimit full(0);
    CHECK_THROWS_AS(tier.check(), Error);
    CHECK(text_in(tier.get("shop", name(1))) == "one");
    CHECK(tier.put("shop", name(2), value_of("two")) == StoreStatus::failed);
  }
  CHECK_NOTHROW(tier.check());
  CHECK(tier.stats().bytes == bytes);
}

TEST_CASE("file tier: a full disk is the worker's target's outage, and no intent's fault",
          "[file tier]") {
  const TempDir dir;
  const auto tier =
      std::make_shared<FileTier>(dir.file("tier"), FileTierOptions{.busy_timeout = 30s});
  FileTierApplier target(tier, "shop");
  ManualClock clock;
  MemoryOutbox log("shop", clock);
  Worker worker({log, log, log}, target, {.clock = &clock});
  REQUIRE(worker.run_once().flushed);  // a new target
  const Epoch epoch = log.now().epoch;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(tier->put("shop", name(i), value_of("old", epoch, 1, entity("product", i))) ==
            StoreStatus::stored);
    IntentBatch intents;
    intents.add(entity("product", i));
    log.append(intents);
  }
  const bool nothing_fits =
      GENERATE(true, false);  // else one page more, and a removal takes several
  {
    const FileSizeLimit full(
        nothing_fits ? 0 : std::filesystem::file_size(dir.file("tier-wal")) + 4096 + 24);
    const WorkerRound round = worker.run_once();
    CHECK(round.down);
    CHECK(round.died == 0);
    CHECK(round.left == 0);
    CHECK(log.list({}).empty());
  }
  clock.advance(1min);
  const WorkerRound round = worker.run_once();
  CHECK(round.applied == 3);
  CHECK_FALSE(round.flushed);
  CHECK(tier->stats().entries == 0);
}
