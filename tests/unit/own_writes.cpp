#include "querymark/write/own_writes.hpp"

#include <catch2/catch.hpp>

#include "unit/log_fixture.hpp"

namespace {

using namespace querymark;
using test::batch;
using Fixture = test::OwnWriter;

const Target kA = tag("a");
const Target kB = tag("b");

}  // namespace

TEST_CASE("own writes: rows that follow the cursor directly need no read of the log",
          "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  const PendingWrite pending = f.commit(kA, f.marks.cursor());
  f.settle(pending);
  CHECK(f.outbox.reads == 0);
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.unchanged(before, kB));
  CHECK(f.marks.cursor() == f.real.now());
  CHECK(f.marks.remembered() == 0);
  // A load from now on stands above the write (hard case 28), and the log shows nothing twice.
  const Stamp loaded = f.marks.begin_load();
  CHECK(loaded.shared.horizon > pending.receipt.position);
  f.subscriber.catch_up();
  CHECK(f.unchanged(loaded.generation, kA));
  // Nor does asking for nothing extend the trust.
  CHECK_FALSE(Fixture().marks.trusted(f.clock.now()));
}

TEST_CASE("own writes: a cursor that has left the place is not moved, and the log is read",
          "[own_writes]") {
  Fixture f;
  const Cursor old = f.marks.cursor();
  f.real.append(batch(kB));  // somebody else's
  f.subscriber.catch_up();
  const std::uint64_t before = f.marks.generation();
  const int reads = f.outbox.reads;
  f.settle(f.commit(kA, old));
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.outbox.reads == reads + 1);
  CHECK(f.marks.cursor() == f.real.now());
  CHECK(f.marks.remembered() == 0);
}

TEST_CASE("own writes: where the log was faster nothing is applied twice or read again",
          "[own_writes]") {
  Fixture f;
  const PendingWrite pending = f.commit(kA, f.marks.cursor());
  f.subscriber.catch_up();
  const std::uint64_t loaded = f.marks.generation();
  const int reads = f.outbox.reads;
  f.settle(pending);
  CHECK(f.unchanged(loaded, kA));
  CHECK(f.outbox.reads == reads);
}

TEST_CASE("own writes: a commit of another epoch is applied, and the new history read",
          "[own_writes]") {
  Fixture f;
  const PendingWrite pending = f.commit(kA, f.marks.cursor());
  f.real.replace_history();
  for (int i = 0; i < 3; ++i) f.real.append(batch(kB));  // their ids have been handed out before
  f.subscriber.catch_up();
  const Cursor now = f.marks.cursor();
  const std::uint64_t loaded = f.marks.generation();
  const int reads = f.outbox.reads;
  f.settle(pending);
  CHECK_FALSE(f.unchanged(loaded, kA));
  CHECK(f.outbox.reads == reads + 1);
  CHECK(f.marks.cursor() == now);
}

TEST_CASE("own writes: without a proof the log is read, and rows of others are applied",
          "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  const PendingWrite pending = f.commit(kA);
  f.real.append(batch(kB));
  f.settle(pending);
  CHECK(f.outbox.reads == 1);
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK_FALSE(f.unchanged(before, kB));
}

TEST_CASE("own writes: a read of the log that fails is counted, the write stands", "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  const PendingWrite pending = f.commit(kA);
  f.outbox.down = true;
  f.settle(pending);
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.own.stats().poll_failures == 1);
  CHECK(f.own.stats().writes == 1);
  CHECK(f.marks.remembered() == 1);
}

TEST_CASE(
    "own writes: a write without intents needs no look, and is refused where they are required",
    "[own_writes]") {
  Fixture f;
  f.own.admit({}, false);
  f.settle({});
  CHECK(f.outbox.reads == 0);
  CHECK(f.own.stats().writes_without_intents == 1);
  CHECK_THROWS_AS(f.own.admit({}, true), ConfigError);
  CHECK_NOTHROW(f.own.admit(batch(kA), true));
  CHECK(f.own.stats().writes_without_intents == 1);
}

TEST_CASE("own writes: what is in doubt is applied, counted, and applied again by the log",
          "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  const PendingWrite pending = f.commit(kA, f.marks.cursor());
  f.own.doubt(pending);
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.own.stats().in_doubt == 1);
  CHECK(f.marks.remembered() == 0);  // hard case 3
  CHECK_FALSE(f.marks.cursor() == f.real.now());
  const std::uint64_t loaded = f.marks.generation();
  f.subscriber.catch_up();
  CHECK_FALSE(f.unchanged(loaded, kA));
}

TEST_CASE("own writes: a local flush reaches everything", "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  f.own.flush_local();
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK_FALSE(f.unchanged(before, kB));
}

