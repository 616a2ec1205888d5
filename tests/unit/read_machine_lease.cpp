#include <catch2/catch.hpp>

#include "unit/log_fixture.hpp"
#include "unit/read_machine_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;

class GrantingTier final : public FakeTier {
 public:
  [[nodiscard]] bool grants_leases() const noexcept override { return true; }
};

// A read that is told by hand what the tier and the database say.
struct LeasedRead {
  explicit LeasedRead(MachineFixture& process, TimeSpan lease = 10s, ReadCaller caller = {})
      : f(process), request(process.source, {kA}) {
    request.said.lease = lease;
    machine.emplace(process.source, request, caller);
    action = machine->start();
  }

  // The tier has nothing, or this.
  void polled(std::optional<SharedValue> value = std::nullopt) {
    REQUIRE(is<ReadMachine::PollTier>(action));
    action = machine->resume(std::move(value));
  }
  void answered(LeaseAnswer answer) {
    REQUIRE(is<ReadMachine::Lease>(action));
    const auto& lease = std::get<ReadMachine::Lease>(action);
    CHECK(lease.tier == f.source.tiers()[0].get());
    CHECK(lease.name == query_name(request.call.view));
    CHECK(lease.longest == 10s);
    token = lease.token;
    action = machine->resume_leased(answer);
  }
  void paused() {
    REQUIRE(is<ReadMachine::Pause>(action));
    action = machine->resume_paused();
  }
  void loaded(std::int64_t n) {
    REQUIRE(is<ReadMachine::Load>(action));
    action = machine->resume(brought(action, n));
  }
  void stored() {
    REQUIRE(is<ReadMachine::StoreShared>(action));
    action = machine->resume_stored();
  }
  void released() {
    REQUIRE(is<ReadMachine::Release>(action));
    const auto& release = std::get<ReadMachine::Release>(action);
    CHECK(release.tier == f.source.tiers()[0].get());
    CHECK(release.name == query_name(request.call.view));
    CHECK(release.token == token);
    action = machine->resume_released();
  }
  template <class Step>
  [[nodiscard]] bool at() const {
    return is<Step>(action);
  }

  MachineFixture& f;
  NumberRequest request;
  std::optional<ReadMachine> machine;
  Action action;
  std::string token;
};

struct LeaseFixture : MachineFixture {
  LeaseFixture() { source.attach(std::make_shared<GrantingTier>()); }
};

}  // namespace

TEST_CASE("read machine: who has the lease looks once more, loads, stores, and gives it back",
          "[read_machine_lease]") {
  LeaseFixture f;
  LeasedRead read(f);
  read.polled();
  read.answered(LeaseAnswer::granted);
  SECTION("and is done when the one before it has stored the value meanwhile") {
    read.polled(f.shared(42, 11));
    read.released();
    REQUIRE(read.at<ReadMachine::Done>());
    const ReadResult result = read.machine->take_result();
    CHECK(value_of(result) == 42);
    CHECK(result.outcome.origin == Origin::shared_tier);
  }
  SECTION("having loaded") {
    read.polled();
    read.loaded(7);
    read.stored();
    read.released();
    REQUIRE(read.at<ReadMachine::Done>());
    CHECK(value_of(read.machine->take_result()) == 7);
  }
  SECTION("having found only what is stale") {
    f.invalidate(kB);
    read.polled(f.shared(42, 5));
    read.loaded(7);
    read.stored();
    read.released();
    CHECK(read.at<ReadMachine::Done>());
  }
  SECTION("after a failure, too") {
    read.polled();
    REQUIRE(read.at<ReadMachine::Load>());
    read.action = read.machine->fail(std::make_exception_ptr(Error("down")));
    read.released();
    REQUIRE(read.at<ReadMachine::Done>());
    CHECK_THROWS_WITH(read.machine->take_result(), "down");
  }
  SECTION("and when nothing is stored, because an invalidation came during the load") {
    read.polled();
    f.invalidate(kA);
    read.loaded(7);
    read.released();
    CHECK(read.at<ReadMachine::Done>());
  }
  CHECK(f.cache.stats().lease_waits == 0);
}

