#include "querymark/read/flight.hpp"

#include <atomic>
#include <barrier>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <thread>
#include <vector>

#include "unit/flight_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Fixture = FlightFixture;

}  // namespace

TEST_CASE("flight: the first caller leads, the next ones wait and get its value", "[flight]") {
  Fixture f;
  FlightEntry first = f.enter();
  REQUIRE(leads(first));
  FlightEntry second = f.enter_elsewhere();
  FlightEntry third = f.enter_elsewhere();
  REQUIRE(waits(second));
  REQUIRE(waits(third));
  CHECK(f.table.size() == 1);
  leader(first).complete(f.value(42));
  CHECK(f.table.size() == 0);
  for (FlightEntry* entry : {&second, &third}) {
    const FlightResult result = wait(*entry);
    REQUIRE(std::holds_alternative<EntryRef>(result));
    CHECK(std::get<EntryRef>(result).value<int>() == 42);
  }
}

TEST_CASE("flight: another key is another flight", "[flight]") {
  Fixture f;
  FlightEntry first = f.enter();
  FlightEntry other = f.table.enter({f.prefix.get(), "x"}, f.marks, f.targets, f.me);
  CHECK(leads(first));
  CHECK(leads(other));
  CHECK(f.table.size() == 2);
}

TEST_CASE("flight: an error reaches all waiters", "[flight]") {
  Fixture f;
  FlightEntry first = f.enter();
  FlightEntry second = f.enter_elsewhere();
  FlightEntry third = f.enter_elsewhere();
  leader(first).fail(std::make_exception_ptr(std::runtime_error("no such table")));
  for (FlightEntry* entry : {&second, &third}) {
    const FlightResult result = wait(*entry);
    REQUIRE(std::holds_alternative<std::exception_ptr>(result));
    CHECK_THROWS_WITH(std::rethrow_exception(std::get<std::exception_ptr>(result)),
                      "no such table");
  }
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight: a caller that comes after an invalidation joins no older load", "[flight]") {
  Fixture f;
  FlightEntry first = f.enter();
  f.invalidate();
  FlightEntry second = f.enter_elsewhere();
  REQUIRE(leads(second));
  CHECK(leader(second).stamp().generation > leader(first).stamp().generation);
}

TEST_CASE("flight: an invalidation of something else does not keep callers from joining",
          "[flight]") {
  Fixture f;
  FlightEntry first = f.enter();
  const MarkUpdate unrelated{tag("unrelated").id(), {}};
  f.marks.apply_unconfirmed({&unrelated, 1});
  CHECK(waits(f.enter_elsewhere()));
}

TEST_CASE("flight: a late finisher does not remove a newer flight", "[flight]") {
  Fixture f;
  FlightEntry old = f.enter();
  FlightEntry old_waiter = f.enter_elsewhere();
  f.invalidate();
  FlightEntry newer = f.enter_elsewhere();
  REQUIRE(leads(newer));
  leader(old).complete(f.value(1));
  CHECK(f.table.size() == 1);
  FlightEntry joiner = f.enter();
  REQUIRE(waits(joiner));
  leader(newer).complete(f.value(2));
  CHECK(std::get<EntryRef>(wait(joiner)).value<int>() == 2);
  CHECK(std::get<EntryRef>(wait(old_waiter)).value<int>() == 1);
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight: a caller whose own load asks for the key again is told so", "[flight]") {
  Fixture f;
  FlightEntry first = f.enter();
  CHECK(std::holds_alternative<FlightReentrant>(f.enter()));
  f.invalidate();
  CHECK(std::holds_alternative<FlightReentrant>(f.enter()));
  leader(first).complete(f.value(1));
  CHECK(leads(f.enter()));
}

