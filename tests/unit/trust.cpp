#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

// Trust that ends in the middle of a call. Each test stops the clock of trust at the step it names.

namespace {

using namespace querymark;
using namespace querymark::test;

struct Fixture : MachineFixture {
  using MachineFixture::MachineFixture;
  NumberRequest request{source, {kA}};

  void end_trust() {
    source.marks().trust_until(clock.now() + 1s);
    clock.advance(2s);
  }
};

}  // namespace

TEST_CASE(
    "trust: who joined a load is not handed its value as fresh after trust has ended (hard case "
    "41)",
    "[trust]") {
  Fixture f;
  ReadMachine leader(f.source, f.request);
  ReadMachine joiner(f.source, f.request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  f.end_trust();
  (void)leader.resume(brought(action, 1));
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)joiner.resume(brought(next, 2));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.status == ReadStatus::bypass);
  CHECK(result.outcome.stored == Stored::lagging);
}

TEST_CASE("trust: where the policy is to serve, the value of a joined load is labelled",
          "[trust]") {
  Fixture f(Lagging::serve_degraded);
  ReadMachine leader(f.source, f.request);
  ReadMachine joiner(f.source, f.request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  f.end_trust();
  (void)leader.resume(brought(action, 1));
  CHECK(is<ReadMachine::Done>(joiner.resume(waited(joined))));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 1);
  CHECK(result.outcome.status == ReadStatus::degraded);
  CHECK(f.cache.stats().degraded == 1);
  CHECK(f.cache.stats().joined == 0);
}

TEST_CASE("trust: a waiter that comes to lead after trust has ended passes the cache by",
          "[trust]") {
  Fixture f;
  const auto tier = std::make_shared<FakeTier>();
  f.source.attach(tier);
  tier->values.emplace(query_name(f.request.call.view), f.shared(7, 11, {kA}));
  std::optional<ReadMachine> leader(std::in_place, f.source, f.request);
  ReadMachine joiner(f.source, f.request);
  (void)leader->start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  f.end_trust();
  leader.reset();  // dies
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  CHECK(is<ReadMachine::Done>(joiner.resume(brought(next, 2))));
  CHECK(joiner.take_result().outcome.status == ReadStatus::bypass);
  CHECK(f.cache.stats().entries == 0);
}

TEST_CASE("trust: what a shared tier gives after trust has ended is not served", "[trust]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  ReadMachine machine(f.source, f.request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::PollTier>(action));
  f.end_trust();  // the tier is slow
  Action next = machine.resume(f.shared(7, 11, {kA}));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)machine.resume(brought(next, 2));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.stored == Stored::lagging);
}
