// What a replica gave counts only if the marks prove that it includes all that is known.

#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

struct Fixture : MachineFixture {
  // A load that asks the replica, if it may, which is at `horizon`.
  static Loaded from_replica(const ReadRequest& request, const Action& action, std::int64_t n,
                             const SharedStamp& stamp) {
    REQUIRE(request.replica_serves);
    Loaded loaded = brought(action, n);
    loaded.snapshot = stamp;
    loaded.replica = true;
    return loaded;
  }
};

}  // namespace

TEST_CASE("read machine: what a replica gave is returned only where the marks prove it",
          "[read_machine]") {
  Fixture f;
  f.invalidate(kA);  // position 11
  NumberRequest request(f.source, {kA});
  SECTION("it includes the last invalidation") {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    action = machine.resume(f.from_replica(request, action, 42, {kEpoch, {12}, {}}));
    REQUIRE(is<ReadMachine::Done>(action));
    const ReadResult result = machine.take_result();
    CHECK(value_of(result) == 42);
    CHECK(result.outcome.stored == Stored::yes);
    CHECK(f.find(request) == 42);
    CHECK(f.cache.stats().replica_stale == 0);
  }
  const auto refused = [&](const SharedStamp& stamp, auto&& during) {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    Loaded loaded = f.from_replica(request, action, 41, stamp);
    during();
    action = machine.resume(std::move(loaded));
    REQUIRE(is<ReadMachine::Load>(action));
    CHECK_FALSE(request.replica_serves);
    CHECK(machine.leads());  // others wait for what the primary gives
    action = machine.resume(brought(action, 42));
    REQUIRE(is<ReadMachine::Done>(action));
    CHECK(value_of(machine.take_result()) == 42);
    CHECK(f.cache.stats().replica_stale == 1);
    CHECK(f.cache.stats().misses + f.cache.stats().bypassed == 1);
  };
  SECTION("it lags behind") {
    refused({kEpoch, {11}, {}}, [] {});
    CHECK(f.find(request) == 42);
  }
  SECTION("an invalidation came meanwhile") {
    refused({kEpoch, {12}, {}}, [&] { f.invalidate(kA); });  // position 12
    CHECK_FALSE(f.find(request));
  }
  SECTION("it is of another history") {
    refused({{9, 9}, {12}, {}}, [] {});
  }
  SECTION("it lies below what this process knows of") {
    refused({kEpoch, {5}, {}}, [] {});
  }
  SECTION("the log was lost sight of meanwhile") {
    refused({kEpoch, {12}, {}}, [&] { f.source.marks().trust_until(MonotonicTime::min()); });
  }
}

TEST_CASE("read machine: who waits for a replica's load gets what the primary gave",
          "[read_machine]") {
  Fixture f;
  f.invalidate(kA);  // position 11
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  Action leading = leader.start();
  NumberRequest other(f.source, {kA});
  ReadMachine follower(f.source, other, {CallerId{77}, false});
  Action following = follower.start();
  REQUIRE(is<ReadMachine::Await>(following));
  leading = leader.resume(f.from_replica(request, leading, 41, {kEpoch, {11}, {}}));
  REQUIRE(is<ReadMachine::Load>(leading));
  (void)leader.resume(brought(leading, 42));
  (void)follower.resume(waited(following));
  CHECK(value_of(follower.take_result()) == 42);
}

TEST_CASE("read machine: only reads that may be served from memory ask a replica",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  const auto asks_replica = [&] {
    ReadMachine machine(f.source, request);
    REQUIRE(is<ReadMachine::Load>(machine.start()));
    return request.replica_serves;
  };
  CHECK(asks_replica());
  request.said.cached = false;
  CHECK_FALSE(asks_replica());
  request.said.cached = true;
  request.said.consistency = Consistency::strong();
  CHECK_FALSE(asks_replica());
  request.said.consistency = {};
  request.alone = true;
  CHECK_FALSE(asks_replica());
  request.alone = false;
  CHECK(asks_replica());
  f.source.marks().trust_until(MonotonicTime::min());
  CHECK_FALSE(asks_replica());
}
