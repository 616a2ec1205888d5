// What is taken, refused, run, cancelled and counted.

#include <atomic>
#include <catch2/catch.hpp>
#include <stdexcept>
#include <stop_token>

#include "querymark/observe/metrics.hpp"
#include "querymark/querymark.hpp"
#include "querymark/read/offload.hpp"
#include "unit/offload_fixture.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

TEST_CASE("offload: there is one task of a key at a time, and any number without", "[offload]") {
  HeldTask held;
  std::atomic<int> ran{0};
  Offload offload({.threads = 1});
  CHECK(offload.submit("a", &kMe, held.task()) == Offloaded::accepted);
  held.await_begin();
  CHECK(offload.has("a"));
  CHECK(offload.submit("a", &kMe, [&] { ++ran; }) == Offloaded::duplicate);
  CHECK(offload.submit("b", &kMe, [&] { ++ran; }) == Offloaded::accepted);
  CHECK(offload.submit("b", &kMe, [&] { ++ran; }) == Offloaded::duplicate);
  for (int i = 0; i < 3; ++i)
    CHECK(offload.submit("", &kMe, [&] { ++ran; }) == Offloaded::accepted);
  CHECK(offload.stats().waiting == 4);
  CHECK(offload.stats().running == 1);
  held.go.set_value();
  CHECK(offload.drain(1min).empty());
  CHECK(ran == 4);
  CHECK_FALSE(offload.has("a"));
  CHECK(offload.submit("a", &kMe, [] {}) == Offloaded::stopped);
  const OffloadStats stats = offload.stats();
  CHECK(stats.accepted == 5);
  CHECK(stats.completed == 5);
  CHECK(stats.duplicates == 2);
  CHECK(stats.rejected == 1);
  CHECK(stats.failed == 0);
}

TEST_CASE("offload: a task that throws is counted, and blocks neither its key nor its thread",
          "[offload]") {
  Offload offload({.threads = 1});
  std::promise<void> second;
  CHECK(offload.submit("a", &kMe, [] { throw std::runtime_error("no luck"); }) ==
        Offloaded::accepted);
  // Behind the first on the one thread, so its end is known when this runs.
  CHECK(offload.submit("b", &kMe, [&] {
    if (offload.submit("a", &kMe, [&] { second.set_value(); }) != Offloaded::accepted)
      second.set_exception(std::make_exception_ptr(std::runtime_error("its key was blocked")));
  }) == Offloaded::accepted);
  CHECK_NOTHROW(second.get_future().get());
  CHECK(offload.drain(1min).empty());
  CHECK(offload.stats().failed == 1);
  CHECK(offload.stats().completed == 3);
}

TEST_CASE("offload: a full queue refuses, and says so", "[offload]") {
  HeldTask held;
  Offload offload({.threads = 1, .queue = 1});
  CHECK(offload.submit("a", &kMe, held.task()) == Offloaded::accepted);
  held.await_begin();
  CHECK(offload.submit("b", &kMe, [] {}) == Offloaded::accepted);
  CHECK(offload.submit("c", &kMe, [] {}) == Offloaded::full);
  CHECK_FALSE(offload.has("c"));
  CHECK(offload.stats().rejected == 1);
  held.go.set_value();
}

TEST_CASE("offload: what waits can be cancelled, by key, all of it, and by its owner's leave",
          "[offload]") {
  HeldTask held;
  std::atomic<int> ran{0};
  Offload offload({.threads = 1});
  CHECK(offload.submit("a", &kOther, held.task()) == Offloaded::accepted);
  held.await_begin();
  for (const char* key : {"b", "c", "d"})
    CHECK(offload.submit(key, &kMe, [&] { ++ran; }) == Offloaded::accepted);
  CHECK(offload.submit("e", &kOther, [&] { ++ran; }) == Offloaded::accepted);
  CHECK(offload.cancel("b") == 1);
  CHECK(offload.cancel("b") == 0);
  CHECK(offload.submit("b", &kMe, [&] { ++ran; }) == Offloaded::accepted);
  offload.leave(&kMe);  // none of his runs: does not wait for others'
  CHECK(offload.stats().cancelled == 4);
  CHECK(offload.stats().waiting == 1);
  CHECK(offload.cancel_all() == 1);
  CHECK(offload.cancel("a") == 0);  // it runs
  held.go.set_value();
  CHECK(offload.drain(1min).empty());
  CHECK(ran == 0);
}

