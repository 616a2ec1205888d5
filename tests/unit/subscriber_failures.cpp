#include <sys/syscall.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <future>
#include <latch>
#include <thread>

#include "querymark/follow/subscriber.hpp"
#include "unit/asleep.hpp"
#include "unit/log_fixture.hpp"

// What a subscriber and its callers do while the log can't be read, or lies.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::FaultyOutbox;
using Fixture = test::OwnWriter;

const Target kA = tag("a");
const Target kB = tag("b");

// Reads that hang until they are let go, and then fail.
struct HangingReads {
  explicit HangingReads(FaultyOutbox& outbox) {
    outbox.before_read = [this] {
      const int number = ++begun;
      begun.notify_all();
      for (int seen = allowed.load(); seen < number; seen = allowed.load()) allowed.wait(seen);
      throw Error("the server did not answer", {.retryable = true, .connection_lost = true});
    };
  }
  void await(int number) {
    for (int seen = begun.load(); seen < number; seen = begun.load()) begun.wait(seen);
  }
  void fail_up_to(int number) {
    allowed.store(number);
    allowed.notify_all();
  }

  std::atomic<int> begun{0};
  std::atomic<int> allowed{0};
};

// A caller of catch_up() on a thread of its own, told of by its error.
struct Caller {
  explicit Caller(Subscriber& subscriber)
      : error(std::async(std::launch::async, [this, &subscriber]() -> std::string {
          thread.store(::syscall(SYS_gettid));
          thread.notify_all();
          try {
            subscriber.catch_up();
          } catch (const Error& failure) {
            return failure.what();
          }
          return "none";
        })) {}
  // Until it waits for another caller's poll.
  void await_waiting() const {
    thread.wait(0);
    while (!test::is_asleep(thread.load())) std::this_thread::yield();
  }

  std::atomic<long> thread{0};
  std::future<std::string> error;
};

}  // namespace

TEST_CASE(
    "subscriber: ten writers behind a log that hangs wait for one failed poll, not for ten (hard "
    "case 40)",
    "[subscriber]") {
  Fixture f;
  HangingReads reads(f.outbox);
  constexpr int kWriters = 10;
  std::vector<PendingWrite> writes;
  for (int i = 0; i < kWriters; ++i) writes.push_back(f.commit(entity("p", i)));
  std::vector<std::jthread> writers;
  std::latch applied(kWriters);
  for (const PendingWrite& write : writes)
    writers.emplace_back([&f, &applied, &write] {
      f.own.apply(write);
      applied.count_down();
      f.own.follow(write);
    });
  reads.await(1);
  applied.wait();  // no write waits for another's look at the log
  reads.fail_up_to(kWriters);
  writers.clear();
  CHECK(reads.begun == 1);
  CHECK(f.own.stats().poll_failures == 1);
  CHECK(f.own.stats().last_error == "the server did not answer");
}

TEST_CASE("subscriber: a page size of nothing is refused", "[subscriber]") {
  MemoryOutbox log("shop");
  test::FakeDoorbell doorbell;
  Marks marks(4096);
  CHECK_THROWS_AS(Subscriber("shop", log, doorbell, marks, {.page_size = 0}), ConfigError);
}

TEST_CASE("subscriber: callers that came before a poll began take its failure", "[subscriber]") {
  Fixture f;
  HangingReads reads(f.outbox);
  Caller first(f.subscriber);
  reads.await(1);
  Caller second(f.subscriber);  // came during the first poll: needs one that begins later
  second.await_waiting();
  Caller third(f.subscriber);
  third.await_waiting();
  reads.fail_up_to(1);
  reads.await(2);
  reads.fail_up_to(9);
  CHECK(first.error.get() == "the server did not answer");
  CHECK(second.error.get() == "the server did not answer");
  CHECK(third.error.get() == "the server did not answer");
  CHECK(reads.begun == 2);
  f.outbox.before_read = {};
  f.subscriber.catch_up();  // who comes later asks anew
  CHECK(f.outbox.reads == 3);
}

