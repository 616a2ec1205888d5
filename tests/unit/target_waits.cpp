#include "querymark/wait/target_waits.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <functional>
#include <future>
#include <latch>
#include <thread>

#include "querymark/support/error.hpp"
#include "unit/log_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;

const Epoch kEpoch{7, 7};

// Answers as a test says, look by look; a look without an answer waits for one.
class StagedCoverage final : public Coverage {
 public:
  [[nodiscard]] LogCoverage coverage(Position first, Position last) override {
    std::unique_lock lock(mutex_);
    from = first;
    to = last;
    ++begun_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return standing_ || !answers_.empty(); });
    if (answers_.empty()) return answered(*standing_);
    const auto answer = std::move(answers_.front());
    answers_.pop_front();
    return answered(answer);
  }
  // Of the next look.
  void answer(std::optional<LogCoverage> found) {
    const std::lock_guard lock(mutex_);
    answers_.push_back(std::move(found));
    changed_.notify_all();
  }
  // Of all after those.
  void answer_all(const LogCoverage& found) {
    const std::lock_guard lock(mutex_);
    standing_ = found;
    changed_.notify_all();
  }
  void await(int looks) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_ >= looks; });
  }
  Position from, to;

 private:
  static LogCoverage answered(const std::optional<LogCoverage>& answer) {
    if (!answer) throw Error("the database is gone", {.connection_lost = true});
    return *answer;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  int begun_ = 0;
  std::deque<std::optional<LogCoverage>> answers_;
  std::optional<std::optional<LogCoverage>> standing_;
};

ConsumerCoverage consumer(const std::string& name, std::uint64_t last, Epoch epoch = kEpoch) {
  ConsumerCoverage one;
  one.name = name;
  one.cursor = {epoch, Snapshot::upto({last}), {}};
  return one;
}

LogCoverage found(std::vector<ConsumerCoverage> consumers, std::uint64_t end = 100) {
  return {.end = {kEpoch, Snapshot::upto({end}), {}}, .consumers = std::move(consumers)};
}

Receipt receipt(std::uint64_t position) { return {"shop", kEpoch, {position}, {1}, 1}; }

struct Fixture {
  MemoryOutbox real{"shop"};
  test::FaultyOutbox log{real};
  StagedCoverage coverage;
  MemoryOutbox followers{"shop"};
  ManualClock clock;
  TargetWaits waits{"shop", log, coverage, &followers, {.shortest = 0ns, .longest = 0ns}, clock};

  [[nodiscard]] WaitStatus status(const Receipt& of, const Wait& wait) {
    return waits.wait(of, wait).status;
  }
  void await_waiting(std::size_t count) const {
    while (waits.waiting() < count) std::this_thread::yield();
  }
};

}  // namespace

TEST_CASE("target waits: a thousand callers cost as many looks as one", "[target_waits]") {
  constexpr std::size_t kCallers = 1000;
  Fixture f;
  std::vector<std::jthread> callers;
  std::atomic<std::size_t> satisfied{0};
  for (std::size_t i = 0; i < kCallers; ++i)
    callers.emplace_back([&, i] {
      if (f.waits.wait(receipt(1 + i % 50), Wait::shared({"tier"}, 1h)).satisfied()) ++satisfied;
    });
  f.await_waiting(kCallers);
  f.coverage.await(1);
  f.coverage.answer(found({consumer("tier", 0)}));
  f.coverage.await(2);  // the first was asked by whoever was first
  f.coverage.answer(found({consumer("tier", 0)}));
  f.coverage.await(3);
  CHECK(f.coverage.from == Position{1});
  CHECK(f.coverage.to == Position{50});
  CHECK(satisfied == 0);
  f.coverage.answer(found({consumer("tier", 50)}));
  callers.clear();
  CHECK(satisfied == kCallers);
  CHECK(f.waits.looks() == 3);
  CHECK(f.waits.waiting() == 0);
}

TEST_CASE("target waits: each caller leaves when its own targets have it", "[target_waits]") {
  Fixture f;
  auto one =
      std::async(std::launch::async, [&] { return f.status(receipt(5), Wait::shared({"a"}, 1h)); });
  auto both = std::async(std::launch::async,
                         [&] { return f.status(receipt(5), Wait::shared({"b", "a", "b"}, 1h)); });
  f.await_waiting(2);
  f.coverage.answer_all(found({consumer("a", 5), consumer("b", 4)}));
  CHECK(one.get() == WaitStatus::satisfied);
  CHECK(both.wait_for(0s) == std::future_status::timeout);
  f.coverage.answer_all(found({consumer("a", 5), consumer("b", 5)}));
  CHECK(both.get() == WaitStatus::satisfied);
}