TEST_CASE("read machine: who does not get the lease takes the holder's value",
          "[read_machine_lease]") {
  LeaseFixture f;
  LeasedRead read(f);
  read.polled();
  read.answered(LeaseAnswer::taken);
  read.paused();
  read.polled();
  read.answered(LeaseAnswer::taken);
  read.paused();
  read.polled(f.shared(42, 11));
  REQUIRE(read.at<ReadMachine::Done>());  // with nothing to give back
  CHECK(value_of(read.machine->take_result()) == 42);
  CHECK(f.cache.stats().lease_waits == 1);
}

TEST_CASE("read machine: pauses grow, to a bound", "[read_machine_lease]") {
  LeaseFixture f;
  LeasedRead read(f);
  read.polled();
  std::vector<std::chrono::nanoseconds> pauses;
  for (int i = 0; i < 7; ++i) {
    read.answered(LeaseAnswer::taken);
    REQUIRE(read.at<ReadMachine::Pause>());
    pauses.push_back(std::get<ReadMachine::Pause>(read.action).length);
    read.paused();
    read.polled();
  }
  CHECK(pauses == std::vector<std::chrono::nanoseconds>{1ms, 2ms, 4ms, 8ms, 16ms, 16ms, 16ms});
}

TEST_CASE("read machine: a lease whose holder is gone falls to who waits", "[read_machine_lease]") {
  LeaseFixture f;
  LeasedRead read(f);
  read.polled();
  read.answered(LeaseAnswer::taken);
  read.paused();
  read.polled();
  read.answered(LeaseAnswer::granted);
  read.polled();
  read.loaded(7);
  read.stored();
  read.released();
  CHECK(read.at<ReadMachine::Done>());
}

TEST_CASE("read machine: nobody waits where the holder's value can't help",
          "[read_machine_lease]") {
  LeaseFixture f;
  SECTION("what the holder stored is refused") {
    LeasedRead read(f);
    read.polled(f.shared(1, 5));  // stale: below the floor
    read.answered(LeaseAnswer::taken);
    read.paused();
    read.polled(f.shared(1, 5));  // still there
    read.answered(LeaseAnswer::taken);
    read.paused();
    read.polled(f.shared(1, 6));  // of somebody who has not caught up
    CHECK(read.at<ReadMachine::Load>());
  }
  SECTION("an invalidation has come since the read began") {
    LeasedRead read(f);
    read.polled();
    read.answered(LeaseAnswer::taken);
    f.invalidate(kA);
    read.paused();
    read.polled();
    CHECK(read.at<ReadMachine::Load>());
  }
  SECTION("an open transaction keeps the horizon below the last invalidation") {
    const MarkUpdate update = MarkUpdate::of(kA, Position{12});
    f.source.marks().apply_log({&update, 1}, {kEpoch, {Position{11}, Position{13}, {}}});
    LeasedRead read(f);
    read.polled();
    CHECK(read.at<ReadMachine::Load>());
  }
  SECTION("the lease has lasted as long as one does") {
    LeasedRead read(f);
    read.polled();
    read.answered(LeaseAnswer::taken);
    f.clock.advance(10s);
    read.paused();
    read.polled();
    CHECK(read.at<ReadMachine::Load>());
  }
  SECTION("the tier does not know") {
    LeasedRead read(f);
    read.polled();
    read.answered(LeaseAnswer::failed);
    CHECK(read.at<ReadMachine::Load>());
  }
}

TEST_CASE("read machine: no lease is asked for", "[read_machine_lease]") {
  SECTION("unless the query says so") {
    LeaseFixture f;
    LeasedRead read(f, 0s);
    read.polled();
    CHECK(read.at<ReadMachine::Load>());
  }
  SECTION("inside a load that others may wait for") {
    LeaseFixture f;
    LeasedRead read(f, 10s, {ReadCaller::here().id, true});
    read.polled();
    CHECK(read.at<ReadMachine::Load>());
  }
  SECTION("of a tier that grants none") {
    MachineFixture f;
    f.source.attach(std::make_shared<FakeTier>());
    LeasedRead read(f);
    read.polled();
    CHECK(read.at<ReadMachine::Load>());
  }
}

TEST_CASE("read machine: a wait for another process ends with the caller's patience",
          "[read_machine_lease]") {
  LeaseFixture f;
  LeasedRead read(f);
  read.polled();
  read.answered(LeaseAnswer::taken);
  REQUIRE(read.at<ReadMachine::Pause>());
  read.action = read.machine->give_up();
  REQUIRE(read.at<ReadMachine::Done>());
  CHECK_THROWS_AS(read.machine->take_result(), Timeout);
}
