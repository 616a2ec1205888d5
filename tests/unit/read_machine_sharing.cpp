#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using Fixture = MachineFixture;

}  // namespace

TEST_CASE("read machine: callers that miss at once share one load", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  (void)leader.resume(brought(action, 42));
  CHECK(is<ReadMachine::Done>(joiner.resume(waited(joined))));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::joined);
  CHECK(f.cache.stats().joined == 1);
  CHECK(f.cache.stats().misses == 1);
}

TEST_CASE("read machine: who arrives after an invalidation joins no load from before it",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine old(f.source, request);
  Action old_action = old.start();
  f.invalidate(kA);
  ReadMachine arrival(f.source, request);
  Action action = elsewhere([&] { return arrival.start(); });
  REQUIRE(is<ReadMachine::Load>(action));
  (void)arrival.resume(brought(action, 2));
  CHECK(arrival.take_result().outcome.stored == Stored::yes);
  (void)old.resume(brought(old_action, 1));
  CHECK(old.take_result().outcome.stored == Stored::invalidated);
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: a waiter handed a value that was invalidated meanwhile loads anew",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  f.invalidate(kA);
  (void)leader.resume(brought(action, 1));
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)joiner.resume(brought(next, 2));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.stored == Stored::yes);
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: a waiter that is unlucky twice loads on its own", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine first(f.source, request);
  ReadMachine second(f.source, request);
  ReadMachine unlucky(f.source, request);
  Action first_load = first.start();
  Action waiting = elsewhere([&] { return unlucky.start(); });
  REQUIRE(is<ReadMachine::Await>(waiting));
  f.invalidate(kA);
  Action second_load = elsewhere([&] { return second.start(); });
  REQUIRE(is<ReadMachine::Load>(second_load));
  (void)first.resume(brought(first_load, 1));
  waiting = unlucky.resume(waited(waiting));
  REQUIRE(is<ReadMachine::Await>(waiting));
  f.invalidate(kA);
  (void)second.resume(brought(second_load, 2));
  waiting = unlucky.resume(waited(waiting));
  REQUIRE(is<ReadMachine::Load>(waiting));
  (void)unlucky.resume(brought(waiting, 3));
  CHECK(value_of(unlucky.take_result()) == 3);
  CHECK(f.find(request) == 3);
}

TEST_CASE("read machine: a waiter whose targets the value lacks loads with both sets",
          "[read_machine]") {
  Fixture f;
  NumberRequest with_a(f.source, {kA});
  NumberRequest with_b(f.source, {kB});
  ReadMachine leader(f.source, with_a);
  ReadMachine joiner(f.source, with_b);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  (void)leader.resume(brought(action, 1));
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)joiner.resume(brought(next, 2));
  CHECK(joiner.take_result().entry->targets().size() == 3);
}

TEST_CASE("read machine: an error reaches the leader and all waiters, and is not remembered",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  (void)leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  const auto error = std::make_exception_ptr(std::runtime_error("the database is gone"));
  CHECK(is<ReadMachine::Done>(leader.fail(error)));
  CHECK(is<ReadMachine::Done>(joiner.resume(waited(joined))));
  CHECK_THROWS_WITH(leader.take_result(), "the database is gone");
  CHECK_THROWS_WITH(joiner.take_result(), "the database is gone");
  CHECK(f.cache.stats().load_failures == 1);
  ReadMachine again(f.source, request);
  CHECK(is<ReadMachine::Load>(again.start()));
}

TEST_CASE("read machine: when a leader dies its waiter takes over with a new stamp",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  std::optional<ReadMachine> leader(std::in_place, f.source, request);
  ReadMachine joiner(f.source, request);
  Action old = leader->start();
  Action joined = elsewhere([&] { return joiner.start(); });
  f.invalidate(kA);
  leader.reset();
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  CHECK(std::get<ReadMachine::Load>(next).init.generation >
        std::get<ReadMachine::Load>(old).init.generation);
  (void)joiner.resume(brought(next, 2));
  CHECK(joiner.take_result().outcome.stored == Stored::yes);
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: a value stored after the call began is zero old, not less",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  std::optional<ReadMachine> leader(std::in_place, f.source, request);
  ReadMachine joiner(f.source, request);
  ReadMachine newer(f.source, request);
  (void)leader->start();
  Action joined = elsewhere([&] { return joiner.start(); });
  f.clock.advance(5s);
  f.invalidate(kA);
  Action action = elsewhere([&] { return newer.start(); });
  REQUIRE(is<ReadMachine::Load>(action));
  (void)newer.resume(brought(action, 2));
  leader.reset();
  REQUIRE(is<ReadMachine::Done>(joiner.resume(waited(joined))));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.age == 0s);
}

TEST_CASE("read machine: a timeout of a waiter is an error that may be retried", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  (void)leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  const auto waiter = std::get<ReadMachine::Await>(joined).waiter;
  CHECK_FALSE(blocking_wait(*waiter, std::chrono::steady_clock::now()));
  CHECK(is<ReadMachine::Done>(joiner.give_up()));
  CHECK_THROWS_AS(joiner.take_result(), Timeout);
}

TEST_CASE("read machine: a load that asks for its own key loads past the cache", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine outer(f.source, request);
  Action outer_action = outer.start();
  ReadMachine inner(f.source, request, outer.caller());
  Action inner_action = inner.start();
  REQUIRE(is<ReadMachine::Load>(inner_action));
  (void)inner.resume(brought(inner_action, 1));
  const ReadResult result = inner.take_result();
  CHECK(result.outcome.status == ReadStatus::bypass);
  CHECK(result.outcome.stored == Stored::reentrant);
  (void)outer.resume(brought(outer_action, 2));
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: waiters are not handed a value that its own snapshot condemns",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  f.invalidate(kA);  // position 11, before both callers
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  Loaded replica = brought(action, 1);
  replica.snapshot = SharedStamp{kEpoch, {11}, {}};  // does not include position 11
  (void)leader.resume(std::move(replica));
  CHECK(leader.take_result().outcome.stored == Stored::not_covered);
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)joiner.resume(brought(next, 2));
  CHECK(value_of(joiner.take_result()) == 2);
}