TEST_CASE("target waits: a timeout is exact though the database hangs, and says what is missing",
          "[target_waits]") {
  Fixture f;
  const WaitOutcome outcome = f.waits.wait(receipt(5), Wait::shared({"tier"}, 1ms));
  CHECK(outcome.status == WaitStatus::timed_out);
  CHECK(outcome.pending == 1);
  CHECK(f.status(receipt(5), Wait::shared({"tier"}, 1ms).best_effort()) == WaitStatus::degraded);
  CHECK_THROWS_AS(f.status(receipt(5), Wait::shared({"tier"}, 1ms).strict()), Timeout);
  f.coverage.answer_all(found({}));  // lets the thread go
}

TEST_CASE("target waits: a timeout of zero is one look", "[target_waits]") {
  Fixture f;
  f.coverage.answer_all(found({consumer("a", 5), consumer("b", 4), consumer("c", 4)}));
  CHECK(f.status(receipt(5), Wait::shared({"a"}, 0s)) == WaitStatus::satisfied);
  const WaitOutcome outcome = f.waits.wait(receipt(5), Wait::shared({"a", "b", "c"}, 0s));
  CHECK(outcome.status == WaitStatus::timed_out);
  CHECK(outcome.pending == 2);
  CHECK(f.waits.looks() == 2);
}

TEST_CASE("target waits: while the database can't be asked, the wait goes on", "[target_waits]") {
  Fixture f;
  f.coverage.answer(std::nullopt);
  f.coverage.answer(std::nullopt);
  f.coverage.answer(found({consumer("tier", 5)}));
  CHECK(f.status(receipt(5), Wait::shared({"tier"}, 1h)) == WaitStatus::satisfied);
  CHECK(f.waits.looks() == 3);
}

TEST_CASE("target waits: an unknown target and what was not delivered are degraded, never success",
          "[target_waits]") {
  Fixture f;
  ConsumerCoverage dead = consumer("dead", 100);
  dead.gaps = {{.first = {5}, .last = {5}, .ended = true}};
  f.coverage.answer_all(found({consumer("tier", 100), dead}));
  WaitOutcome outcome = f.waits.wait(receipt(5), Wait::shared({"tier", "unknown"}, 1h).strict());
  CHECK(outcome.status == WaitStatus::degraded);
  CHECK_THAT(std::string(outcome.reason), Catch::Contains("no worker has ever served"));
  CHECK(outcome.pending == 0);
  outcome = f.waits.wait(receipt(5), Wait::shared({"dead"}, 1h));
  CHECK(outcome.status == WaitStatus::degraded);
  CHECK_THAT(std::string(outcome.reason), Catch::Contains("could not be delivered"));
  CHECK(f.status(receipt(6), Wait::shared({"dead"}, 1h)) == WaitStatus::satisfied);
}

TEST_CASE("target waits: a receipt that can't become true is refused at once", "[target_waits]") {
  Fixture f;
  f.coverage.answer_all(found({consumer("tier", 100)}));
  const auto refused = [&](const Receipt& bad, const char* why) {
    const WaitOutcome outcome = f.waits.wait(bad, Wait::shared({"tier"}, 1h));
    CHECK(outcome.status == WaitStatus::refused);
    CHECK(outcome.pending == 1);
    CHECK_THAT(std::string(outcome.reason), Catch::Contains(why));
  };
  Receipt bad = receipt(5);
  bad.namespace_name = "other";
  refused(bad, "namespace");
  bad = receipt(5);
  bad.epoch = {9, 9};
  refused(bad, "epoch");
  refused(receipt(101), "ahead");
  refused(receipt(~std::uint64_t{0}), "ahead");
  bad = receipt(101);
  bad.in_doubt = true;  // its transaction may yet run
  CHECK(f.status(bad, Wait::shared({"tier"}, 1ms)) == WaitStatus::timed_out);
}

TEST_CASE("target waits: a look from before the call refuses no receipt", "[target_waits]") {
  Fixture f;
  auto first = std::async(std::launch::async,
                          [&] { return f.status(receipt(5), Wait::shared({"tier"}, 1h)); });
  f.coverage.await(1);  // it is under way, and will answer as of now
  auto second = std::async(std::launch::async,
                           [&] { return f.status(receipt(5), Wait::shared({"tier"}, 1h)); });
  f.await_waiting(2);
  f.coverage.answer(found({consumer("tier", 4)}, 4));  // ahead of everything, says this look
  f.coverage.answer_all(found({consumer("tier", 5)}, 5));
  CHECK(second.get() == WaitStatus::satisfied);
  CHECK(first.get() == WaitStatus::refused);
}

TEST_CASE("target waits: who comes during a look is not judged by what it did not ask for",
          "[target_waits]") {
  Fixture f;
  auto first = std::async(std::launch::async,
                          [&] { return f.status(receipt(50), Wait::shared({"tier"}, 1h)); });
  f.coverage.await(1);
  auto older = std::async(std::launch::async,
                          [&] { return f.status(receipt(5), Wait::shared({"tier"}, 1h)); });
  f.await_waiting(2);
  f.coverage.answer(found({consumer("tier", 100)}));  // gaps at 50 alone were asked for
  CHECK(first.get() == WaitStatus::satisfied);
  f.coverage.await(2);
  CHECK(f.waits.waiting() == 1);
  ConsumerCoverage dead = consumer("tier", 100);
  dead.gaps = {{.first = {5}, .last = {5}, .ended = true}};
  f.coverage.answer_all(found({dead}));
  CHECK(older.get() == WaitStatus::degraded);
}

