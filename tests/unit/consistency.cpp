#include "querymark/read/consistency.hpp"

#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"
#include "unit/subscriber_fixture.hpp"

// Reads that must be fresher than memory happens to be, step by step: what the log shows between
// the call and the look, and who shares whose load.

namespace {

using namespace querymark;
using namespace querymark::test;

struct Fixture : MachineFixture {
  explicit Fixture(Lagging lagging = Lagging::bypass) : MachineFixture(lagging) {
    source.follow_by(subscriber);
  }
  // Memory has this value.
  void keep(std::int64_t n) {
    NumberRequest eventual(source, {kA});
    ReadMachine machine(source, eventual);
    (void)machine.resume(brought(machine.start(), n));
  }
  [[nodiscard]] Receipt receipt(std::uint64_t position) const {
    return {"shop", kEpoch, {position}, {1}, 1};
  }
  NumberRequest& wanting(const Consistency& consistency) {
    request.said.consistency = consistency;
    return request;
  }

  MemoryOutbox log{"shop", clock};
  FakeDoorbell doorbell;
  Subscriber subscriber{"shop", log, doorbell, source.marks(), {.clock = &clock}};
  NumberRequest request{source, {kA}};
};

}  // namespace

TEST_CASE("strong: memory is looked at only once the log has been reached", "[consistency]") {
  Fixture f;
  f.keep(1);
  ReadMachine machine(f.source, f.wanting(Consistency::strong()));
  REQUIRE(is<ReadMachine::Reach>(machine.start()));
  f.invalidate(kA);  // what the log shows
  Action action = machine.resume_reached(true);
  REQUIRE(is<ReadMachine::Load>(action));
  (void)machine.resume(brought(action, 2));
  CHECK(value_of(machine.take_result()) == 2);
  CHECK(f.find(f.request) == 2);
}

TEST_CASE("strong: what the log says nothing about is served from memory", "[consistency]") {
  Fixture f;
  f.keep(1);
  ReadMachine machine(f.source, f.wanting(Consistency::strong()));
  REQUIRE(is<ReadMachine::Reach>(machine.start()));
  f.invalidate(kB);
  REQUIRE(is<ReadMachine::Done>(machine.resume_reached(true)));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 1);
  CHECK(result.outcome.is_hit());
  CHECK(f.cache.stats().hits == 1);
}

TEST_CASE("strong: nothing past its TTL is served, though it ended during the look at the log",
          "[consistency]") {
  Fixture f;
  f.keep(1);
  ReadMachine machine(f.source, f.wanting(Consistency::strong()));
  REQUIRE(is<ReadMachine::Reach>(machine.start()));
  f.clock.advance(6min);
  f.source.marks().trust_until(MonotonicTime::max());
  Action action = machine.resume_reached(true);
  REQUIRE(is<ReadMachine::Load>(action));
  CHECK(std::get<ReadMachine::Load>(action).init.loaded == f.clock.now());
}

TEST_CASE("strong: where the log is not reached the database answers, past every load in flight",
          "[consistency]") {
  Fixture f;
  f.keep(1);
  f.invalidate(kA);
  NumberRequest other(f.source, {kA});
  ReadMachine leader(f.source, other);
  Action leads = leader.start();
  REQUIRE(is<ReadMachine::Load>(leads));
  ReadMachine machine(f.source, f.wanting(Consistency::strong()));
  Action action = elsewhere([&] { return machine.start(); });
  REQUIRE(is<ReadMachine::Reach>(action));
  action = elsewhere([&] { return machine.resume_reached(false); });
  REQUIRE(is<ReadMachine::Load>(action));
  CHECK_FALSE(machine.leads());  // and nobody joins this one
  (void)machine.resume(brought(action, 3));
  CHECK(machine.take_result().outcome.status == ReadStatus::miss);
}

TEST_CASE("strong: a load in flight is shared unless the log shows a write from after its start",
          "[consistency]") {
  const bool written = GENERATE(false, true);
  Fixture f;
  NumberRequest other(f.source, {kA});
  ReadMachine leader(f.source, other);
  Action leads = leader.start();
  ReadMachine machine(f.source, f.wanting(Consistency::strong()));
  REQUIRE(is<ReadMachine::Reach>(machine.start()));
  if (written) f.invalidate(kA);
  Action action = elsewhere([&] { return machine.resume_reached(true); });
  CHECK(is<ReadMachine::Await>(action) == !written);
}

