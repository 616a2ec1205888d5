#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

// As many targets as an entry carries, and more.

namespace {

using namespace querymark;
using namespace querymark::test;
using Fixture = MachineFixture;

std::vector<Target> targets(std::size_t count) {
  std::vector<Target> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(entity("product", i));
  return all;
}

}  // namespace

TEST_CASE("many targets: as many as an entry carries are kept, each of them looked at",
          "[targets]") {
  Fixture f;
  const std::vector<Target> all = targets(kMaxTargets - 1);  // and the key's own
  NumberRequest request(f.source, all);
  const auto load = [&](std::int64_t n) {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    REQUIRE(is<ReadMachine::Load>(action));
    (void)machine.resume(brought(action, n));
  };
  load(0);
  CHECK(f.find(request) == 0);
  std::int64_t n = 0;
  for (const std::size_t i : {std::size_t{0}, all.size() / 2, all.size() - 1}) {
    CHECK(f.find(NumberRequest(f.source, {all[i]})) == n);  // a subset
    f.invalidate(all[i]);
    CHECK_FALSE(f.find(request));
    load(++n);
  }
  CHECK_FALSE(f.find(NumberRequest(f.source, {all[0], entity("order", 1)})));
}

TEST_CASE("many targets: more are refused before anything is loaded", "[targets]") {
  Fixture f;
  NumberRequest request(f.source, targets(kMaxTargets));
  ReadMachine machine(f.source, request);
  CHECK(is<ReadMachine::Done>(machine.start()));
  CHECK_THROWS_WITH(machine.take_result(), Catch::Matchers::Contains("999 targets") &&
                                               Catch::Matchers::Contains("this one has 1000"));
  // Nobody is left to wait for.
  NumberRequest fewer(f.source, {kA});
  CHECK(is<ReadMachine::Load>(ReadMachine(f.source, fewer).start()));
  // Equal ones count once.
  std::vector<Target> same(5 * kMaxTargets, kB);
  NumberRequest twice(f.source, same, "select 2");
  CHECK(is<ReadMachine::Load>(ReadMachine(f.source, twice).start()));
}

TEST_CASE("many targets: a shared value with more than an entry carries is no answer",
          "[targets]") {
  const std::size_t stored = GENERATE(kMaxTargets - 1, kMaxTargets, kMaxTargets + 1, 200'000U);
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {});
  ReadMachine machine(f.source, request);
  (void)machine.start();
  const Action next = machine.resume(f.shared(7, 11, targets(stored)));
  CAPTURE(stored);
  if (stored < kMaxTargets) {
    CHECK(is<ReadMachine::Done>(next));
    CHECK(value_of(machine.take_result()) == 7);
  } else {
    REQUIRE(is<ReadMachine::Load>(next));
    CHECK(std::get<ReadMachine::Load>(next).init.targets.size() == 1);  // its own key
    CHECK(f.cache.stats().shared_stale == 1);
  }
}
