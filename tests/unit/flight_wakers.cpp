#include <atomic>
#include <barrier>
#include <catch2/catch.hpp>
#include <chrono>
#include <semaphore>
#include <thread>

#include "unit/flight_fixture.hpp"

// Waiters that no thread sleeps for: each test forces one order of looks, wake-ups and leavings.

namespace {

using namespace querymark;
using namespace querymark::test;

// Notes that it was called.
struct Bell final : FlightWaker {
  int rings = 0;
  void wake() noexcept override { ++rings; }
};

bool gives_lead(const std::optional<FlightResult>& result) {
  return result && std::holds_alternative<FlightLeader>(*result);
}
int value_in(const std::optional<FlightResult>& result) {
  return std::get<EntryRef>(result.value()).value<int>();
}

// A flight with a leader and some waiters that sleep.
struct SleepingCallers : FlightFixture {
  explicit SleepingCallers(std::size_t count) : bells(count) {
    for (Bell& bell : bells) {
      waiters.emplace_back(std::in_place, std::get<FlightWaiter>(enter_elsewhere()));
      REQUIRE_FALSE(waiters.back()->take(&bell));
    }
  }
  [[nodiscard]] std::vector<int> rings() const {
    std::vector<int> all;
    for (const Bell& bell : bells) all.push_back(bell.rings);
    return all;
  }
  std::optional<FlightResult> look(std::size_t i) { return waiters[i]->take(&bells[i]); }

  std::optional<FlightEntry> first{enter()};
  std::vector<Bell> bells;
  std::vector<std::optional<FlightWaiter>> waiters;
};

using Rings = std::vector<int>;

}  // namespace

TEST_CASE("flight wakers: all who sleep are woken once when the load ends", "[flight]") {
  SleepingCallers f(3);
  CHECK(f.rings() == Rings{0, 0, 0});
  const bool fails = GENERATE(false, true);
  if (fails)
    leader(*f.first).fail(std::make_exception_ptr(1));
  else
    leader(*f.first).complete(f.value(5));
  CHECK(f.rings() == Rings{1, 1, 1});
  for (std::size_t i = 0; i < 3; ++i) {
    const std::optional<FlightResult> result = f.look(i);
    if (fails)
      CHECK_THROWS_AS(std::rethrow_exception(std::get<std::exception_ptr>(result.value())), int);
    else
      CHECK(value_in(result) == 5);
  }
  f.waiters.clear();
  CHECK(f.rings() == Rings{1, 1, 1});
}

TEST_CASE("flight wakers: the lead goes to those who sleep in their order, one at a time",
          "[flight]") {
  SleepingCallers f(3);
  f.first.reset();
  CHECK(f.rings() == Rings{1, 0, 0});
  {
    const std::optional<FlightResult> result = f.look(0);
    REQUIRE(gives_lead(result));
    CHECK(f.rings() == Rings{1, 0, 0});
  }  // dies, too
  CHECK(f.rings() == Rings{1, 1, 0});
  std::optional<FlightResult> result = f.look(1);
  REQUIRE(gives_lead(result));
  std::get<FlightLeader>(*result).complete(f.value(2));
  CHECK(f.rings() == Rings{1, 1, 1});
  CHECK(value_in(f.look(2)) == 2);
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight wakers: who was woken to lead and leaves at its deadline passes the lead on",
          "[flight]") {
  SleepingCallers f(3);
  f.first.reset();
  REQUIRE(f.rings() == Rings{1, 0, 0});
  f.waiters[0].reset();  // has not looked
  CHECK(f.rings() == Rings{1, 1, 0});
  f.waiters[1].reset();
  CHECK(f.rings() == Rings{1, 1, 1});
  CHECK(f.table.size() == 1);
  SECTION("to the last, who leads") {
    std::optional<FlightResult> result = f.look(2);
    REQUIRE(gives_lead(result));
    std::get<FlightLeader>(*result).complete(f.value(2));
  }
  SECTION("to the last, who leaves as well") { f.waiters[2].reset(); }
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight wakers: the last look at a deadline takes what came in the same moment",
          "[flight]") {
  SleepingCallers f(1);
  SECTION("the lead") {
    f.first.reset();
    CHECK(gives_lead(f.waiters[0]->take(nullptr)));
  }
  SECTION("the value") {
    leader(*f.first).complete(f.value(4));
    CHECK(value_in(f.waiters[0]->take(nullptr)) == 4);
  }
  SECTION("nothing; and then nobody is woken any more") {
    CHECK_FALSE(f.waiters[0]->take(nullptr));
    leader(*f.first).complete(f.value(4));
    CHECK(f.rings() == Rings{0});
  }
}

