#include <catch2/catch.hpp>
#include <functional>
#include <stdexcept>

#include "unit/read_machine_fixture.hpp"

// Values that are no longer fresh, and when one is served all the same.

namespace {

using namespace querymark;
using namespace querymark::test;

const Error kDown("the database is gone", {.connection_lost = true});

// A query of one number, and what a read of it came to.
struct OldValues : MachineFixture {
  explicit OldValues(ReadPolicy policy, Lagging lagging = Lagging::bypass)
      : MachineFixture(lagging),
        query(prepare("select n").tag(kA).ttl(10s).policy(std::move(policy))) {
    (void)query();
  }
  [[nodiscard]] ReadStatus read() {
    const auto result = query();
    seen = result[0][0].as<std::int64_t>();
    return result.outcome().status;
  }
  void fail_with(std::function<void()> failure) {
    loader.on_load = [failure = std::move(failure)](auto) -> LoadedRows {
      failure();
      return {};
    };
  }
  void go_down() {
    fail_with([] { throw kDown; });
  }

  Prepared<ResultSet, detail::NoMapper> query;
  std::int64_t seen = 0;
};

// Two calls of a query whose value has become old: the first one leads the load.
struct TwoCalls {
  explicit TwoCalls(MachineFixture& f) : fixture(f) {
    for (NumberRequest* request : {&first_request, &second_request}) request->said.ttl = 10s;
  }
  void set(const ReadPolicy& policy) {
    for (NumberRequest* request : {&first_request, &second_request}) request->said.policy = policy;
    ReadMachine machine(fixture.source, first_request);
    const Action load = machine.start();
    REQUIRE(is<ReadMachine::Done>(machine.resume(brought(load, 1))));
  }
  // What the second comes to while the first loads; nothing: it waits.
  std::optional<Outcome> second_while_first_loads() {
    ReadMachine first(fixture.source, first_request, {CallerId{1001}});
    REQUIRE(is<ReadMachine::Load>(first.start()));
    return second();
  }
  std::optional<Outcome> second() {
    ReadMachine machine(fixture.source, second_request, {CallerId{1002}});
    if (!is<ReadMachine::Done>(machine.start())) return std::nullopt;
    return machine.take_result().outcome;
  }

  MachineFixture& fixture;
  NumberRequest first_request{fixture.source, {kA}};
  NumberRequest second_request{fixture.source, {kA}};
};

}  // namespace

TEST_CASE("policy: a value past its ttl is served as it is, for as long as the policy says",
          "[policy]") {
  OldValues f({.serve_stale = 5s});
  f.loader.value = 2;
  f.clock.advance(9s);
  CHECK(f.read() == ReadStatus::hit);
  f.clock.advance(2s);
  CHECK(f.read() == ReadStatus::stale);
  CHECK(f.seen == 1);
  CHECK(f.query().outcome().is_hit());
  CHECK(f.query().outcome().age >= 10s);
  CHECK(f.cache.purge() == 0);
  f.clock.advance(4s);
  CHECK(f.read() == ReadStatus::miss);
  CHECK(f.seen == 2);
  CHECK(f.cache.stats().stale == 3);
  CHECK(f.loader.loads == 2);
}

TEST_CASE("policy: what has been invalidated is not served past its ttl, nor within it",
          "[policy]") {
  OldValues f({.serve_stale = 5s, .stale_while_loading = 5s, .stale_if_error = 5s});
  const bool expired = GENERATE(true, false);
  if (expired) f.clock.advance(11s);
  f.invalidate(kA);
  f.loader.value = 2;
  SECTION("the database answers") {
    CHECK(f.read() == ReadStatus::miss);
    CHECK(f.seen == 2);
  }
  SECTION("it does not") {
    f.go_down();
    CHECK_THROWS_AS(f.read(), Error);
  }
  CHECK(f.cache.stats().stale == 0);
}

TEST_CASE("policy: no reader who demands more gets an old value", "[policy]") {
  OldValues f({.serve_stale = 5s,
               .stale_if_error = 5s,
               .revalidate_within = 5s,
               .serve_invalidated_on_error = 5s});
  f.clock.advance(11s);
  CHECK(f.read() == ReadStatus::stale);
  f.go_down();
  CHECK_THROWS_AS(f.query.strong()(), Error);
  CHECK_THROWS_AS(f.query.at_least(Receipt{"shop", kEpoch, {10}, {}, 1})(), Error);
  // A query without the policy, or with other targets, does not see it either.
  CHECK_THROWS_AS(f.prepare("select n").tag(kA).ttl(10s)(), Error);
}