TEST_CASE("own writes: one whose rows are all known needs no look at the log", "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  PendingWrite pending = f.commit(kA);
  pending.rows = 1;
  f.settle(pending);
  CHECK(f.outbox.reads == 0);
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK(f.subscriber.wait(pending.receipt, Wait::local(std::chrono::milliseconds(0))).satisfied());
  CHECK(f.outbox.reads == 0);
  // The log shows it in the end, and nothing is invalidated twice.
  const std::uint64_t loaded = f.marks.generation();
  f.subscriber.catch_up();
  CHECK(f.unchanged(loaded, kA));
  CHECK(f.marks.remembered() == 0);
}

TEST_CASE("own writes: rows that others in the transaction have added are looked for in the log",
          "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  PendingWrite pending = f.commit(kA);
  SECTION("beside the caller's") { pending.rows = 2; }
  SECTION("alone") {
    pending.updates.clear();
    pending.receipt.intents = 0;
    pending.rows = 1;
  }
  f.settle(pending);
  CHECK(f.outbox.reads == 1);
  CHECK_FALSE(f.unchanged(before, kA));
}

TEST_CASE(
    "own writes: while the log can't be read, everything is stale if others may have added rows",
    "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  PendingWrite pending = f.commit(kA);
  f.outbox.down = true;
  SECTION("beside the caller's") { pending.rows = 2; }
  SECTION("uncounted") { pending.rows = std::nullopt; }
  SECTION("alone") {
    pending.updates.clear();
    pending.receipt.intents = 0;
    pending.rows = 1;
  }
  SECTION("at the second failure, too, which is not waited for") {
    f.settle(f.commit(kA));
    pending.rows = 2;
  }
  const std::uint64_t loaded = f.marks.generation();
  f.settle(pending);
  CHECK_FALSE(f.unchanged(before, kB));
  CHECK_FALSE(f.unchanged(loaded, kB));
}

TEST_CASE(
    "own writes: nor does a snapshot from before it count then, if it shows more than was read of "
    "the "
    "log",
    "[own_writes]") {
  Fixture f;
  f.real.append(batch(kA));  // another's, which the replica has
  PendingWrite pending = f.commit(kA);
  pending.rows = 2;
  f.outbox.down = true;
  f.settle(pending);
  const TargetId id = kB.id();
  SharedStamp stamp{.epoch = pending.receipt.epoch, .horizon = pending.receipt.position};
  CHECK_FALSE(f.marks.judge(stamp, {&id, 1}));
  ++stamp.horizon.value;
  CHECK(f.marks.judge(stamp, {&id, 1}));
}

TEST_CASE("own writes: while the log can't be read, one whose rows are all known reaches its own",
          "[own_writes]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  PendingWrite pending = f.commit(kA);
  pending.rows = 1;
  f.real.replace_history();  // so that the log is looked at
  f.subscriber.catch_up();
  const std::uint64_t loaded = f.marks.generation();
  f.outbox.down = true;
  f.settle(pending);
  CHECK(f.own.stats().poll_failures == 1);
  CHECK_FALSE(f.unchanged(before, kA));
  CHECK_FALSE(f.unchanged(loaded, kA));
  CHECK(f.unchanged(loaded, kB));
}

TEST_CASE("own writes: what is found to be committed is looked for, or everything is stale",
          "[own_writes]") {
  Fixture f;
  const Receipt receipt = f.real.append(batch(kA));
  const std::uint64_t before = f.marks.generation();
  SECTION("in the log") {
    f.own.found_committed(receipt);
    CHECK(f.outbox.reads == 1);
    CHECK_FALSE(f.unchanged(before, kA));
    CHECK(f.unchanged(before, kB));
    f.own.found_committed(receipt);
    CHECK(f.outbox.reads == 1);
  }
  SECTION("which can't be read") {
    f.outbox.down = true;
    f.own.found_committed(receipt);
    CHECK_FALSE(f.unchanged(before, kA));
    CHECK_FALSE(f.unchanged(before, kB));
  }
}

TEST_CASE("own writes: a commit of another epoch is looked for, however well its rows are known",
          "[own_writes]") {
  Fixture f;
  PendingWrite pending = f.commit(kA);
  pending.rows = 1;
  f.real.replace_history();
  f.subscriber.catch_up();
  const int reads = f.outbox.reads;
  f.settle(pending);
  CHECK(f.outbox.reads == reads + 1);
}

TEST_CASE("own writes: when many rows are ahead of the log, its reader is woken", "[own_writes]") {
  Fixture f;
  f.subscriber.start();
  f.doorbell.await_waits(1);
  for (int i = 0; i < 2000; ++i) {
    PendingWrite pending = f.commit(tag(std::to_string(i)));
    pending.rows = 1;
    f.settle(pending);
  }
  f.doorbell.await_waits(2);
  CHECK(f.marks.remembered() < 2000);
}
