#include "querymark/read/read_machine.hpp"

#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using Fixture = MachineFixture;

}  // namespace

TEST_CASE("read machine: a miss loads, stores and is a hit the next time", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  CHECK_FALSE(f.find(request));
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::Load>(action));
  CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 42))));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::miss);
  CHECK(result.outcome.origin == Origin::database);
  CHECK(result.outcome.stored == Stored::yes);
  f.clock.advance(3s);
  CHECK(f.find(request) == 42);
  CHECK(f.outcome.status == ReadStatus::hit);
  CHECK(f.outcome.age >= 3s);
  CHECK(f.outcome.age - 3s < 5us);  // times are coarse
  CHECK(f.cache.stats().misses == 1);
  CHECK(f.cache.stats().hits == 1);
}

TEST_CASE("read machine: an invalidation during the load is returned to its caller but not kept",
          "[read_machine]") {
  const Target flush = flush_all();
  for (const Target* target : {&kA, &flush}) {
    Fixture f;
    NumberRequest request(f.source, {kA});
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    f.invalidate(*target);
    CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 42))));
    const ReadResult result = machine.take_result();
    CHECK(value_of(result) == 42);
    CHECK(result.outcome.stored == Stored::invalidated);
    CHECK(f.cache.stats().late_fills == 1);
    CHECK_FALSE(f.find(request));
  }
}

TEST_CASE("read machine: an intent for the query's own key kills a load in flight",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  f.invalidate(key_target(request.call.view));
  (void)machine.resume(brought(action, 42));
  CHECK(machine.take_result().outcome.stored == Stored::invalidated);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: an unrelated invalidation during the load changes nothing",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  f.invalidate(kB);
  (void)machine.resume(brought(action, 42));
  CHECK(machine.take_result().outcome.stored == Stored::yes);
  CHECK(f.find(request) == 42);
}

TEST_CASE("read machine: a late value that slips past the check is dead at its first hit",
          "[read_machine]") {
  // The stale set itself: an entry stamped before the invalidation reaches memory after it.
  Fixture f;
  NumberRequest request(f.source, {kA});
  NumberRequest other(f.source, {kA});
  ReadMachine early(f.source, request);
  Action early_action = early.start();
  f.invalidate(kA);
  ReadMachine late(f.source, other);
  Action late_action = elsewhere([&] { return late.start(); });
  REQUIRE(is<ReadMachine::Load>(late_action));
  (void)late.resume(brought(early_action, 42));
  REQUIRE(late.take_result().outcome.stored == Stored::yes);
  REQUIRE(f.cache.stats().entries == 1);
  CHECK_FALSE(f.find(request));
  CHECK(f.cache.stats().invalidated == 1);
  CHECK(f.cache.stats().entries == 0);
  (void)early.resume(brought(early_action, 42));
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: a hit raises the stamp and a later invalidation still kills",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  (void)machine.resume(brought(action, 42));
  const EntryRef entry = machine.take_result().entry;
  const std::uint64_t stamp = entry->generation();
  f.invalidate(kB);
  CHECK(f.find(request) == 42);
  CHECK(entry->generation() > stamp);
  f.invalidate(kA);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: targets that the entry lacks are a miss, then both sets are kept",
          "[read_machine]") {
  // Hard case 7.
  Fixture f;
  NumberRequest with_a(f.source, {kA});
  NumberRequest with_b(f.source, {kB});
  with_a.said.ttl = 10s;
  {
    ReadMachine machine(f.source, with_a);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  f.invalidate(kB);
  CHECK(f.find(with_a) == 1);  // raises the stamp past b's invalidation
  CHECK_FALSE(f.find(with_b));
  CHECK(f.cache.stats().targets_differed == 1);
  ReadMachine machine(f.source, with_b);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::Load>(action));
  (void)machine.resume(brought(action, 2));
  const ReadResult result = machine.take_result();
  CHECK(result.outcome.stored == Stored::yes);
  CHECK(result.entry->targets().size() == 3);  // the key, a and b
  CHECK(f.find(with_a) == 2);
  CHECK(f.find(with_b) == 2);
  SECTION("an invalidation of the first call site's target reaches the second") {
    f.invalidate(kA);
    CHECK_FALSE(f.find(with_b));
  }
  SECTION("an invalidation of the second call site's target reaches the first") {
    f.invalidate(kB);
    CHECK_FALSE(f.find(with_a));
  }
  SECTION("the shorter time to live wins") {
    f.clock.advance(9s);
    CHECK(f.find(with_b) == 2);
    f.clock.advance(2s);
    CHECK_FALSE(f.find(with_b));
  }
}