TEST_CASE("policy: a value past its ttl is served in place of an error, while one loads",
          "[policy]") {
  OldValues f({.stale_if_error = 5s});
  f.go_down();
  f.clock.advance(11s);
  CHECK(f.read() == ReadStatus::stale);
  CHECK(f.seen == 1);
  CHECK(f.loader.loads == 2);
  CHECK(f.cache.stats().load_failures == 1);
  CHECK(f.source.flights().size() == 0);
  f.loader.on_load = nullptr;
  f.loader.value = 2;
  CHECK(f.read() == ReadStatus::miss);
  CHECK(f.seen == 2);
  f.go_down();
  f.clock.advance(15s);  // the window's end
  CHECK_THROWS_WITH(f.read(), "the database is gone");
  CHECK(f.cache.stats().stale == 1);
}

TEST_CASE("policy: errors that the database would repeat are not hidden", "[policy]") {
  OldValues f({.stale_if_error = 1h, .serve_invalidated_on_error = 1h});
  f.clock.advance(11s);
  f.fail_with([] { throw Error("no right to read it", {.native_code = "42501"}); });
  CHECK_THROWS_WITH(f.read(), "no right to read it");
  f.fail_with([] { throw ConfigError("it makes no sense"); });
  CHECK_THROWS_AS(f.read(), ConfigError);
  f.fail_with([] { throw 7; });
  CHECK_THROWS_AS(f.read(), int);
  f.fail_with([] { throw Timeout("too slow"); });
  CHECK(f.read() == ReadStatus::stale);
  f.fail_with([] { throw std::runtime_error("another client's own"); });
  CHECK(f.read() == ReadStatus::stale);
}

TEST_CASE("policy: who waits for a load that fails is served the old value, too", "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  calls.set({.stale_if_error = 5s});
  f.clock.advance(11s);
  ReadMachine first(f.source, calls.first_request, {CallerId{1001}});
  ReadMachine second(f.source, calls.second_request, {CallerId{1002}});
  REQUIRE(is<ReadMachine::Load>(first.start()));
  Action await = second.start();
  REQUIRE(is<ReadMachine::Await>(await));
  CHECK(is<ReadMachine::Done>(first.fail(std::make_exception_ptr(kDown))));
  CHECK_FALSE(first.leads());
  CHECK(first.take_result().outcome.status == ReadStatus::stale);
  CHECK(is<ReadMachine::Done>(second.resume(waited(await))));
  CHECK(second.take_result().outcome.status == ReadStatus::stale);
  // And so is who waits too long.
  ReadMachine third(f.source, calls.first_request, {CallerId{1003}});
  ReadMachine fourth(f.source, calls.second_request, {CallerId{1004}});
  REQUIRE(is<ReadMachine::Load>(third.start()));
  REQUIRE(is<ReadMachine::Await>(fourth.start()));
  CHECK(is<ReadMachine::Done>(fourth.give_up()));
  CHECK(fourth.take_result().outcome.status == ReadStatus::stale);
}

TEST_CASE("policy: an invalidation during the load that fails counts", "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  calls.set({.stale_if_error = 5s});
  f.clock.advance(11s);
  ReadMachine machine(f.source, calls.first_request);
  REQUIRE(is<ReadMachine::Load>(machine.start()));
  f.invalidate(kA);
  CHECK(is<ReadMachine::Done>(machine.fail(std::make_exception_ptr(kDown))));
  CHECK_THROWS_AS(machine.take_result(), Error);
}

TEST_CASE("policy: one caller loads what is past its ttl, and the others are served it meanwhile",
          "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  calls.set({.stale_while_loading = 5s});
  f.clock.advance(11s);
  const auto served = calls.second_while_first_loads();
  REQUIRE(served);
  CHECK(served->status == ReadStatus::stale);
  f.clock.advance(4s);
  CHECK_FALSE(calls.second_while_first_loads());
}

TEST_CASE("policy: one caller loads what was invalidated, and the others are served it meanwhile",
          "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  calls.set({.revalidate_within = 5s});
  f.clock.advance(5s);
  f.invalidate(kA);
  f.clock.advance(4s);
  const auto served = calls.second_while_first_loads();
  REQUIRE(served);
  CHECK(served->status == ReadStatus::outdated);
  CHECK(served->age == 9s);
  CHECK(f.cache.stats().outdated == 1);
  CHECK_FALSE(calls.second());  // nobody loads: it does
  f.clock.advance(1s);
  CHECK_FALSE(calls.second_while_first_loads());
}

TEST_CASE("policy: of a target that is invalidated all the time the window ends", "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  calls.set({.revalidate_within = 3s});
  for (int second = 0; second < 3; ++second) {
    f.invalidate(kA);
    CHECK(calls.second_while_first_loads());
    f.clock.advance(1s);
  }
  f.invalidate(kA);
  CHECK_FALSE(calls.second_while_first_loads());
}

TEST_CASE("policy: both windows hold for a value that is past its ttl and invalidated",
          "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  const bool both = GENERATE(true, false);
  calls.set({.stale_while_loading = both ? 5s : 0s, .revalidate_within = 5s});
  f.clock.advance(9s);
  f.invalidate(kA);
  f.clock.advance(2s);
  CHECK(calls.second_while_first_loads().has_value() == both);
}