TEST_CASE("own writes: while polls fail the subscriber is rung instead of asked", "[subscriber]") {
  Fixture f;
  f.outbox.down = true;
  const PendingWrite write = f.commit(kA);
  f.own.follow(write);
  CHECK(f.subscriber.failures() == 1);
  f.own.follow(write);
  CHECK(f.subscriber.failures() == 1);
  f.doorbell.wait(1h);  // returns: it was rung
  f.outbox.down = false;
  CHECK_THROWS_AS((f.outbox.down = true, f.subscriber.catch_up()), Error);  // who must know, asks
  f.outbox.down = false;
  f.subscriber.catch_up();
  const PendingWrite next = f.commit(kB);
  f.own.follow(next);
  CHECK(f.marks.cursor() == f.real.now());
}

TEST_CASE("subscriber: its last error is that of the last poll", "[subscriber]") {
  Fixture f;
  f.outbox.down = true;
  CHECK_THROWS_AS(f.subscriber.catch_up(), Error);
  CHECK(f.subscriber.last_error() == "the database is gone");
  f.outbox.down = false;
  f.subscriber.catch_up();
  CHECK(f.subscriber.last_error().empty());
  CHECK(f.subscriber.failures() == 1);
}

TEST_CASE("subscriber: a log that ends before the cursor restarts the marks and earns no trust",
          "[subscriber]") {
  Fixture f;
  for (int i = 0; i < 5; ++i) f.commit(kA);
  f.subscriber.catch_up();
  f.clock.advance(4s);  // a second of trust is left
  const Cursor seen = f.marks.cursor();
  const std::uint64_t restarts = f.marks.restarts();
  const std::uint64_t stamp = f.marks.generation();
  Cursor back = seen;
  SECTION("its limit lies lower") { back.snapshot = Snapshot::upto({3}); }
  SECTION("what was covered is in progress") {
    back.snapshot = Snapshot({2}, {9}, {Position{2}, Position{7}});
  }
  f.outbox.end = back;
  CHECK_THROWS_AS(f.subscriber.catch_up(), Error);
  CHECK(f.marks.restarts() == restarts + 1);
  CHECK(f.subscriber.failures() == 1);
  CHECK(f.marks.cursor() == back);
  CHECK_FALSE(f.unchanged(stamp, kB));
  f.clock.advance(2s);
  CHECK_FALSE(f.marks.trusted(f.clock.now()));
  f.subscriber.catch_up();  // goes on from there
  CHECK(f.marks.trusted(f.clock.now()));
  CHECK(f.marks.restarts() == restarts + 1);
}

namespace {

// A doorbell that fails each time it is waited on.
class BrokenDoorbell final : public Doorbell {
 public:
  void wait(std::chrono::nanoseconds /*timeout*/) override {
    ++waits;
    if (waits % 2 == 0) throw 7;  // whatever it is
    throw Error("inotify is exhausted");
  }
  void interrupt() override {}
  std::atomic<int> waits{0};
};

}  // namespace

TEST_CASE("subscriber: its thread outlives a doorbell that fails, and polls", "[subscriber]") {
  ManualClock clock;
  MemoryOutbox real("shop", clock);
  FaultyOutbox outbox(real);
  BrokenDoorbell doorbell;
  Marks marks(4096);
  std::promise<void> polled;
  outbox.before_read = [&] {
    if (outbox.reads == 3) polled.set_value();
    throw 8;  // nor does a foreign exception end it
  };
  Subscriber subscriber("shop", outbox, doorbell, marks, {.poll_interval = 1ms, .clock = &clock});
  subscriber.start();
  polled.get_future().wait();
  CHECK(doorbell.waits >= 3);
  CHECK(subscriber.failures() >= 4);
  subscriber.stop();
}

TEST_CASE("subscriber: a doorbell that fails is told apart from the polls, which go well",
          "[subscriber]") {
  ManualClock clock;
  MemoryOutbox real("shop", clock);
  FaultyOutbox outbox(real);
  BrokenDoorbell doorbell;
  Marks marks(4096);
  Subscriber subscriber("shop", outbox, doorbell, marks, {.poll_interval = 1ms, .clock = &clock});
  subscriber.start();
  while (subscriber.polls() < 3) std::this_thread::yield();
  subscriber.stop();
  CHECK(subscriber.failures() >= 3);
  CHECK(subscriber.last_error().empty());
  CHECK_FALSE(subscriber.doorbell_error().empty());
}
