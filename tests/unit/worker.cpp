#include "querymark/deliver/worker.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <thread>

#include "unit/worker_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::batch;
using test::FakeDoorbell;
using test::FaultyOutbox;

using Fixture = test::WorkerFixture;
using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("worker: a log that fails in the middle of a segment is not the target's failure",
          "[worker]") {
  Fixture f;
  FaultyOutbox watched(f.outbox);
  Worker worker({watched, watched, watched}, f.applier, f.options);
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  watched.before_read = [] { throw Error("the database is gone", {.connection_lost = true}); };
  CHECK_THROWS_AS(worker.run_once(), Error);
  CHECK(worker.stats().retried == 0);
  CHECK(f.applier.calls == 0);
  watched.before_read = {};
  CHECK(worker.run_once().applied == 1);
}

TEST_CASE("worker: options under which no round could do anything are refused", "[worker]") {
  Fixture f;
  const auto refuses = [&](auto change) {
    WorkerOptions options = f.options;
    change(options);
    CHECK_THROWS_AS(Worker({f.outbox, f.outbox, f.outbox}, f.applier, options), ConfigError);
  };
  refuses([](WorkerOptions& o) { o.lease = 0ms; });
  refuses([](WorkerOptions& o) { o.lease = kLongestLease + 1ms; });
  refuses([](WorkerOptions& o) { o.poll_interval = 0ms; });
  refuses([](WorkerOptions& o) { o.page_size = 0; });
}

TEST_CASE("worker: a new target starts with a flush, and knows nothing older", "[worker]") {
  Fixture f;
  f.outbox.append(batch(tag("old")));
  Worker worker = f.worker();
  const WorkerRound round = worker.run_once();
  CHECK(f.applier.texts() == Texts{"*"});
  CHECK(f.applier.applied[0].position == Position{1});
  CHECK(round.claimed == 0);
  CHECK(worker.run_once().idle());
  CHECK(f.applier.calls == 1);
}

TEST_CASE("worker: what is new is applied once and counted", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a"), tag("b")));
  f.outbox.append(batch(tag("c")));
  const WorkerRound round = worker.run_once();
  CHECK(round.claimed == 3);
  CHECK(round.applied == 3);
  CHECK(round.malformed == 0);
  CHECK_FALSE(round.idle());
  CHECK(f.applier.texts() == Texts{"a", "b", "c"});
  CHECK(worker.run_once().idle());
  CHECK(worker.stats().claimed == 3);
  CHECK(worker.stats().applied == 3);
  CHECK(f.applier.calls == 1);
}

TEST_CASE("worker: equal targets become one, at the latest position", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(entity("p", 7)));
  f.outbox.append(batch(tag("p", 7)));
  const Receipt last = f.outbox.append(batch(entity("p", 7)));
  f.outbox.append(batch(key_named("p"), tag("name", "p")));
  const WorkerRound round = worker.run_once();
  CHECK(round.claimed == 5);
  CHECK(round.applied == 5);
  REQUIRE(f.applier.applied.size() == 3);  // the key and the tag of the same text stay apart
  for (const SharedInvalidation& invalidation : f.applier.applied)
    if (invalidation.target == entity("p", 7)) CHECK(invalidation.position == last.position);
}

TEST_CASE("worker: a flush swallows what came before it and nothing after", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a"), tag("b")));
  const Receipt flush = f.outbox.append(batch(flush_all()));
  f.outbox.append(batch(tag("a")));
  CHECK(worker.run_once().applied == 4);
  CHECK(f.applier.texts() == Texts{"*", "a"});
  CHECK(f.applier.applied[0].position == flush.position);
}

TEST_CASE("worker: a malformed row becomes a flush, is counted and blocks nobody", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.outbox.append_malformed();
  f.outbox.append(batch(tag("b")));
  const WorkerRound round = worker.run_once();
  CHECK(round.claimed == 3);
  CHECK(round.malformed == 1);
  CHECK(round.applied == 2);
  CHECK(f.applier.texts() == Texts{"*", "b"});
  CHECK(worker.run_once().idle());
}

TEST_CASE("worker: a backlog is applied page by page under one claim", "[worker]") {
  Fixture f;
  f.options.page_size = 3;
  Worker worker = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 10; ++i) f.outbox.append(batch(entity("p", i)));
  CHECK(worker.run_once().applied == 10);
  CHECK(f.applier.calls == 4);
  CHECK(f.applier.applied.size() == 10);
}