TEST_CASE("strong: who joined loads anew when the value's target is invalidated meanwhile",
          "[consistency]") {
  Fixture f;
  NumberRequest other(f.source, {kA});
  ReadMachine leader(f.source, other);
  Action leads = leader.start();
  ReadMachine machine(f.source, f.wanting(Consistency::strong()));
  (void)machine.start();
  Action action = elsewhere([&] { return machine.resume_reached(true); });
  REQUIRE(is<ReadMachine::Await>(action));
  f.invalidate(kA);
  (void)leader.resume(brought(leads, 1));
  CHECK(is<ReadMachine::Load>(machine.resume(waited(action))));
}

TEST_CASE("strong: a policy to serve what is not trusted is for other reads", "[consistency]") {
  Fixture f(Lagging::serve_degraded);
  f.keep(1);
  f.source.marks().trust_until(f.clock.now());
  SECTION("before the look") {
    ReadMachine machine(f.source, f.wanting(Consistency::strong()));
    (void)machine.start();
    Action action = machine.resume_reached(true);
    REQUIRE(is<ReadMachine::Load>(action));
    CHECK_FALSE(machine.leads());
    (void)machine.resume(brought(action, 2));
    CHECK(machine.take_result().outcome.stored == Stored::lagging);
  }
  SECTION("while another's load is waited for") {
    f.source.marks().trust_until(MonotonicTime::max());
    f.invalidate(kA);
    NumberRequest other(f.source, {kA});
    ReadMachine leader(f.source, other);
    Action leads = leader.start();
    ReadMachine machine(f.source, f.wanting(Consistency::strong()));
    (void)machine.start();
    Action action = elsewhere([&] { return machine.resume_reached(true); });
    REQUIRE(is<ReadMachine::Await>(action));
    f.source.marks().trust_until(f.clock.now());
    (void)leader.resume(brought(leads, 1));
    CHECK(is<ReadMachine::Load>(machine.resume(waited(action))));
  }
}

TEST_CASE("at least: the log is not asked when the marks include the write", "[consistency]") {
  Fixture f;
  f.keep(1);
  ReadMachine covered(f.source, f.wanting(Consistency::at_least(f.receipt(10))));
  CHECK(is<ReadMachine::Done>(covered.start()));
  CHECK(covered.take_result().outcome.is_hit());
  ReadMachine not_covered(f.source, f.wanting(Consistency::at_least(f.receipt(11))));
  CHECK(is<ReadMachine::Reach>(not_covered.start()));
}

TEST_CASE("at least: each write of several counts, and all up to a position", "[consistency]") {
  Fixture f;
  const Marks& marks = f.source.marks();
  const auto met = [&](std::vector<Receipt> receipts, std::uint64_t upto) {
    return Consistency::at_least(std::move(receipts), {upto}).met(marks);
  };
  f.source.marks().restart({kEpoch, Snapshot({8}, {11}, {{8}}), {}});
  CHECK(met({f.receipt(9), f.receipt(10)}, 0));
  CHECK_FALSE(met({f.receipt(10), f.receipt(8)}, 0));  // the highest is not the last to commit
  CHECK(met({f.receipt(9)}, 7));
  CHECK_FALSE(met({f.receipt(9)}, 10));
  Receipt foreign = f.receipt(1);
  foreign.epoch = {9, 9};
  CHECK_FALSE(met({foreign}, 0));
}

TEST_CASE("at least: a write that has invalidated nothing asks for nothing", "[consistency]") {
  Fixture f;
  Receipt empty = f.receipt(99);
  empty.intents = 0;
  CHECK(Consistency::at_least(empty).is_eventual());
}

TEST_CASE("consistency: what can't be meant is refused", "[consistency]") {
  Fixture f;
  Receipt foreign = f.receipt(10);
  foreign.namespace_name = "other";
  ReadMachine machine(f.source, f.wanting(Consistency::at_least(foreign)));
  CHECK(is<ReadMachine::Done>(machine.start()));
  CHECK_THROWS_WITH(machine.take_result(), Catch::Contains("\"other\""));
  CHECK_THROWS_AS(Consistency::at_least(foreign, -1ms), ConfigError);
  f.request.alone = true;
  ReadMachine alone(f.source, f.wanting(Consistency::strong()));
  CHECK(is<ReadMachine::Done>(alone.start()));
  CHECK_THROWS_WITH(alone.take_result(), Catch::Contains("transaction"));
}

TEST_CASE("consistency: a read past the cache asks the database and nobody else", "[consistency]") {
  Fixture f;
  f.request.said.cached = false;
  ReadMachine machine(f.source, f.wanting(Consistency::strong()));
  CHECK(is<ReadMachine::Load>(machine.start()));
}

TEST_CASE("consistency: without a log the marks know of every write", "[consistency]") {
  MachineFixture f;
  NumberRequest request(f.source, {kA});
  request.said.consistency = Consistency::strong();
  ReadMachine machine(f.source, request);
  CHECK(is<ReadMachine::Load>(machine.start()));
}
