#include <catch2/catch.hpp>
#include <future>

#include "querymark/read/single_read.hpp"
#include "support/silent.hpp"
#include "unit/read_machine_fixture.hpp"
#include "unit/refreshing.hpp"

// Callers who go while their load goes on.

namespace {

using namespace querymark;
using namespace querymark::test;

const ReadPolicy kSoft{.stale_if_error = 1h, .soft_timeout = 1ms};
const ReadPolicy kHard{.hard_timeout = 1ms};

struct Slow : Refreshing {
  using Refreshing::Refreshing;
  // From now on loads answer with `loader.value`, once they may.
  std::promise<void> hold() {
    std::promise<void> go;
    loader.on_load = [this, may = go.get_future().share()](auto) {
      may.wait();
      return LoadedRows{number(loader.value)};
    };
    return go;
  }
};

// A value in memory, brought by a read that nobody took over.
void keep_one(MachineFixture& f, NumberRequest& request) {
  ReadMachine machine(f.source, request);
  REQUIRE(is<ReadMachine::HandOver>(machine.start()));
  const Action load = machine.resume_handed_over(false);
  REQUIRE(is<ReadMachine::Load>(load));
  REQUIRE(is<ReadMachine::Done>(machine.resume(brought(load, 1))));
}

}  // namespace

TEST_CASE("timeouts: who has waited softly is served the old value, and the load goes on",
          "[timeouts]") {
  Slow f;
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kSoft);
  CHECK(query().outcome().status == ReadStatus::joined);  // of what the executor loads
  f.clock.advance(11s);
  f.loader.value = 2;
  auto go = f.hold();
  for (int i = 0; i < 2; ++i) {
    const Result old = query();
    CHECK(old.outcome().status == ReadStatus::stale);
    CHECK(f.value(old) == 1);
  }
  go.set_value();
  f.settle();
  const Result fresh = query();
  CHECK(fresh.outcome().status == ReadStatus::hit);
  CHECK(f.value(fresh) == 2);
  CHECK(f.loader.loads == 2);
}

TEST_CASE(
    "timeouts: a hard wait that is shorter than a soft one ends first, and serves what is old",
    "[timeouts]") {
  MachineFixture f;
  NumberRequest request(f.source, {kA});
  request.said.ttl = 10s;
  request.said.policy = {.stale_if_error = 5s, .soft_timeout = 3s, .hard_timeout = 1s};
  keep_one(f, request);
  f.clock.advance(11s);
  ReadMachine waiter(f.source, request);
  REQUIRE(is<ReadMachine::HandOver>(waiter.start()));
  const Action waits = waiter.resume_handed_over(true);
  REQUIRE(is<ReadMachine::Await>(waits));
  CHECK(std::get<ReadMachine::Await>(waits).longest == 1s);
  REQUIRE(is<ReadMachine::Done>(waiter.give_up()));
  CHECK(waiter.take_result().outcome.status == ReadStatus::stale);
}

TEST_CASE("timeouts: who is given the lead after a wait has it handed over as well, once",
          "[timeouts]") {
  MachineFixture f;
  NumberRequest request(f.source, {kA});
  NumberRequest patient(f.source, {kA});
  patient.said.policy = {.hard_timeout = 1h};
  ReadMachine waiter(f.source, patient, {CallerId{1002}});
  Action action;
  {
    ReadMachine leader(f.source, request, {CallerId{1001}});
    REQUIRE(is<ReadMachine::Load>(leader.start()));
    action = waiter.start();
    REQUIRE(is<ReadMachine::Await>(action));
  }  // it has left
  action = waiter.resume(waited(action));
  REQUIRE(is<ReadMachine::HandOver>(action));
  // Nobody takes it on: it comes back.
  std::optional<FlightLeader>& leader = *std::get<ReadMachine::HandOver>(action).leader;
  action = waiter.resume_handed_over(true);
  REQUIRE(is<ReadMachine::Await>(action));
  leader.reset();
  action = waiter.resume(waited(action));
  REQUIRE(is<ReadMachine::Load>(action));
  REQUIRE(is<ReadMachine::Done>(waiter.resume(brought(action, 2))));
  CHECK(value_of(waiter.take_result()) == 2);
}

TEST_CASE("timeouts: who has nothing old to be served waits on", "[timeouts]") {
  Slow f;
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kSoft);
  auto go = f.hold();
  auto read = std::async(std::launch::async, [&] { return query(); });
  while (f.loader.loads == 0) std::this_thread::yield();
  go.set_value();
  CHECK(read.get().outcome().status == ReadStatus::joined);
  // Nor is what was invalidated served, unless the policy says so.
  f.invalidate(kA);
  auto again = f.hold();
  auto other = std::async(std::launch::async, [&] { return query(); });
  while (f.loader.loads == 1) std::this_thread::yield();
  again.set_value();
  CHECK(other.get().outcome().status == ReadStatus::joined);
}

TEST_CASE("timeouts: who has waited hard gets a timeout, and what is loaded is kept",
          "[timeouts]") {
  Slow f;
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kHard);
  f.loader.value = 2;
  auto go = f.hold();
  CHECK_THROWS_AS(query(), Timeout);
  CHECK_THROWS_AS(query(), Timeout);  // one who shares the load, too
  go.set_value();
  f.settle();
  const Result found = query();
  CHECK(found.outcome().status == ReadStatus::hit);
  CHECK(f.value(found) == 2);
  CHECK(f.loader.loads == 1);
}

