#include "querymark/wait/wait.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "unit/subscriber_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Fixture = test::SubscriberFixture;

const Target kA = tag("a");

}  // namespace

TEST_CASE("wait: what the marks include already is satisfied without asking", "[wait]") {
  Fixture f;
  f.attach();
  const Receipt receipt = f.write(kA);
  f.subscriber.catch_up();
  f.outbox.down = true;
  const WaitOutcome outcome = f.subscriber.wait(receipt, Wait::local(0ns));
  CHECK(outcome.satisfied());
  CHECK(outcome.pending == 0);
}

TEST_CASE("wait: nothing to wait for is satisfied at once", "[wait]") {
  Fixture f;
  f.attach();
  f.outbox.down = true;
  CHECK(f.subscriber.wait(f.write(kA), Wait::none()).satisfied());
  Receipt empty = f.write(kA);
  empty.intents = 0;
  CHECK(f.subscriber.wait(empty, Wait::local(1s)).satisfied());
}

TEST_CASE("wait: without a thread the caller catches up itself", "[wait]") {
  Fixture f;
  f.attach();
  const std::uint64_t stamp = f.marks.generation();
  CHECK(f.subscriber.wait(f.write(kA), Wait::local(1s)).satisfied());
  CHECK_FALSE(f.unchanged(stamp, kA));
  f.outbox.down = true;
  CHECK_THROWS_AS(f.subscriber.wait(f.write(kA), Wait::local(1s)), Error);
}

TEST_CASE("wait: a receipt that can't become true is refused", "[wait]") {
  Fixture f;
  f.attach();
  const Receipt good = f.write(kA);
  const auto refused = [&](const Receipt& receipt, const char* why) {
    const WaitOutcome outcome = f.subscriber.wait(receipt, Wait::local(1h));
    CHECK(outcome.status == WaitStatus::refused);
    CHECK(outcome.pending == 1);
    CHECK_THAT(std::string(outcome.reason), Catch::Contains(why));
  };
  Receipt receipt = good;
  receipt.namespace_name = "other";
  refused(receipt, "namespace");
  receipt = good;
  receipt.epoch = {9, 9};
  refused(receipt, "epoch");
  receipt = good;
  receipt.position.value += 1;
  refused(receipt, "ahead");
  f.real.replace_history();
  f.subscriber.catch_up();
  refused(good, "epoch");
}

TEST_CASE("wait: a receipt in doubt is refused unless the log shows its write (hard case 17)",
          "[wait]") {
  Fixture f;
  f.attach();
  Receipt receipt = f.write(kA);
  receipt.in_doubt = true;
  CHECK(f.subscriber.wait(receipt, Wait::local(1h)).satisfied());
  receipt.write.value ^= 1;  // rolled back, and its position given to another write
  const WaitOutcome outcome = f.subscriber.wait(receipt, Wait::local(1h));
  CHECK(outcome.status == WaitStatus::refused);
  CHECK_THAT(std::string(outcome.reason), Catch::Contains("rolled back"));
  CHECK(f.subscriber.wait(receipt, Wait::none()).satisfied());
  receipt.in_doubt = false;  // acknowledged: coverage is enough
  f.outbox.down = true;
  CHECK(f.subscriber.wait(receipt, Wait::local(1h)).satisfied());
}

TEST_CASE("wait: another process's receipt is refused where the log shows another write there",
          "[wait]") {
  Fixture f;
  f.attach();
  const Receipt receipt = f.write(kA);
  f.outbox.refuted = true;
  CHECK(f.subscriber.wait(receipt, Wait::local(1h)).status == WaitStatus::refused);
  CHECK(f.subscriber.wait(receipt, Wait::none()).satisfied());
  f.outbox.down = true;  // then coverage decides
  CHECK(f.subscriber.wait(receipt, Wait::local(1h)).satisfied());
  f.outbox.down = false;
  f.subscriber.remember_own(receipt);  // nobody need be asked
  CHECK(f.subscriber.wait(receipt, Wait::local(1h)).satisfied());
}

TEST_CASE("wait: a receipt in doubt may lie above what has ended, for its commit may yet run",
          "[wait]") {
  Fixture f;
  f.attach();
  Receipt receipt = f.write(kA);
  receipt.in_doubt = true;
  receipt.position.value += 1;
  CHECK(f.subscriber.wait(receipt, Wait::local(0s)).status == WaitStatus::timed_out);
  const Receipt ended = f.write(kA);
  REQUIRE(ended.position == receipt.position);
  receipt.write = ended.write;
  CHECK(f.subscriber.wait(receipt, Wait::local(1h)).satisfied());
}

