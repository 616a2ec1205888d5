#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

// Queries whose loads fail are left alone for a while.

namespace {

using namespace querymark;
using namespace querymark::test;

constexpr auto kPause = Breaker::kFirstPause;

struct Broken : ReadFixture {
  Broken() {
    loader.on_load = [this](auto) {
      if (failing) throw Error("the server is gone", {.connection_lost = true});
      return LoadedRows{number(1)};
    };
  }
  [[nodiscard]] auto query() {
    return prepare<std::int64_t>("select ?").policy({.break_after = 2});
  }
  // How many loads a read that fails has begun.
  template <class Query>
  int fails(const Query& query, int key = 1) {
    const int before = loader.loads;
    CHECK_THROWS_AS(query(key), Error);
    return loader.loads - before;
  }
  bool failing = true;
};

}  // namespace

TEST_CASE("load breaker: after so many failures in a row none is tried for a pause, then one",
          "[breaker]") {
  Broken f;
  const auto query = f.query();
  CHECK(f.fails(query, 1) == 1);
  CHECK(f.fails(query, 2) == 1);  // of the same query, whatever its parameters
  CHECK(f.fails(query, 3) == 0);
  CHECK(f.cache.stats().loads_refused == 1);
  CHECK(f.cache.stats().load_failures == 2);
  const auto other = f.prepare<std::int64_t>("select other").policy({.break_after = 2});
  CHECK(f.fails(other) == 1);
  f.clock.advance(kPause);
  CHECK(f.fails(query) == 1);
  CHECK(f.fails(query) == 0);
  f.clock.advance(kPause);
  CHECK(f.fails(query) == 0);  // twice as long
  f.clock.advance(kPause);
  f.failing = false;
  CHECK(query.fetch_value(1) == 1);
  CHECK(query.fetch_value(2) == 1);
  f.failing = true;
  CHECK(f.fails(query, 4) == 1);  // counted anew
  CHECK(f.fails(query, 4) == 1);
  CHECK(f.fails(query, 4) == 0);
}

TEST_CASE("load breaker: what it refuses may pass, and old values stand in for it", "[breaker]") {
  Broken f;
  f.failing = false;
  const auto query = f.prepare<std::int64_t>("select ?")
                         .ttl(1min)
                         .policy({.break_after = 1, .stale_if_error = 1h});
  CHECK(query.fetch_value(1) == 1);
  f.clock.advance(2min);
  f.failing = true;
  for (int i = 0; i < 3; ++i) CHECK(query(1).outcome().status == ReadStatus::stale);
  CHECK(f.loader.loads == 2);
  try {
    (void)query(2);
    FAIL("nothing old is there");
  } catch (const Error& error) {
    CHECK(error.retryable());
    CHECK_THAT(error.what(), Catch::Contains("select ?"));
  }
}

TEST_CASE("load breaker: errors of the statement open nothing", "[breaker]") {
  Broken f;
  f.loader.on_load = [](auto) -> LoadedRows { throw Error("syntax error"); };
  const auto query = f.query();
  for (int i = 0; i < 5; ++i) CHECK(f.fails(query) == 1);
}

TEST_CASE("load breaker: a database that refuses a statement has answered", "[breaker]") {
  Broken f;
  f.loader.on_load = [&](auto parameters) {
    if (parameters[0].as_int64() == 7) throw Error("division by zero");
    if (f.failing) throw Error("the server is gone", {.connection_lost = true});
    return LoadedRows{number(1)};
  };
  const auto query = f.query();
  CHECK(f.fails(query, 1) == 1);
  CHECK(f.fails(query, 7) == 1);
  CHECK(f.fails(query, 1) == 1);  // not the second in a row
  CHECK(f.fails(query, 1) == 1);
  CHECK(f.fails(query, 1) == 0);
  f.failing = false;
  f.clock.advance(kPause);
  CHECK(f.fails(query, 7) == 1);  // the one that is tried
  CHECK(query.fetch_value(1) == 1);
}

TEST_CASE("load breaker: a probe that never reports keeps nobody away for ever (hard case 100)",
          "[breaker]") {
  Broken f;
  const auto query = f.query();
  CHECK(f.fails(query) == 1);
  CHECK(f.fails(query) == 1);
  FailingLoads& failing = f.source.failing_queries();
  CHECK(f.fails(query) == 0);
  f.clock.advance(kPause);
  {
    // A probe whose driver is cancelled.
    NumberRequest probe(f.source, {}, "select probe");
    probe.said.policy.break_after = 1;
    failing.failed(probe.call.view.prefix->bytes(), 1, f.clock.coarse_now());
    f.clock.advance(kPause);
    ReadMachine machine(f.source, probe);
    CHECK(is<ReadMachine::Load>(machine.start()));
    NumberRequest late(f.source, {kA}, "select probe");
    late.said.policy.break_after = 1;
    CHECK_FALSE(failing.allows(late.call.view.prefix->bytes(), f.clock.coarse_now()));
  }
  NumberRequest next(f.source, {}, "select probe");
  next.said.policy.break_after = 1;
  f.clock.advance(2 * kPause);
  ReadMachine machine(f.source, next);
  CHECK(is<ReadMachine::Load>(machine.start()));
}

TEST_CASE("load breaker: what fails is remembered up to a bound", "[breaker]") {
  FailingLoads failing;
  const MonotonicTime now{};
  for (std::size_t i = 0; i <= FailingLoads::kMost; ++i) failing.failed(std::to_string(i), 1, now);
  CHECK_FALSE(failing.allows("0", now));
  CHECK(failing.allows(std::to_string(FailingLoads::kMost), now));
  failing.succeeded("0");
  CHECK(failing.allows("0", now));
}