TEST_CASE("worker: a failing target keeps the cursor, loses nothing and kills nothing",
          "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a"), tag("b")));
  f.outbox.append_malformed();
  f.applier.down = true;
  const WorkerRound round = worker.run_once();
  CHECK(round.retried == 3);
  CHECK(round.applied == 0);
  CHECK(round.malformed == 0);
  CHECK(round.down);
  CHECK_FALSE(round.fenced);
  for (int i = 0; i < 30; ++i) {
    f.clock.advance(f.options.retry.cap);
    CHECK(worker.run_once().down);
  }
  CHECK(f.errors == Texts(31, "connection refused"));
  CHECK(f.applier.applied.empty());
  f.applier.down = false;
  f.clock.advance(f.options.retry.cap);
  CHECK(worker.run_once().applied == 2);
  CHECK(f.applier.texts() == Texts{"*"});
  CHECK(worker.stats().malformed == 1);
}

TEST_CASE("worker: a target that fails in the middle gets again what is not recorded", "[worker]") {
  Fixture f;
  f.options.page_size = 2;
  Worker worker = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 6; ++i) f.outbox.append(batch(entity("p", i)));
  int calls = 0;
  f.applier.during = [&] { f.applier.down = ++calls == 2; };
  const WorkerRound round = worker.run_once();
  CHECK(round.retried == 2);
  CHECK(round.applied == 2);
  CHECK(f.applier.applied.size() == 2);
  f.applier.down = false;
  f.clock.advance(f.options.retry.cap);
  CHECK(worker.run_once().applied == 5);  // the page's last row may not have been its write's last
  CHECK(f.applier.applied.size() == 7);
}

TEST_CASE("worker: a failed first flush is tried again", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.applier.down = true;
  CHECK(worker.run_once().retried == 1);
  f.applier.down = false;
  f.clock.advance(f.options.retry.cap);
  (void)worker.run_once();
  CHECK(f.applier.texts() == Texts{"*"});
}

TEST_CASE("worker: while one holds the lease the other stands by, and takes over at its end",
          "[worker]") {
  Fixture f;
  Worker first = f.worker();
  Worker second = f.worker();
  CHECK(first.owner() != second.owner());
  f.register_target(first);
  f.outbox.append(batch(tag("a")));
  const WorkerRound idle = second.run_once();
  CHECK(idle.standby);
  CHECK(idle.idle());
  CHECK(f.applier.calls == 0);
  f.clock.advance(f.options.lease);
  CHECK(second.run_once().applied == 1);
  CHECK(first.run_once().standby);
}

TEST_CASE("worker: a released lease is taken over at once", "[worker]") {
  Fixture f;
  Worker first = f.worker();
  Worker second = f.worker();
  f.register_target(first);
  f.outbox.append(batch(tag("a")));
  first.release();
  CHECK(second.run_once().applied == 1);
  first.release();  // not its own any more: no effect
  f.outbox.append(batch(tag("b")));
  CHECK(first.run_once().standby);
}

TEST_CASE("worker: who lost the lease meanwhile counts nothing as its own", "[worker]") {
  Fixture f;
  Worker slow = f.worker();
  Worker other = f.worker();
  f.register_target(slow);
  f.outbox.append(batch(tag("a"), tag("b")));
  bool paused = false;
  WorkerRound taken_over;
  f.applier.during = [&] {
    if (std::exchange(paused, true)) return;
    f.clock.advance(f.options.lease + 1ms);  // as if stopped and resumed
    taken_over = other.run_once();
  };
  const WorkerRound round = slow.run_once();
  CHECK(taken_over.applied == 2);
  CHECK(round.fenced);
  CHECK(round.claimed == 0);
  CHECK(round.applied == 0);
  CHECK(slow.stats().applied == 0);
  CHECK(other.run_once().idle());  // the late owner moved nothing
}

TEST_CASE("worker: a long segment renews its lease at half its time", "[worker]") {
  Fixture f;
  FaultyOutbox watched(f.outbox);
  f.options.page_size = 1;
  Worker worker({watched, watched, watched}, f.applier, f.options);
  Worker other = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 6; ++i) f.outbox.append(batch(entity("p", i)));
  bool others_stood_by = true;
  f.applier.during = [&] {
    f.clock.advance(f.options.lease * 2 / 5);
    others_stood_by = others_stood_by && other.run_once().standby;
  };
  CHECK(worker.run_once().applied == 6);
  CHECK(others_stood_by);
  CHECK(watched.renewals > 0);
}