TEST_CASE("read machine: the union of two call sites' targets may exceed what an entry carries",
          "[read_machine]") {
  Fixture f;
  const auto many = [](const char* kind) {
    std::vector<Target> targets;
    for (int i = 0; i < 600; ++i) targets.push_back(entity(kind, i));
    return targets;
  };
  NumberRequest first(f.source, many("x"));
  NumberRequest second(f.source, many("y"));
  {
    ReadMachine machine(f.source, first);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  ReadMachine machine(f.source, second);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::Load>(action));
  (void)machine.resume(brought(action, 2));  // neither call site did anything wrong
  CHECK(value_of(machine.take_result()) == 2);
  CHECK(f.find(second) == 2);
  CHECK_FALSE(f.find(first));
}

TEST_CASE("read machine: a value that was stored between the look and the entry is a hit",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine first(f.source, request);
  Action action = first.start();
  CHECK_FALSE(f.find(request));  // the second caller has looked
  (void)first.resume(brought(action, 42));
  ReadMachine second(f.source, request);
  CHECK(is<ReadMachine::Done>(second.start()));
  const ReadResult result = second.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::hit);
}

TEST_CASE("read machine: rows that must not be kept are returned, with the reason",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  request.alone = true;
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  Loaded loaded = brought(action, 42);
  loaded.keep = Stored::in_transaction;
  (void)machine.resume(std::move(loaded));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.stored == Stored::in_transaction);
  CHECK(f.cache.stats().entries == 0);
}

TEST_CASE("read machine: a load in an older snapshot is kept only if it includes every mark",
          "[read_machine]") {
  Fixture f;
  f.invalidate(kA);  // position 11
  NumberRequest request(f.source, {kA});
  request.alone = true;
  const auto load_at = [&](const SharedStamp& snapshot) {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    Loaded loaded = brought(action, 42);
    loaded.snapshot = snapshot;
    (void)machine.resume(std::move(loaded));
    return machine.take_result().outcome.stored;
  };
  CHECK(load_at({kEpoch, {11}, {}}) == Stored::not_covered);
  CHECK(load_at({{9, 9}, {12}, {}}) == Stored::not_covered);
  CHECK(load_at({kEpoch, {5}, {}}) == Stored::not_covered);
  CHECK_FALSE(f.find(request));
  CHECK(load_at({kEpoch, {12}, {}}) == Stored::yes);
  CHECK(f.find(request) == 42);
}

TEST_CASE("read machine: a source out of touch with the log bypasses the cache by default",
          "[read_machine]") {
  // Rule 2.
  Fixture f;
  NumberRequest request(f.source, {kA});
  {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  f.source.marks().trust_until(f.clock.now() + 5s);
  CHECK(f.find(request) == 1);
  f.clock.advance(5s);
  CHECK_FALSE(f.find(request));
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  (void)machine.resume(brought(action, 2));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.status == ReadStatus::bypass);
  CHECK(result.outcome.stored == Stored::lagging);
  CHECK(f.cache.stats().bypassed == 1);
  f.source.marks().trust_until(f.clock.now() + 5s);
  CHECK(f.find(request) == 1);  // nothing was invalidated: it was good all the time
}

TEST_CASE("read machine: by policy hits are served as degraded, but never invalidated ones",
          "[read_machine]") {
  Fixture f(Lagging::serve_degraded);
  NumberRequest request(f.source, {kA});
  {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  f.source.marks().trust_until(f.clock.now());
  CHECK(f.find(request) == 1);
  CHECK(f.outcome.status == ReadStatus::degraded);
  CHECK(f.outcome.is_hit());
  CHECK(f.cache.stats().degraded == 1);
  f.invalidate(kA);
  CHECK_FALSE(f.find(request));
}