TEST_CASE("wait: a position that is still in progress is waited for, not refused", "[wait]") {
  Fixture f;
  const Epoch epoch = f.real.now().epoch;
  f.marks.restart({epoch, Snapshot({5}, {8}, {{5}}), {}});
  const Receipt running{"shop", epoch, {5}, {1}, 1};
  f.outbox.end = Cursor{epoch, Snapshot({5}, {10}, {{5}, {8}}), {}};
  CHECK(f.subscriber.wait(running, Wait::local(1ms)).status == WaitStatus::timed_out);
  CHECK(f.marks.cursor() == *f.outbox.end);
  f.outbox.end = Cursor{epoch, Snapshot({8}, {10}, {{8}}), {}};
  CHECK(f.subscriber.wait(running, Wait::local(1ms)).satisfied());
}

TEST_CASE("wait: a timeout is reported, degraded or an error, as asked", "[wait]") {
  Fixture f;
  f.subscriber.start();
  f.doorbell.await_waits(1);
  f.outbox.down = true;
  const Receipt receipt = f.write(kA);
  const WaitOutcome plain = f.subscriber.wait(receipt, Wait::local(1ms));
  CHECK(plain.status == WaitStatus::timed_out);
  CHECK(plain.pending == 1);
  CHECK(plain.elapsed >= 1ms);
  CHECK(f.subscriber.wait(receipt, Wait::local(1ms).best_effort()).status == WaitStatus::degraded);
  CHECK_THROWS_AS(f.subscriber.wait(receipt, Wait::local(1ms).strict()), Timeout);
  while (f.subscriber.failures() == 0)
    std::this_thread::yield();  // its thread may not have asked yet
  f.subscriber.stop();
  CHECK(f.subscriber.last_error() == "the database is gone");
}

TEST_CASE("wait: a wait without end does not overflow into one that has ended", "[wait]") {
  Fixture f({.max_lag = std::chrono::nanoseconds::max()});
  f.subscriber.start();
  f.doorbell.await_waits(1);
  CHECK(f.marks.trusted(f.clock.now()));
  CHECK(f.subscriber.wait(f.write(kA), Wait::local(std::chrono::nanoseconds::max())).satisfied());
  CHECK(f.marks.trusted(f.clock.now() + std::chrono::hours(24 * 365)));
}

TEST_CASE("wait: the thread is woken by the wait, not by a poll interval", "[wait]") {
  Fixture f({.poll_interval = std::chrono::hours(1)});
  f.subscriber.start();
  f.doorbell.await_waits(1);
  std::vector<std::future<WaitStatus>> waiters;
  const Receipt receipt = f.write(kA);
  for (int i = 0; i < 4; ++i)
    waiters.push_back(std::async(
        std::launch::async, [&] { return f.subscriber.wait(receipt, Wait::local(1h)).status; }));
  for (auto& waiter : waiters) CHECK(waiter.get() == WaitStatus::satisfied);
}

TEST_CASE("wait: another caller's catch-up satisfies it", "[wait]") {
  Fixture f;
  f.subscriber.start();
  f.doorbell.await_waits(1);
  f.outbox.down = true;  // the thread can't
  const Receipt receipt = f.write(kA);
  auto waiter = std::async(std::launch::async,
                           [&] { return f.subscriber.wait(receipt, Wait::local(1h)).status; });
  f.doorbell.await_waits(2);  // the wait has woken the thread, which failed
  f.outbox.down = false;
  f.subscriber.catch_up();
  CHECK(waiter.get() == WaitStatus::satisfied);
}

TEST_CASE("wait: a look at the log wakes those for whom it is the last, and nobody else",
          "[wait]") {
  Fixture f;
  f.attach();  // no thread: nobody but this test reads the log once they sleep
  const Epoch epoch = f.real.now().epoch;
  f.outbox.end = Cursor{epoch, Snapshot({2}, {9}, {{2}, {5}}), {}};  // two that are running
  const auto wait_for = [&](std::uint64_t position) {
    return std::async(std::launch::async, [&f, epoch, position] {
      return f.subscriber.wait({"shop", epoch, {position}, {1}, 1}, Wait::local(1h)).status;
    });
  };
  auto first = wait_for(2);
  auto second = wait_for(5);
  while (f.subscriber.sleeping() < 2) std::this_thread::yield();
  f.outbox.end = Cursor{epoch, Snapshot({5}, {9}, {{5}}), {}};
  f.subscriber.catch_up();
  CHECK(f.subscriber.sleeping() == 1);
  CHECK(first.get() == WaitStatus::satisfied);
  f.outbox.end = Cursor{epoch, Snapshot({9}, {9}, {}), {}};
  f.subscriber.catch_up();
  CHECK(second.get() == WaitStatus::satisfied);
  CHECK(f.subscriber.sleeping() == 0);
}