TEST_CASE("flight wakers: who has left before the leader dies is not woken", "[flight]") {
  SleepingCallers f(2);
  f.waiters[0].reset();
  f.first.reset();
  CHECK(f.rings() == Rings{0, 1});
  CHECK(gives_lead(f.look(1)));
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight wakers: who was woken in vain sleeps again and is woken again", "[flight]") {
  SleepingCallers f(1);
  f.first.reset();
  REQUIRE(f.rings() == Rings{1});
  FlightEntry newcomer = f.enter_elsewhere();
  REQUIRE(waits(newcomer));
  std::optional<FlightResult> result = waiter(newcomer).take(nullptr);
  REQUIRE(gives_lead(result));
  CHECK_FALSE(f.look(0));
  CHECK(f.rings() == Rings{1});
  SECTION("for the value") {
    std::get<FlightLeader>(*result).complete(f.value(6));
    CHECK(f.rings() == Rings{2});
    CHECK(value_in(f.look(0)) == 6);
  }
  SECTION("for the lead") {
    result.reset();
    CHECK(f.rings() == Rings{2});
    CHECK(gives_lead(f.look(0)));
  }
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight wakers: a look puts its waker in the place of the one before", "[flight]") {
  SleepingCallers f(1);
  Bell other;
  CHECK_FALSE(f.waiters[0]->take(&other));
  CHECK_FALSE(f.waiters[0]->take(&other));  // the same again is one sleeper
  FlightWaiter moved = std::move(*f.waiters[0]);
  leader(*f.first).complete(f.value(1));
  CHECK(f.rings() == Rings{0});
  CHECK(other.rings == 1);
  CHECK(value_in(moved.take(&other)) == 1);
}

TEST_CASE("flight wakers: a waker that is being called keeps its waiter from leaving", "[flight]") {
  // What the waker stands for may go as soon as its waiter has left.
  struct Gate final : FlightWaker {
    std::barrier<> called{2};
    std::atomic<bool> leaving{false};
    std::atomic<bool> left{false};
    bool left_during_call = false;
    void wake() noexcept override {
      called.arrive_and_wait();
      while (!leaving) std::this_thread::yield();
      for (int i = 0; i < 1000; ++i) std::this_thread::yield();
      left_during_call = left;
    }
  };
  for (const bool dies : {false, true}) {
    FlightFixture f;
    Gate gate;
    std::optional<FlightEntry> first(f.enter());
    std::optional<FlightEntry> second(f.enter_elsewhere());
    REQUIRE_FALSE(waiter(*second).take(&gate));
    {
      std::jthread ends([&] {
        if (!dies) leader(*first).complete(f.value(1));
        first.reset();
      });
      gate.called.arrive_and_wait();
      gate.leaving = true;
      second.reset();
      gate.left = true;
    }
    CHECK_FALSE(gate.left_during_call);
    CHECK(f.table.size() == 0);
  }
}

