// Who waits for whose tasks, and for what they hold.

#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <future>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "querymark/querymark.hpp"
#include "querymark/read/offload.hpp"
#include "support/death.hpp"
#include "unit/offload_fixture.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

// Leaves as it goes, as a database does.
struct Owner {
  explicit Owner(Offload& its_offload) : offload(its_offload) {}
  ~Owner() { offload.leave(this); }
  Offload& offload;
};

// Begins a task of kMe's that submits another one, which sets `ran`, once it is told to stop.
void begin_submitting_as_it_stops(Offload& offload, std::atomic<bool>& ran) {
  const auto begun = std::make_shared<std::promise<void>>();
  static_cast<void>(offload.submit({.owner = &kMe, .work = [&, begun](const std::stop_token& stop) {
                                      begun->set_value();
                                      while (!stop.stop_requested()) std::this_thread::yield();
                                      static_cast<void>(
                                          offload.submit({}, &kMe, [&] { ran = true; }));
                                    }}));
  begun->get_future().wait();
}

// Ends the process in time, if `function` waits for ever.
template <class Function>
Death death_in_time(Function function) {
  return death_of([&] {
    signal(SIGALRM, SIG_DFL);
    alarm(20);
    function();
  });
}

}  // namespace

TEST_CASE("offload: an owner leaves when none of his tasks is left, nor what they hold",
          "[offload]") {
  HeldTask held;
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

TEST_CASE("offload: what an owner's task submits while he leaves does not run after he has gone",
          "[offload]") {
  std::atomic<bool> ran = false;
  Offload offload({.threads = 1});
  begin_submitting_as_it_stops(offload, ran);
  offload.leave(&kMe);
  CHECK(offload.tasks().empty());
  const bool ran_before = ran;  // which it may
  static_cast<void>(offload.drain(10s));
  CHECK(ran == ran_before);
}

TEST_CASE("offload: a task that holds the last reference to it ends the process with a message",
          "[offload]") {
  const Death death = death_of([] {
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
  HeldTask others;
  std::atomic<bool> ran = false;
  Offload offload({.threads = 1});
  begin_submitting_as_it_stops(offload, ran);
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
  HeldTask held;
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
  HeldTask held;
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

TEST_CASE("offload: a task may hold the last reference to its owner, whether it ran or not",
          "[offload]") {
  const bool runs = GENERATE(true, false);
  const Death death = death_in_time([runs] {
    Offload offload({.threads = 1});
    auto owner = std::make_shared<Owner>(offload);
    const void* const address = owner.get();
    const std::weak_ptr<Owner> lives = owner;
    HeldTask held;
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
  const Death death = death_in_time([&] {
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
  const Death death = death_in_time([] {
    Offload offload({.threads = 1});
    auto owner = std::make_shared<Owner>(offload);
    const void* const address = owner.get();
    static_cast<void>(offload.submit({}, address, [&owner] { owner.reset(); }));
    static_cast<void>(offload.drain(10s));
  });
  CHECK(death.signal == SIGABRT);
  CHECK_THAT(death.said, Catch::Matchers::Contains("destroyed by a task of its own while"));
}