TEST_CASE("worker: another history starts with a flush", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.outbox.append(batch(tag("a")));
  f.register_target(worker);
  f.outbox.replace_history();
  f.outbox.append(batch(tag("b")));
  (void)worker.run_once();
  CHECK(f.applier.texts() == Texts{"*"});
  CHECK(f.applier.epochs.front() != f.applier.epochs.back());
  f.outbox.append(batch(tag("c")));
  CHECK(worker.run_once().applied == 1);
}

TEST_CASE("worker: a history that changes under the claim moves no cursor", "[worker]") {
  Fixture f;
  FaultyOutbox watched(f.outbox);
  Worker worker({watched, watched, watched}, f.applier, f.options);
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  watched.before_read = [&] { f.outbox.replace_history(); };
  CHECK(worker.run_once().fenced);
  CHECK(f.applier.calls == 0);
  watched.before_read = {};
  (void)worker.run_once();
  CHECK(f.applier.texts() == Texts{"*"});
}

TEST_CASE("worker: a target that was pruned past starts again with a flush", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 5; ++i) f.outbox.append(batch(entity("p", i)));
  f.outbox.prune(Position{4});
  (void)worker.run_once();
  CHECK(f.applier.texts() == Texts{"*"});
  CHECK(worker.run_once().idle());
}

TEST_CASE("worker: its thread works, sleeps in the doorbell, and releases the lease at its end",
          "[worker]") {
  Fixture f;
  FakeDoorbell doorbell;
  Worker worker({f.outbox, f.outbox, f.outbox, &doorbell}, f.applier, f.options);
  std::jthread thread([&](const std::stop_token& stop) { worker.run(stop); });
  doorbell.await_waits(1);
  f.outbox.append(batch(tag("a")));
  doorbell.ring();
  doorbell.await_waits(2);
  CHECK(worker.stats().applied == 1);
  thread.request_stop();
  thread.join();
  f.outbox.append(batch(tag("b")));
  Worker successor = f.worker();
  CHECK(successor.run_once().applied == 1);
}

TEST_CASE("worker: a database that is gone is reported and asked again", "[worker]") {
  Fixture f;
  FaultyOutbox outbox(f.outbox);
  FakeDoorbell doorbell;
  f.options.retry = {.start = 1ms, .cap = 1ms};
  outbox.down = true;
  int failures = 0;
  f.options.on_round = [&](const WorkerRound&, std::string_view error) {
    if (!error.empty() && ++failures == 3) outbox.down = false;
  };
  Worker worker({outbox, outbox, outbox, &doorbell}, f.applier, f.options);
  std::jthread thread([&](const std::stop_token& stop) { worker.run(stop); });
  doorbell.await_waits(1);  // it got through
  thread.request_stop();
  thread.join();
  CHECK(failures == 3);
  CHECK(f.applier.texts() == Texts{"*"});
}

TEST_CASE("worker: what who looks on throws stops no round", "[worker]") {
  Fixture f;
  f.options.on_round = [](const WorkerRound&, std::string_view) {
    throw std::runtime_error("full");
  };
  Worker worker = f.worker();
  f.outbox.append(batch(tag("a")));
  CHECK(worker.run_once().flushed);
  CHECK(worker.stats().flushes == 1);
  CHECK(worker.stats().failures == 0);
}

TEST_CASE("worker: a stop ends its pause after a failure", "[worker]") {
  Fixture f;
  FakeDoorbell doorbell;
  f.options.retry = {.start = std::chrono::hours(1), .cap = std::chrono::hours(1)};
  f.applier.down = true;
  std::promise<void> failed;
  f.options.on_round = [&](const WorkerRound& round, std::string_view) {
    if (round.retried > 0) failed.set_value();
  };
  Worker worker({f.outbox, f.outbox, f.outbox, &doorbell}, f.applier, f.options);
  std::jthread thread([&](const std::stop_token& stop) { worker.run(stop); });
  failed.get_future().wait();
  thread.request_stop();
  thread.join();
  CHECK(worker.stats().retried == 1);
}