TEST_CASE("flight wakers: who was woken by the end does not wait until all others are",
          "[flight]") {
  // The second to be woken holds up whoever wakes until the first has left.
  struct Holding final : FlightWaker {
    std::binary_semaphore first_left{0};
    bool in_time = false;
    void wake() noexcept override { in_time = first_left.try_acquire_for(std::chrono::minutes(1)); }
  };
  const bool fails = GENERATE(false, true);
  FlightFixture f;
  Bell told;
  Holding holding;
  std::optional<FlightEntry> first(f.enter());
  std::optional<FlightEntry> second(f.enter_elsewhere());
  std::optional<FlightEntry> third(f.enter_elsewhere());
  REQUIRE_FALSE(waiter(*second).take(&told));
  REQUIRE_FALSE(waiter(*third).take(&holding));
  bool found = false;
  bool failed = false;
  {
    std::jthread looks([&] {
      while (!told.let_go) std::this_thread::yield();
      const std::optional<FlightResult> result = waiter(*second).take(&told);
      found = result.has_value();
      failed = found && std::holds_alternative<std::exception_ptr>(*result);
      second.reset();
      holding.first_left.release();
    });
    if (fails)
      leader(*first).fail(std::make_exception_ptr(1));
    else
      leader(*first).complete(f.value(5));
  }
  CHECK(found);
  CHECK(failed == fails);
  CHECK(holding.in_time);
  CHECK(waiter(*third).take(nullptr));
}

TEST_CASE("flight wakers: loads of two tables don't know of each other, their callers do",
          "[flight]") {
  FlightFixture f;
  FlightFixture g;
  g.prefix = f.prefix;  // the same key
  const ReadCaller me = ReadCaller::here();
  FlightEntry outer = f.enter_as(me);
  REQUIRE(leads(outer));
  FlightEntry others = g.enter_elsewhere();
  REQUIRE(leads(others));
  // Inside my load the other table's load of that key is neither mine nor one to wait for.
  CHECK(std::holds_alternative<FlightBusy>(g.enter_as({me.id, true})));
  CHECK(std::holds_alternative<FlightReentrant>(f.enter_as({me.id, true})));
  leader(others).complete(g.value(1));
  FlightEntry inner = g.enter_as({me.id, true});
  REQUIRE(leads(inner));
  CHECK(std::holds_alternative<FlightReentrant>(g.enter_as({me.id, true})));
  Bell bell;
  FlightEntry joiner = g.enter_elsewhere();
  CHECK_FALSE(waiter(joiner).take(&bell));
  leader(outer).complete(f.value(1));
  CHECK(bell.rings == 0);
  leader(inner).complete(g.value(2));
  CHECK(bell.rings == 1);
}

TEST_CASE("flight wakers: who was woken to lead leads under its own caller's id", "[flight]") {
  FlightFixture f;
  const ReadCaller me = ReadCaller::here();
  std::optional<FlightEntry> first(f.enter());
  FlightEntry second = f.enter_as(me);
  first.reset();
  const std::optional<FlightResult> result = waiter(second).take(nullptr);
  REQUIRE(gives_lead(result));
  CHECK(std::holds_alternative<FlightReentrant>(f.enter_as({me.id, true})));
  CHECK(waits(f.enter()));  // the dead leader's caller is a stranger now
}

TEST_CASE("flight wakers: a load that reads on another thread is the same caller there",
          "[flight]") {
  FlightFixture f;
  const ReadCaller me = ReadCaller::here();
  CHECK_FALSE(me.leads);
  CHECK(ReadCaller::here().id != me.id);  // each call from outside is one of its own
  FlightEntry mine = f.enter_as(me);
  REQUIRE(leads(mine));
  const LeadingScope leading(me.id);
  CHECK(ReadCaller::here().id == me.id);
  CHECK(ReadCaller::here().leads);
  std::jthread([&f, id = ReadCaller::here().id] {
    CHECK_FALSE(LeadingScope::active());
    CHECK(waits(f.enter_as(ReadCaller::here())));  // a stranger joins
    const LeadingScope scope(id);
    CHECK(std::holds_alternative<FlightReentrant>(f.enter_as(ReadCaller::here())));
    {
      const LeadingScope inner(ReadCaller{CallerId{1'000'000'000}}.id);
      CHECK(std::holds_alternative<FlightBusy>(f.enter_as(ReadCaller::here())));
    }
    CHECK(std::holds_alternative<FlightReentrant>(f.enter_as(ReadCaller::here())));
  }).join();
  leader(mine).complete(f.value(1));
  CHECK(leads(f.enter_as(ReadCaller::here())));
}
