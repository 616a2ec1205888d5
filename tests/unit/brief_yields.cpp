#include "support/brief_yields.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

using namespace querymark;

namespace {

std::atomic<int> g_yields{0};
std::atomic<bool> g_busy{false};

// As on a machine where others compute, or on one where nobody does.
void yield_or_lose_a_slice() noexcept {
  ++g_yields;
  if (g_busy) std::this_thread::sleep_for(4 * BriefYields::kTooLong);
}

}  // namespace

TEST_CASE("brief yields: they end when the count moves, or are enough", "[brief_yields]") {
  EventCount count;
  const std::uint32_t seen = count.now();
  g_busy = false;
  BriefYields yields(yield_or_lose_a_slice);
  CHECK_FALSE(yields.until_moved(count, seen));
  count.wake_all();
  while (!yields.until_moved(count, seen)) {
  }  // a test that loses its processor at the wrong moment finds a pause
  CHECK_FALSE(yields.until_moved(count, count.now()));
}

TEST_CASE("brief yields: where one takes a time slice there are none until a trial went well",
          "[brief_yields]") {
  EventCount count;
  const std::uint32_t seen = count.now();
  BriefYields yields(yield_or_lose_a_slice);
  g_busy = true;
  g_yields = 0;
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(yields.until_moved(count, seen));
  CHECK(g_yields == 1);
  while (g_yields == 1) static_cast<void>(yields.until_moved(count, seen));
  CHECK(std::chrono::steady_clock::now() - began > BriefYields::kFirstPause);
  CHECK(g_yields == 2);  // a trial, of one yield
  g_busy = false;
  count.wake_all();
  while (!yields.until_moved(count, seen)) {
  }
  CHECK(g_yields > 2);
}