TEST_CASE("target waits: a receipt in doubt is looked for in the log once it is covered",
          "[target_waits]") {
  Fixture f;
  Receipt doubtful = f.real.append(test::batch(tag("a")));
  doubtful.in_doubt = true;
  LogCoverage now = found({consumer("tier", 1, doubtful.epoch)});
  now.end = f.real.now();
  f.coverage.answer_all(now);
  CHECK(f.status(doubtful, Wait::shared({"tier"}, 1h)) == WaitStatus::satisfied);
  doubtful.write.value ^= 1;
  CHECK(f.status(doubtful, Wait::shared({"tier"}, 1h)) == WaitStatus::refused);
  doubtful.in_doubt = false;
  CHECK(f.status(doubtful, Wait::shared({"tier"}, 1h)) == WaitStatus::satisfied);
  f.log.refuted = true;
  CHECK(f.status(doubtful, Wait::shared({"tier"}, 1h)) == WaitStatus::refused);
}

TEST_CASE("target waits: nothing to wait for asks nobody", "[target_waits]") {
  Fixture f;
  Receipt empty = receipt(5);
  empty.intents = 0;
  CHECK(f.status(empty, Wait::shared({"tier"}, 1h)) == WaitStatus::satisfied);
  CHECK(f.waits.looks() == 0);
  CHECK_THROWS_AS(Wait::shared({}, 1h), ConfigError);
  CHECK_THROWS_AS(Wait::shared({"tier"}, -1s), ConfigError);
}

TEST_CASE("target waits: everybody is all who follow and all targets", "[target_waits]") {
  Fixture f;
  const SubscriberEntry one{.id = {1}, .lease = 10s};
  const SubscriberEntry two{.id = {2}, .lease = 10s};
  f.followers.enter(one);
  f.coverage.answer_all(found({consumer("tier", 4)}));
  const auto look = [&] { return f.waits.wait(receipt(5), Wait::cluster(0s)); };
  CHECK(look().pending == 2);  // it has yet to say how far it is
  static_cast<void>(f.followers.beat(one.id, {kEpoch, Snapshot::upto({5}), {}}));
  CHECK(look().pending == 1);
  f.coverage.answer_all(found({consumer("tier", 5)}));
  CHECK(look().satisfied());
  f.followers.enter(two);
  static_cast<void>(f.followers.beat(two.id, {{8, 8}, Snapshot::upto({5}), {}}));
  CHECK(look().pending == 1);  // of another epoch
  f.followers.leave(two.id);
  CHECK(look().satisfied());
}

TEST_CASE(
    "target waits: who follows is asked to report, and the dead are waited for no longer than "
    "their lease",
    "[target_waits]") {
  Fixture f;
  std::atomic<int> asked{0};
  const SubscriberEntry living{.id = {1}, .lease = 10s};
  const SubscriberEntry dead{.id = {2}, .lease = 10s};
  f.followers.enter(living);
  f.followers.enter(dead);
  f.followers.on_ask_report = [&] {
    if (++asked == 1) return;
    static_cast<void>(f.followers.beat(living.id, {kEpoch, Snapshot::upto({5}), {}}));
    f.clock.advance(11s);  // since it was first seen
  };
  f.coverage.answer_all(found({}));
  CHECK(f.waits.wait(receipt(5), Wait::cluster(1h)).satisfied());
  CHECK(asked == 2);
  CHECK(f.followers.subscribers().size() == 1);
}

TEST_CASE("target waits: a wait for everybody is not judged by a look that asked for targets alone",
          "[target_waits]") {
  Fixture f;
  auto shared = std::async(std::launch::async,
                           [&] { return f.status(receipt(5), Wait::shared({"tier"}, 1h)); });
  f.coverage.await(1);
  const SubscriberEntry behind{.id = {1}, .lease = 10s};
  f.followers.enter(behind);
  auto all =
      std::async(std::launch::async, [&] { return f.status(receipt(5), Wait::cluster(1h)); });
  f.await_waiting(2);
  f.coverage.answer(found({consumer("tier", 5)}));
  CHECK(shared.get() == WaitStatus::satisfied);
  CHECK(f.waits.waiting() == 1);
  f.followers.leave(behind.id);
  f.coverage.answer_all(found({}));
  CHECK(all.get() == WaitStatus::satisfied);
}

TEST_CASE("target waits: where nobody knows who follows, a wait for all is refused",
          "[target_waits]") {
  Fixture f;
  TargetWaits blind("shop", f.log, f.coverage, nullptr);
  CHECK_THROWS_AS(blind.wait(receipt(5), Wait::cluster(1h)), ConfigError);
}