TEST_CASE("timeouts: a load that fails in the background fails for who waits", "[timeouts]") {
  Slow f;
  const auto query = f.prepare("select n")
                         .tag(kA)
                         .ttl(10s)
                         .policy({.stale_if_error = 5s, .soft_timeout = 1h, .hard_timeout = 1h});
  (void)query();
  f.loader.on_load = [](auto) -> LoadedRows {
    throw Error("the database is gone", {.connection_lost = true});
  };
  f.clock.advance(11s);
  CHECK(query().outcome().status == ReadStatus::stale);
  f.clock.advance(5s);
  CHECK_THROWS_WITH(query(), "the database is gone");
  f.settle();
  CHECK(f.offload->stats().failed == 2);
  CHECK(f.source->flights().size() == 0);
}

TEST_CASE("timeouts: where the executor can't, or does not come to it, the caller loads",
          "[timeouts]") {
  SECTION("disabled") {
    Slow f(Offload::disabled());
    const auto query = f.prepare("select n").tag(kA).policy(kHard);
    CHECK(query().outcome().status == ReadStatus::miss);
    CHECK(query().outcome().status == ReadStatus::hit);
    CHECK(f.cache.stats().refreshes_refused == 1);
  }
  SECTION("cancelled") {
    Slow f;
    std::promise<void> begun;
    std::promise<void> go;
    REQUIRE(f.offload->submit({}, &f, [&, may = go.get_future().share()] {
      begun.set_value();
      may.wait();
    }) == Offloaded::accepted);
    begun.get_future().wait();
    const auto query = f.prepare("select n").tag(kA).policy({.hard_timeout = 1h});
    auto read = std::async(std::launch::async, [&] { return query(); });
    while (f.offload->cancel_all() == 0) std::this_thread::yield();
    CHECK(read.get().outcome().status == ReadStatus::miss);
    go.set_value();
  }
}

TEST_CASE("timeouts: a read inside a load waits for no executor", "[timeouts]") {
  Slow f;  // whose one thread runs the outer load
  const auto inner = f.prepare("select inner").tag(kA).policy(kHard);
  const auto outer = f.prepare("select outer").tag(kA).policy({.hard_timeout = 1h});
  f.loader.on_load = [&](auto) {
    if (f.loader.last_sql == "select outer") CHECK(inner().outcome().status == ReadStatus::miss);
    return LoadedRows{number(1)};
  };
  CHECK(outer().outcome().status == ReadStatus::joined);
}

TEST_CASE("timeouts: a soft wait whose old value has ended goes on as a hard one", "[timeouts]") {
  MachineFixture f;
  NumberRequest request(f.source, {kA});
  request.said.ttl = 10s;
  request.said.policy = {.stale_if_error = 5s, .soft_timeout = 1s, .hard_timeout = 3s};
  keep_one(f, request);
  f.clock.advance(11s);
  NumberRequest other(f.source, {kA});
  ReadMachine leader(f.source, other, {CallerId{1001}});
  REQUIRE(is<ReadMachine::Load>(leader.start()));
  ReadMachine waiter(f.source, request, {CallerId{1002}});
  const Action softly = waiter.start();
  REQUIRE(is<ReadMachine::Await>(softly));
  CHECK(std::get<ReadMachine::Await>(softly).longest == 1s);
  const bool in_time = GENERATE(true, false);
  if (!in_time) f.invalidate(kB);
  if (!in_time) f.clock.advance(5s);
  const Action next = waiter.give_up();
  if (in_time) {
    REQUIRE(is<ReadMachine::Done>(next));
    CHECK(waiter.take_result().outcome.status == ReadStatus::stale);
    return;
  }
  REQUIRE(is<ReadMachine::Await>(next));
  CHECK(std::get<ReadMachine::Await>(next).longest == 2s);
  REQUIRE(is<ReadMachine::Done>(waiter.give_up()));
  CHECK_THROWS_AS(waiter.take_result(), Timeout);
}

TEST_CASE(
    "timeouts: who waits once more, for what was loaded came too late, has the whole time again",
    "[timeouts]") {
  MachineFixture f;
  NumberRequest request(f.source, {kA});
  NumberRequest patient(f.source, {kA});
  patient.said.policy = {.hard_timeout = 1h};
  SilentWaker waker;
  ReadMachine first(f.source, request, {CallerId{1001}});
  ReadMachine second(f.source, request, {CallerId{1002}});
  Action load = first.start();
  SingleRead read(f.source, patient);
  const Deadline until = std::get<RunningRead::Sleeps>(read.next(waker)).until;
  REQUIRE(until);
  CHECK(std::get<RunningRead::Sleeps>(read.next(waker)).until == until);  // looked in vain
  f.invalidate(kA);
  REQUIRE(is<ReadMachine::Load>(second.start()));
  REQUIRE(is<ReadMachine::Done>(first.resume(brought(load, 1))));
  const auto now = std::chrono::steady_clock::now();
  CHECK(std::get<RunningRead::Sleeps>(read.next(waker)).until >= now + 1h);
}