TEST_CASE("policy: nothing from before a gap in the log, or of another history, is served",
          "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  calls.set({.revalidate_within = 1h, .serve_invalidated_on_error = 1h});
  SECTION("a gap") { f.source.marks().restart(f.upto(20)); }
  SECTION("another history") { f.source.marks().restart(f.upto(20, {8, 8})); }
  SECTION("an invalidation before the gap") {
    f.invalidate(kA);
    f.source.marks().restart(f.upto(20));
  }
  CHECK_FALSE(calls.second_while_first_loads());
  ReadMachine machine(f.source, calls.first_request);
  REQUIRE(is<ReadMachine::Load>(machine.start()));
  CHECK(is<ReadMachine::Done>(machine.fail(std::make_exception_ptr(kDown))));
  CHECK_THROWS_AS(machine.take_result(), Error);
}

TEST_CASE(
    "policy: after more invalidations than are remembered nobody knows, and nothing is served",
    "[policy]") {
  MachineFixture f;
  TwoCalls calls(f);
  calls.set({.revalidate_within = 1h});
  f.invalidate(kA);
  for (std::size_t i = 0; i + 2 < Marks::kMostTimes; ++i) f.invalidate(kB);
  CHECK(calls.second_while_first_loads());
  for (int i = 0; i < 2; ++i) f.invalidate(kB);
  CHECK_FALSE(calls.second_while_first_loads());
}

TEST_CASE("policy: an invalidated value is served in place of an error where that is asked for",
          "[policy]") {
  OldValues f({.serve_invalidated_on_error = 5s});
  f.invalidate(kA);
  f.go_down();
  f.clock.advance(4s);
  CHECK(f.read() == ReadStatus::outdated);
  CHECK(f.seen == 1);
  f.loader.on_load = nullptr;
  f.loader.value = 2;
  CHECK(f.read() == ReadStatus::miss);  // on an error only
  f.invalidate(kA);
  f.go_down();
  f.clock.advance(5s);
  CHECK_THROWS_AS(f.read(), Error);
}

TEST_CASE("policy: while the log is not reached an old value may be outdated", "[policy]") {
  const bool may_be_outdated = GENERATE(true, false);
  ReadPolicy policy{.stale_if_error = 1h};
  if (may_be_outdated) policy.serve_invalidated_on_error = 5s;
  OldValues f(policy);
  f.source.marks().trust_until(f.clock.now() + 3s);
  f.go_down();
  f.clock.advance(7s);
  if (may_be_outdated) {
    CHECK(f.read() == ReadStatus::outdated);
    f.clock.advance(1s);
  }
  CHECK_THROWS_AS(f.read(), Error);  // five seconds after the log was to be reached
  // Who serves hits in that state serves stale ones, too.
  OldValues lenient({.stale_if_error = 1h}, Lagging::serve_degraded);
  lenient.source.marks().trust_until(lenient.clock.now() + 3s);
  lenient.go_down();
  lenient.clock.advance(11s);
  CHECK(lenient.read() == ReadStatus::stale);
}

TEST_CASE(
    "policy: where the log was not reached for a time, what it then tells of may be as old as that",
    "[policy]") {
  OldValues f({.serve_invalidated_on_error = 5s});
  Marks& marks = f.source.marks();
  marks.trust_until(f.clock.now() + 1s);
  f.go_down();
  f.clock.advance(7s);
  CHECK_THROWS_AS(f.read(), Error);  // six seconds after it was to be reached
  SECTION("it tells of an invalidation") {
    f.invalidate(kA);
    CHECK_THROWS_AS(f.read(), Error);
    marks.trust_until(MonotonicTime::max());
    CHECK_THROWS_AS(f.read(), Error);
  }
  SECTION("a write of this process does not begin the time anew") {
    const MarkUpdate own = MarkUpdate::of(kA, f.upto(11).snapshot.horizon());
    marks.apply_own(kEpoch, {&own, 1});
    CHECK_THROWS_AS(f.read(), Error);
  }
  SECTION("it has nothing to tell, and what comes then is as new as ever") {
    marks.trust_until(MonotonicTime::max());
    f.invalidate(kA);
    CHECK(f.read() == ReadStatus::outdated);
  }
}

TEST_CASE("policy: what somebody has stored meanwhile is labelled, where the log is not reached",
          "[policy]") {
  MachineFixture f(Lagging::serve_degraded);
  TwoCalls calls(f);
  calls.set({.stale_if_error = 5s});
  ReadMachine machine(f.source, calls.first_request);
  f.source.marks().trust_until(f.clock.now());
  // A look at memory finds it; this one is past that.
  REQUIRE(is<ReadMachine::Load>(machine.start()));
  CHECK(is<ReadMachine::Done>(machine.fail(std::make_exception_ptr(kDown))));
  CHECK(machine.take_result().outcome.status == ReadStatus::degraded);
  CHECK(f.cache.stats().degraded == 1);
  CHECK(f.cache.stats().hits == 0);
}
