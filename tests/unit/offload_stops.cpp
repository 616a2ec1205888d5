// Tasks that are told to stop, that are late, and the drain.

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "querymark/querymark.hpp"
#include "querymark/read/offload.hpp"
#include "unit/offload_fixture.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEST_CASE("offload: what runs is asked to stop, and what does not look runs on", "[offload]") {
  Offload offload({.threads = 2});
  std::promise<void> begun;
  std::promise<bool> stopped;
  const auto until_stopped = [&](const std::stop_token& stop) {
    begun.set_value();
    std::promise<void> asked;
    const std::stop_callback tell(stop, [&] { asked.set_value(); });
    asked.get_future().wait();
    stopped.set_value(true);
  };
  CHECK(offload.submit({.key = "a", .owner = &kMe, .work = until_stopped}).became ==
        Offloaded::accepted);
  begun.get_future().wait();
  CHECK(offload.cancel("a") == 0);  // of those that wait
  CHECK(offload.stop("b") == 0);
  SECTION("by its key") { CHECK(offload.stop("a") == 1); }
  SECTION("with all others") { CHECK(offload.stop_all() == 1); }
  SECTION("since its owner goes") { offload.leave(&kMe); }
  CHECK(stopped.get_future().get());
  CHECK(offload.stop("a") == 0);  // once
  CHECK(offload.drain(1min).empty());
  CHECK(offload.stats().completed == 1);
}

TEST_CASE("offload: a callback of a task that is stopped may use the offload", "[offload]") {
  Offload offload({.threads = 1});
  std::promise<void> begun;
  std::promise<std::size_t> seen;
  CHECK(offload
            .submit({.key = "a",
                     .work =
                         [&](const std::stop_token& stop) {
                           const std::stop_callback tell(
                               stop, [&] { seen.set_value(offload.tasks().size()); });
                           begun.set_value();
                           while (!stop.stop_requested()) std::this_thread::yield();
                         }})
            .became == Offloaded::accepted);
  begun.get_future().wait();
  CHECK(offload.stop_all() == 1);
  CHECK(seen.get_future().get() == 1);
}

TEST_CASE("offload: a task that runs for too long is told of once, and asked to stop if so wanted",
          "[offload]") {
  std::promise<OffloadEntry> late;
  std::atomic<int> times = 0;
  Offload offload({.threads = 1, .longest = 1ms, .on_late = [&](const OffloadEntry& entry) {
                     if (++times == 1) late.set_value(entry);
                   }});
  SECTION("told of") {
    HeldTask held;
    CHECK(offload.submit("a", &kMe, held.task(), "sum") == Offloaded::accepted);
    held.await_begin();
    const OffloadEntry entry = late.get_future().get();
    CHECK(entry.kind == "sum");
    CHECK(entry.key == "a");
    CHECK(entry.running);
    CHECK(entry.since >= 1ms);
    held.go.set_value();
  }
  SECTION("asked to stop") {
    CHECK(offload
              .submit({.key = "a",
                       .work =
                           [](const std::stop_token& stop) {
                             while (!stop.stop_requested()) std::this_thread::yield();
                           },
                       .when_late = WhenLate::stop})
              .became == Offloaded::accepted);
    static_cast<void>(late.get_future().get());
  }
  CHECK(offload.drain(1min).empty());
  CHECK(times == 1);
  CHECK(offload.stats().late == 1);
  CHECK(offload.stats().completed == 1);
}

TEST_CASE("offload: a task may say for itself how long it runs", "[offload]") {
  std::promise<std::string> late;
  Offload offload({.threads = 2, .longest = 1ms, .on_late = [&](const OffloadEntry& entry) {
                     late.set_value(entry.key);
                   }});
  HeldTask for_ever;
  HeldTask briefly;
  CHECK(offload
            .submit({.key = "for ever",
                     .work = [task = for_ever.task()](const std::stop_token&) { task(); },
                     .longest = TimeSpan{}})
            .became == Offloaded::accepted);
  for_ever.await_begin();
  CHECK(offload.submit("briefly", &kMe, briefly.task()) == Offloaded::accepted);
  CHECK(late.get_future().get() == "briefly");
  for_ever.go.set_value();
  briefly.go.set_value();
  CHECK(offload.drain(1min).empty());
  CHECK(offload.stats().late == 1);
  CHECK_THROWS_AS(offload.submit({.work = {}, .longest = -1s}), ConfigError);
  CHECK_THROWS_AS(Offload({.longest = -1s}), ConfigError);
}

TEST_CASE("offload: a drain that can't wait tells what is left, and cancels it", "[offload]") {
  HeldTask held;
  std::atomic<int> ran{0};
  {
    Offload offload({.threads = 1});
    CHECK(offload.submit("a", &kMe, held.task()) == Offloaded::accepted);
    held.await_begin();
    CHECK(offload.submit("b", &kMe, [&] { ++ran; }) == Offloaded::accepted);
    CHECK(offload.drain(0s).size() == 2);
    CHECK(offload.drain(1ms).size() == 1);
    CHECK(offload.stats().cancelled == 1);
    held.go.set_value();
  }
  CHECK(ran == 0);
}

TEST_CASE("offload: a drain with a deadline says what it leaves behind", "[offload]") {
  HeldTask held;
  Offload offload({.threads = 1});
  CHECK(offload.submit("runs", &kMe, held.task(), "load") == Offloaded::accepted);
  held.await_begin();
  CHECK(offload.submit("waits", &kMe, [] {}, "refresh") == Offloaded::accepted);
  const std::vector<OffloadEntry> left = offload.drain(1ms);
  REQUIRE(left.size() == 2);
  CHECK(left[0].key == "runs");
  CHECK(left[0].kind == "load");
  CHECK(left[0].running);
  CHECK(left[1].key == "waits");
  CHECK(left[1].kind == "refresh");
  CHECK_FALSE(left[1].running);
  CHECK(offload.tasks().size() == 1);
  held.go.set_value();
  CHECK(offload.drain(1min).empty());
}

TEST_CASE("offload: a drain ends with the last task, and one without an end waits for it",
          "[offload]") {
  const TimeSpan longest = GENERATE(TimeSpan(24h), TimeSpan(std::chrono::nanoseconds::max()));
  Offload offload({.threads = 2});
  std::promise<void> begun;
  CHECK(offload
            .submit({.key = "a",
                     .work =
                         [&](const std::stop_token& stop) {
                           begun.set_value();
                           while (!stop.stop_requested()) std::this_thread::yield();
                         }})
            .became == Offloaded::accepted);
  begun.get_future().wait();
  auto drains = std::async(std::launch::async, [&] { return offload.drain(longest).size(); });
  CHECK(drains.wait_for(50ms) == std::future_status::timeout);
  CHECK(offload.stop("a") == 1);
  CHECK(drains.get() == 0);
  CHECK(offload.submit("a", &kMe, [] {}) == Offloaded::stopped);
}

TEST_CASE("offload: at its end it asks what runs to stop, and waits for that", "[offload]") {
  std::atomic<bool> ended = false;
  std::atomic<bool> ran = false;
  {
    std::promise<void> begun;
    Offload offload({.threads = 1});
    static_cast<void>(offload.submit({.work = [&](const std::stop_token& stop) {
      begun.set_value();
      while (!stop.stop_requested()) std::this_thread::yield();
      ended = true;
    }}));
    static_cast<void>(offload.submit("", &kMe, [&] { ran = true; }));
    begun.get_future().wait();
  }
  CHECK(ended);
  CHECK_FALSE(ran);
}