TEST_CASE("offload: one that is disabled refuses and counts", "[offload]") {
  const auto offload = Offload::disabled();
  CHECK(offload->submit("a", &kMe, [] {}) == Offloaded::disabled);
  CHECK(offload->stats().rejected == 1);
  CHECK(offload->drain(1s).empty());
  offload->leave(&kMe);
  CHECK_THROWS_AS(Offload({.threads = 0}), ConfigError);
  CHECK(to_string(Offloaded::full) == "the queue is full");
}

TEST_CASE("offload: a task without a key of its own goes by one that it is given", "[offload]") {
  HeldTask held;
  Offload offload({.threads = 1});
  const OffloadTicket runs = offload.submit(
      {.kind = "sum", .work = [task = held.task()](const std::stop_token&) { task(); }});
  const OffloadTicket waits =
      offload.submit({.kind = "sum", .work = [](const std::stop_token&) {}});
  held.await_begin();
  CHECK(runs.became == Offloaded::accepted);
  CHECK(waits.became == Offloaded::accepted);
  CHECK(runs.key != waits.key);
  CHECK(offload.has(waits.key));
  // Nobody can take a key that is given out, and nobody else is hit by it.
  CHECK(offload.submit(waits.key, &kMe, [] {}) == Offloaded::duplicate);
  CHECK(offload.cancel("") == 0);
  CHECK(offload.cancel(waits.key) == 1);
  CHECK_FALSE(offload.has(waits.key));
  CHECK(offload.submit("sum#3", &kMe, [] {}) == Offloaded::accepted);
  CHECK(offload.submit({.kind = "sum", .work = [](const std::stop_token&) {}}).key == "sum#4");
  held.go.set_value();
  CHECK(offload.drain(1min).empty());
}

TEST_CASE("offload: each kind of task is counted apart, as far as there are few", "[offload]") {
  HeldTask held;
  Offload offload({.threads = 1});
  CHECK(offload.submit("a", &kMe, held.task(), "load") == Offloaded::accepted);
  held.await_begin();
  CHECK(offload.submit(
            "b", &kMe, [] { throw std::runtime_error("no"); }, "refresh") == Offloaded::accepted);
  CHECK(offload.submit("b", &kMe, [] {}, "refresh") == Offloaded::duplicate);
  auto by_kind = offload.stats_by_kind();
  CHECK(by_kind["load"].running == 1);
  CHECK(by_kind["refresh"].waiting == 1);
  CHECK(by_kind["refresh"].duplicates == 1);
  held.go.set_value();
  CHECK(offload.drain(1min).empty());
  by_kind = offload.stats_by_kind();
  CHECK(by_kind["load"].completed == 1);
  CHECK(by_kind["load"].failed == 0);
  CHECK(by_kind["refresh"].failed == 1);
  Metrics metrics;
  offload.add_metrics(metrics);
  CHECK_THAT(metrics.prometheus(),
             Catch::Matchers::Contains(R"(querymark_offload_failed_total{kind="refresh"} 1)"));
  // Names that never end would fill memory.
  Offload many({.threads = 1});
  for (int i = 0; i < 100; ++i)
    static_cast<void>(many.submit("", &kMe, [] {}, "kind " + std::to_string(i)));
  CHECK(many.drain(1min).empty());
  CHECK(many.stats_by_kind().size() == 33);
  CHECK(many.stats_by_kind()["(other)"].completed == 68);
  CHECK(many.stats().completed == 100);
}
