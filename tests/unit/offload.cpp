#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>

#include "querymark/querymark.hpp"
#include "querymark/read/offload.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;

// A task that runs until it is let go.
struct Held {
  std::promise<void> begun;
  std::promise<void> go;
  std::function<void()> task() {
    return [this, may = go.get_future().share()] {
      begun.set_value();
      may.wait();
    };
  }
  void await_begin() { begun.get_future().wait(); }
};

const int kMe = 0;
const int kOther = 0;

}  // namespace

TEST_CASE("offload: there is one task of a key at a time, and any number without", "[offload]") {
  Held held;
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
  CHECK(offload.drain(1min) == 0);
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
  CHECK(offload.drain(1min) == 0);
  CHECK(offload.stats().failed == 1);
  CHECK(offload.stats().completed == 3);
}

TEST_CASE("offload: a full queue refuses, and says so", "[offload]") {
  Held held;
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
  Held held;
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
  CHECK(offload.drain(1min) == 0);
  CHECK(ran == 0);
}

TEST_CASE("offload: an owner leaves when none of his tasks is left, nor what they hold",
          "[offload]") {
  Held held;
  Offload offload({.threads = 2});
  auto owned = std::make_shared<int>(7);
  const std::weak_ptr<int> watched = owned;
  CHECK(offload.submit("a", &kMe, [owned = std::move(owned), task = held.task()] { task(); }) ==
        Offloaded::accepted);
  held.await_begin();
  std::atomic<bool> left{false};
  auto leaving = std::async(std::launch::async, [&] {
    offload.leave(&kMe);
    left = true;
    return watched.expired();
  });
  CHECK_FALSE(left);
  held.go.set_value();
  CHECK(leaving.get());
}

TEST_CASE("offload: a drain that can't wait tells what is left, and cancels it", "[offload]") {
  Held held;
  std::atomic<int> ran{0};
  {
    Offload offload({.threads = 1});
    CHECK(offload.submit("a", &kMe, held.task()) == Offloaded::accepted);
    held.await_begin();
    CHECK(offload.submit("b", &kMe, [&] { ++ran; }) == Offloaded::accepted);
    CHECK(offload.drain(0s) == 2);
    CHECK(offload.drain(1ms) == 1);
    CHECK(offload.stats().cancelled == 1);
    held.go.set_value();
  }
  CHECK(ran == 0);
}

TEST_CASE("offload: one that is disabled refuses and counts", "[offload]") {
  const auto offload = Offload::disabled();
  CHECK(offload->submit("a", &kMe, [] {}) == Offloaded::disabled);
  CHECK(offload->stats().rejected == 1);
  CHECK(offload->drain(1s) == 0);
  offload->leave(&kMe);
  CHECK_THROWS_AS(Offload({.threads = 0}), ConfigError);
  CHECK(to_string(Offloaded::full) == "the queue is full");
}
