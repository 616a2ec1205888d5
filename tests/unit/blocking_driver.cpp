#include "querymark/read/blocking_driver.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <vector>

#include "read/sleeper.hpp"

// A thread that drives a read: when it sleeps, and what ends that.

namespace {

using namespace querymark;
using Steady = std::chrono::steady_clock;

// A read that does at each look what it is told.
struct Scripted final : RunningRead {
  using Look = std::function<Next(ReadWaker&)>;
  explicit Scripted(std::vector<Look> script) : looks(std::move(script)) {}
  [[nodiscard]] Next next(ReadWaker& waker) override { return looks.at(looked++)(waker); }
  void work() override { ++worked; }

  std::vector<Look> looks;
  std::size_t looked = 0;
  int worked = 0;
};

}  // namespace

TEST_CASE("blocking driver: a wake ends one sleep, also one that is still to begin", "[flight]") {
  Sleeper sleeper;
  sleeper.wake();
  sleeper.wake();
  CHECK(sleeper.sleep(std::nullopt));
  // Were it not over with that, whoever is woken in vain would look again and again.
  CHECK_FALSE(sleeper.sleep(Steady::now()));
  sleeper.wake();
  CHECK(sleeper.sleep(Steady::now()));
}

TEST_CASE("blocking driver: it looks after each wake, each piece of work and each deadline",
          "[flight]") {
  Sleeper sleeper;
  Scripted read({[](ReadWaker& waker) -> RunningRead::Next {
                   waker.wake();  // before the sleep that this look asks for
                   return RunningRead::Sleeps{};
                 },
                 [](ReadWaker&) -> RunningRead::Next { return RunningRead::Works{}; },
                 [](ReadWaker&) -> RunningRead::Next { return RunningRead::Sleeps{Steady::now()}; },
                 [](ReadWaker&) -> RunningRead::Next { return RunningRead::Over{}; }});
  blocking_run(read, sleeper);
  CHECK(read.looked == 4);
  CHECK(read.worked == 1);
}
