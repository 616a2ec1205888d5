#include "read_budget.hpp"

#include <catch2/catch.hpp>

using namespace querymark;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

/// Rings without a pause for a while; how often the log is read.
int reads_in(nanoseconds span, ReadBudget& budget, std::size_t live) {
  ManualClock clock;
  const MonotonicTime end = clock.now() + span;
  int reads = 0;
  while (clock.now() < end) {
    clock.advance(budget.wait(clock.now(), live));
    budget.take(clock.now(), live);
    ++reads;
    clock.advance(1us);
  }
  return reads;
}

}  // namespace

TEST_CASE("read budget: a stream of rings is answered at the budget's rate, shared by all who live",
          "[read_budget]") {
  for (const std::size_t live : {1U, 10U, 100U, 1000U}) {
    CAPTURE(live);
    ReadBudget budget(2000, 1h);
    const int reads = reads_in(10s, budget, live);
    const int share = static_cast<int>(20'000 / live);
    CHECK(reads >= share);
    CHECK(reads <= share + 5);
  }
}

TEST_CASE("read budget: the first rings after a silence are answered at once", "[read_budget]") {
  ManualClock clock;
  ReadBudget budget(2000, 5s);
  for (int i = 0; i < 4; ++i) {
    CHECK(budget.wait(clock.now(), 100) == 0ns);
    budget.take(clock.now(), 100);
  }
  CHECK(budget.wait(clock.now(), 100) == 50ms);
  budget.take(clock.now(), 100);  // somebody could not wait
  CHECK(budget.wait(clock.now(), 100) == 50ms);
  clock.advance(50ms);
  CHECK(budget.wait(clock.now(), 100) == 0ns);
  budget.take(clock.now(), 100);
  CHECK(budget.wait(clock.now(), 100) == 50ms);
  clock.advance(1s);
  CHECK(budget.wait(clock.now(), 100) == 0ns);
}

TEST_CASE("read budget: no answer waits longer than a third of max_lag", "[read_budget]") {
  ManualClock clock;
  ReadBudget budget(1, 300ms);
  for (int i = 0; i < 10; ++i) budget.take(clock.now(), 1'000'000'000'000);
  CHECK(budget.wait(clock.now(), 1'000'000'000'000) == 100ms);
  // Nor longer than is right for those who are left.
  CHECK(budget.wait(clock.now(), 0) == 0ns);
}

TEST_CASE("read budget: of nothing means without bound", "[read_budget]") {
  ManualClock clock;
  ReadBudget budget(0, 1s);
  for (int i = 0; i < 100; ++i) budget.take(clock.now(), 1000);
  CHECK(budget.wait(clock.now(), 1000) == 0ns);
}
