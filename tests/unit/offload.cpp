#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>

#include "querymark/observe/metrics.hpp"
#include "querymark/querymark.hpp"
#include "querymark/read/offload.hpp"
#include "support/death.hpp"

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
  CHECK(offload.drain(1min).empty());
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
    CHECK(offload.drain(0s).size() == 2);
    CHECK(offload.drain(1ms).size() == 1);
    CHECK(offload.stats().cancelled == 1);
    held.go.set_value();
  }
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
  Held held;
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
    Held held;
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
  Held for_ever;
  Held briefly;
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

TEST_CASE("offload: a drain with a deadline says what it leaves behind", "[offload]") {
  Held held;
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

TEST_CASE("offload: each kind of task is counted apart, as far as there are few", "[offload]") {
  Held held;
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

TEST_CASE("offload: what an owner's task submits while he leaves does not run after he has gone",
          "[offload]") {
  std::atomic<bool> ran = false;
  std::promise<void> begun;
  Offload offload({.threads = 1});
  static_cast<void>(offload.submit({.owner = &kMe, .work = [&](const std::stop_token& stop) {
                                      begun.set_value();
                                      while (!stop.stop_requested()) std::this_thread::yield();
                                      static_cast<void>(
                                          offload.submit({}, &kMe, [&] { ran = true; }));
                                    }}));
  begun.get_future().wait();
  offload.leave(&kMe);
  CHECK(offload.tasks().empty());
  const bool ran_before = ran;  // which it may
  static_cast<void>(offload.drain(10s));
  CHECK(ran == ran_before);
}

TEST_CASE("offload: a task that holds the last reference to it ends the process with a message",
          "[offload]") {
  const test::Death death = test::death_of([] {
    std::promise<void> let_go;
    auto offload = std::make_shared<Offload>(OffloadOptions{.threads = 1});
    static_cast<void>(
        offload->submit({}, &kMe, [held = offload, &let_go] { let_go.get_future().wait(); }));
    offload.reset();
    let_go.set_value();
    std::promise<void>().get_future().wait();  // for ever
  });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.said, Catch::Matchers::Contains("destroyed by a task of its own"));
}

TEST_CASE("offload: an owner takes along what his task has submitted behind another's",
          "[offload]") {
  Held others;
  std::promise<void> begun;
  std::atomic<bool> ran = false;
  Offload offload({.threads = 1});
  static_cast<void>(offload.submit({.owner = &kMe, .work = [&](const std::stop_token& stop) {
                                      begun.set_value();
                                      while (!stop.stop_requested()) std::this_thread::yield();
                                      static_cast<void>(
                                          offload.submit({}, &kMe, [&] { ran = true; }));
                                    }}));
  begun.get_future().wait();
  CHECK(offload.submit("other", &kOther, others.task()) == Offloaded::accepted);
  offload.leave(&kMe);
  const std::vector<OffloadEntry> left = offload.tasks();
  CHECK(left.size() == 1);
  CHECK(left.front().key == "other");
  others.go.set_value();
  CHECK(offload.drain(1min).empty());
  CHECK_FALSE(ran);
}

TEST_CASE("offload: owners and drains wait for what somebody else cancels, until it has gone",
          "[offload]") {
  // What a task holds, which touches its owner as it goes.
  struct Holds {
    ~Holds() {
      going.set_value();
      may.get_future().wait();
      gone = true;
    }
    std::promise<void>& going;
    std::promise<void>& may;
    std::atomic<bool>& gone;
  };
  std::promise<void> going;
  std::promise<void> may;
  std::atomic<bool> gone = false;
  Held held;
  Offload offload({.threads = 1});
  CHECK(offload.submit("a", &kOther, held.task()) == Offloaded::accepted);
  held.await_begin();
  CHECK(offload.submit("b", &kMe, [holds = std::make_shared<Holds>(going, may, gone)] {}) ==
        Offloaded::accepted);
  auto cancels = std::async(std::launch::async, [&] { return offload.cancel("b"); });
  going.get_future().wait();
  CHECK_FALSE(offload.has("b"));
  const int nobody = 0;
  offload.leave(&nobody);  // waits for nothing
  std::future<bool> waits;
  SECTION("the owner") {
    waits = std::async(std::launch::async, [&] {
      offload.leave(&kMe);
      return gone.load();
    });
  }
  SECTION("a drain") {
    held.go.set_value();
    waits = std::async(std::launch::async, [&] {
      CHECK(offload.drain(1min).empty());
      return gone.load();
    });
  }
  // (Who does not wait has come back by then.)
  CHECK(waits.wait_for(100ms) == std::future_status::timeout);
  may.set_value();
  CHECK(waits.get());
  CHECK(cancels.get() == 1);
  if (offload.tasks().size() == 1) held.go.set_value();
}

TEST_CASE("offload: what a task holds may use the offload as it goes, however the task ends",
          "[offload]") {
  struct Asks {
    ~Asks() {
      static_cast<void>(offload.stats());
      static_cast<void>(offload.submit("asked", &kMe, [] {}));
      gone.set_value();
    }
    Offload& offload;
    std::promise<void>& gone;
  };
  std::promise<void> gone;
  Held held;
  Offload offload({.threads = 1, .queue = 2});
  CHECK(offload.submit("a", &kMe, held.task()) == Offloaded::accepted);
  held.await_begin();
  const auto submit = [&](const std::string& key) {
    return offload.submit(key, &kMe, [asks = std::make_shared<Asks>(offload, gone)] {});
  };
  SECTION("it has run") {
    CHECK(submit("b") == Offloaded::accepted);
    held.go.set_value();
  }
  SECTION("it is cancelled") {
    CHECK(submit("b") == Offloaded::accepted);
    CHECK(offload.cancel("b") == 1);
    held.go.set_value();
  }
  SECTION("its key is taken") {
    CHECK(submit("a") == Offloaded::duplicate);
    held.go.set_value();
  }
  SECTION("there is no room") {
    for (const char* key : {"c", "d"})
      CHECK(offload.submit(key, &kMe, [] {}) == Offloaded::accepted);
    CHECK(submit("b") == Offloaded::full);
    held.go.set_value();
  }
  SECTION("the offload is drained") {
    CHECK(submit("b") == Offloaded::accepted);
    CHECK(offload.drain(0s).size() == 2);
    held.go.set_value();
  }
  gone.get_future().wait();
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

namespace {

// Leaves as it goes, as a database does.
struct Owner {
  explicit Owner(Offload& its_offload) : offload(its_offload) {}
  ~Owner() { offload.leave(this); }
  Offload& offload;
};

// Ends the process in time, if `function` waits for ever.
template <class Function>
test::Death death_in_time(Function function) {
  return test::death_of([&] {
    signal(SIGALRM, SIG_DFL);
    alarm(20);
    function();
  });
}

}  // namespace

TEST_CASE("offload: a task may hold the last reference to its owner, whether it ran or not",
          "[offload]") {
  const bool runs = GENERATE(true, false);
  const test::Death death = death_in_time([runs] {
    Offload offload({.threads = 1});
    auto owner = std::make_shared<Owner>(offload);
    const void* const address = owner.get();
    const std::weak_ptr<Owner> lives = owner;
    Held held;
    static_cast<void>(offload.submit({}, &kOther, held.task()));
    held.await_begin();
    for (int i = 0; i < 3; ++i) static_cast<void>(offload.submit({}, address, [owner] {}));
    owner.reset();
    if (!runs) offload.cancel_all();
    held.go.set_value();
    static_cast<void>(offload.drain(10s));
    if (!lives.expired()) std::abort();
  });
  CHECK(death.signal == 0);
}

TEST_CASE("offload: who goes with a task of his own waits for his others", "[offload]") {
  std::atomic<bool> other_ended = false;
  const test::Death death = death_in_time([&] {
    Offload offload({.threads = 2});
    auto owner = std::make_shared<Owner>(offload);
    const std::weak_ptr<Owner> lives = owner;
    const void* const address = owner.get();
    std::promise<void> other_begun;
    static_cast<void>(offload.submit({.owner = address, .work = [&](const std::stop_token& stop) {
                                        other_begun.set_value();
                                        while (!stop.stop_requested()) std::this_thread::yield();
                                        if (lives.use_count() > 0)
                                          std::abort();  // he is on his way
                                        other_ended = true;
                                      }}));
    other_begun.get_future().wait();
    static_cast<void>(offload.submit({}, address, [owner = std::move(owner)] {}));
    static_cast<void>(offload.drain(10s));
    if (!other_ended) std::abort();
  });
  CHECK(death.signal == 0);
}

TEST_CASE(
    "offload: an owner that a task of his own destroys while it runs ends the process with a "
    "message",
    "[offload]") {
  const test::Death death = death_in_time([] {
    Offload offload({.threads = 1});
    auto owner = std::make_shared<Owner>(offload);
    const void* const address = owner.get();
    static_cast<void>(offload.submit({}, address, [&owner] { owner.reset(); }));
    static_cast<void>(offload.drain(10s));
  });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.said, Catch::Matchers::Contains("destroyed by a task of its own while"));
}