TEST_CASE("flight: a leader that dies with nobody waiting leaves nothing behind", "[flight]") {
  Fixture f;
  {
    FlightEntry first = f.enter();
  }
  CHECK(f.table.size() == 0);
  {
    FlightEntry first = f.enter();
    {
      FlightEntry second = f.enter_elsewhere();
    }  // gave up before the leader did
  }
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight: a waiter that gives up after the leader died clears up", "[flight]") {
  Fixture f;
  {
    FlightEntry second = [&] {
      FlightEntry first = f.enter();
      return f.enter_elsewhere();
    }();
    REQUIRE(waits(second));
    CHECK(f.table.size() == 1);
  }
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight: a promoted waiter leads with a stamp of its own", "[flight]") {
  Fixture f;
  std::optional<FlightEntry> first(f.enter());
  const std::uint64_t old = leader(*first).stamp().generation;
  FlightEntry second = f.enter_elsewhere();
  FlightEntry third = f.enter_elsewhere();
  f.invalidate();
  first.reset();
  FlightResult promoted = wait(second);
  REQUIRE(std::holds_alternative<FlightLeader>(promoted));
  CHECK(std::get<FlightLeader>(promoted).stamp().generation > old);
  CHECK(waits(f.enter_elsewhere()));  // the new stamp includes the invalidation
  CHECK(f.table.size() == 1);
  std::get<FlightLeader>(promoted).complete(f.value(7));
  CHECK(std::get<EntryRef>(wait(third)).value<int>() == 7);
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight: an abandoned flight may still be joined, and its joiner leads", "[flight]") {
  Fixture f;
  std::optional<FlightEntry> first(f.enter());
  FlightEntry second = f.enter_elsewhere();
  first.reset();
  FlightEntry third = f.enter();  // the dead leader's caller leads no more
  REQUIRE(waits(third));
  FlightResult result = wait(third);
  REQUIRE(std::holds_alternative<FlightLeader>(result));
  std::get<FlightLeader>(result).complete(f.value(3));
  CHECK(std::get<EntryRef>(wait(second)).value<int>() == 3);
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight: a wait ends at its deadline, and the load goes on without it", "[flight]") {
  Fixture f;
  FlightEntry first = f.enter();
  {
    FlightEntry second = f.enter_elsewhere();
    CHECK_FALSE(blocking_wait(waiter(second), std::chrono::steady_clock::now()));
  }
  CHECK(f.table.size() == 1);
  leader(first).complete(f.value(1));
  CHECK(f.table.size() == 0);
}

TEST_CASE("flight: of many waiters of a dead leader exactly one is promoted at a time",
          "[flight]") {
  constexpr int kWaiters = 6;
  constexpr int kDeaths = 3;  // the first leader and two promoted ones
  for (int round = 0; round < 50; ++round) {
    Fixture f;
    std::optional<FlightEntry> first(f.enter());
    std::atomic<int> leading{0};
    std::atomic<int> deaths{1};
    std::atomic<int> promoted{0};
    std::atomic<int> served{0};
    std::atomic<int> broken{0};
    std::barrier all_entered(kWaiters + 1);
    std::vector<std::jthread> threads;
    for (int i = 0; i < kWaiters; ++i) {
      threads.emplace_back([&] {
        FlightEntry entry = f.enter_elsewhere();
        all_entered.arrive_and_wait();
        if (!waits(entry)) {
          broken.fetch_add(1);
          return;
        }
        FlightResult result = wait(entry);
        if (auto* lead = std::get_if<FlightLeader>(&result)) {
          promoted.fetch_add(1);
          if (leading.fetch_add(1) != 0) broken.fetch_add(1);
          const bool dies = deaths.fetch_add(1) < kDeaths;
          leading.fetch_sub(1);
          if (!dies) lead->complete(f.value(round));
        } else if (std::get<EntryRef>(result).value<int>() == round) {
          served.fetch_add(1);
        }
      });
    }
    all_entered.arrive_and_wait();
    first.reset();
    threads.clear();
    CHECK(broken == 0);
    CHECK(promoted == kDeaths);
    CHECK(served == kWaiters - kDeaths);
    CHECK(f.table.size() == 0);
  }
}

TEST_CASE("flight: a promotion that meets waiters at their deadline is not lost", "[flight]") {
  constexpr int kWaiters = 4;
  for (int round = 0; round < 200; ++round) {
    Fixture f;
    std::optional<FlightEntry> first(f.enter());
    std::atomic<int> ended{0};
    std::barrier all_entered(kWaiters + 1);
    std::vector<std::jthread> threads;
    for (int i = 0; i < kWaiters; ++i) {
      threads.emplace_back([&, i] {
        FlightEntry entry = f.enter_elsewhere();
        all_entered.arrive_and_wait();
        // All but the last give up at once; the last must be woken, whoever was woken before.
        std::optional<std::chrono::steady_clock::time_point> deadline;
        if (i + 1 < kWaiters) deadline = std::chrono::steady_clock::now() + 50us;
        std::optional<FlightResult> result = blocking_wait(waiter(entry), deadline);
        if (auto* lead = result ? std::get_if<FlightLeader>(&*result) : nullptr)
          lead->complete(f.value(1));
        ended.fetch_add(1);
      });
    }
    all_entered.arrive_and_wait();
    first.reset();
    threads.clear();  // hangs when a wake-up is lost
    CHECK(ended == kWaiters);
    CHECK(f.table.size() == 0);
  }
}
