#include "sleepers.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

using namespace querymark;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

TEST_CASE("sleepers: what is true already is not slept for", "[sleepers]") {
  Sleepers sleepers;
  int asked = 0;
  sleepers.sleep([&] { return ++asked > 0; }, Steady::now() + 1h);
  CHECK(asked == 1);
  CHECK(sleepers.count() == 0);
}

TEST_CASE("sleepers: each wakes when it is done, and is asked no more", "[sleepers]") {
  Sleepers sleepers;
  std::atomic<int> at{0};
  std::atomic<int> asked{0};
  const auto sleep_until = [&](int wanted) {
    return std::async(std::launch::async, [&, wanted] {
      sleepers.sleep([&, wanted] { return ++asked, at >= wanted; }, Steady::now() + 1h);
      return at.load();
    });
  };
  auto first = sleep_until(1);
  auto second = sleep_until(2);
  while (sleepers.count() < 2) std::this_thread::yield();
  sleepers.wake();
  CHECK(sleepers.count() == 2);
  at = 1;
  sleepers.wake();
  CHECK(sleepers.count() == 1);
  CHECK(first.get() == 1);
  const int before = asked;
  at = 2;
  sleepers.wake();
  CHECK(second.get() == 2);
  CHECK(asked == before + 1);
  CHECK(sleepers.count() == 0);
}

TEST_CASE("sleepers: at its deadline one looks by itself, and leaves", "[sleepers]") {
  Sleepers sleepers;
  int asked = 0;
  sleepers.sleep([&] { return ++asked > 5; }, Steady::now());
  CHECK(asked == 2);
  CHECK(sleepers.count() == 0);
  sleepers.wake();
  CHECK(asked == 2);
}

TEST_CASE("sleepers: who is found done in the moment of its deadline leaves once", "[sleepers]") {
  Sleepers sleepers;
  const auto deadline = Steady::now() + 100ms;
  std::atomic<bool> wakes = false;
  auto late = std::async(std::launch::async, [&] {
    // Whoever wakes looks, and has the list, until the sleeper has given up and wants it, too.
    sleepers.sleep(
        [&] {
          if (!wakes) return false;
          while (Steady::now() < deadline + 20ms) std::this_thread::yield();
          return true;
        },
        deadline);
  });
  while (sleepers.count() == 0 && Steady::now() < deadline) std::this_thread::yield();
  wakes = true;
  sleepers.wake();
  late.get();
  CHECK(sleepers.count() == 0);
}
