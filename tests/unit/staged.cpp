#include "querymark/write/staged.hpp"

#include <catch2/catch.hpp>
#include <optional>

#include "unit/log_fixture.hpp"

namespace {

using namespace querymark;
using test::batch;
using test::FakeDoorbell;
using test::FaultyOutbox;

const Target kA = tag("a");

struct Fixture {
  MemoryOutbox real{"shop"};
  FaultyOutbox outbox{real};
  FakeDoorbell doorbell;
  Marks marks{4096};
  Subscriber subscriber{"shop", outbox, doorbell, marks};
  OwnWrites own{marks, subscriber};
  int asked = 0;
  bool open = false;  // the caller's transaction

  Fixture() { marks.restart(real.now()); }

  // Intents whose transaction has committed, as the log sees it.
  [[nodiscard]] Staged stage() {
    PendingWrite pending;
    pending.receipt = real.append(batch(kA));
    pending.updates = {{kA.id(), pending.receipt.position}};
    return {own, std::move(pending), [this](const Receipt& receipt) {
              ++asked;
              CHECK(receipt.intents == 1);
              if (open) throw Error("still open");
            }};
  }
  [[nodiscard]] bool invalidated_since(std::uint64_t stamp) const {
    const TargetId id = kA.id();
    return !marks.unchanged_since(stamp, {&id, 1});
  }
};

}  // namespace

TEST_CASE("staged: committed() asks the log, applies the intents and returns the receipt",
          "[staged]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  Staged staged = f.stage();
  CHECK_FALSE(f.invalidated_since(before));
  const Receipt receipt = staged.committed();
  CHECK(f.asked == 1);
  CHECK(f.invalidated_since(before));
  CHECK(receipt.position == Position{1});
  CHECK(f.marks.cursor() == f.real.now());  // a load from now on stands above it
  CHECK(f.own.stats().writes == 1);
  CHECK_THROWS_AS(staged.committed(), ConfigError);
  CHECK(f.own.stats().writes == 1);
}

TEST_CASE("staged: a transaction that is not in the log applies nothing, and may be asked again",
          "[staged]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  Staged staged = f.stage();
  f.open = true;
  CHECK_THROWS_WITH(staged.committed(), "still open");
  CHECK_FALSE(f.invalidated_since(before));
  CHECK(f.own.stats().writes == 0);
  f.open = false;
  CHECK(staged.committed().intents == 1);
  CHECK(f.invalidated_since(before));
  CHECK(f.asked == 2);
}

TEST_CASE("staged: a rollback forgets the intents", "[staged]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  {
    Staged staged = f.stage();
    staged.rolled_back();
    staged.rolled_back();
    CHECK_THROWS_AS(staged.committed(), ConfigError);
  }
  CHECK_FALSE(f.invalidated_since(before));
  CHECK(f.asked == 0);
  CHECK(f.own.stats().in_doubt == 0);
}

TEST_CASE("staged: dying unsettled counts as in doubt, once, and applies the intents", "[staged]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  {
    Staged staged = f.stage();
    const Staged moved = std::move(staged);
  }
  CHECK(f.own.stats().in_doubt == 1);
  CHECK(f.invalidated_since(before));
  CHECK(f.marks.remembered() == 0);  // the log applies them again (hard case 3)
  CHECK(f.asked == 0);
}
