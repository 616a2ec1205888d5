// What a worker does with what its target does not take: outage or poison, attempts, death.

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <utility>

#include "unit/worker_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::batch;

// The worker's process ends in the middle of a call: nothing of ours catches it.
struct Killed {};

struct Fixture : test::WorkerFixture {
  // A target that refuses one invalidation while it takes others.
  void refuse(const Target& target) {
    applier.poison = [target](const SharedInvalidation& each) { return each.target == target; };
  }
  [[nodiscard]] std::vector<DeliveryRow> rows() { return outbox.list({.consumer = "redis-1"}); }
  [[nodiscard]] std::map<DeliveryState, int> states() {
    std::map<DeliveryState, int> counts;
    for (const DeliveryRow& row : rows()) ++counts[row.state];
    return counts;
  }
  // Past every pause.
  void wait_out() { clock.advance(options.retry.cap); }
};

using States = std::map<DeliveryState, int>;

}  // namespace

TEST_CASE("deliveries: what fails while others succeed is left behind, and the rest goes on",
          "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 100; ++i) f.outbox.append(batch(entity("p", i)));
  f.refuse(entity("p", 63));
  const WorkerRound round = worker.run_once();
  CHECK(round.claimed == 100);
  CHECK(round.applied == 99);
  CHECK(round.left == 1);
  CHECK_FALSE(round.down);
  CHECK(f.applier.applied.size() == 99);
  CHECK(f.applier.calls < 20);  // by halves
  REQUIRE(f.states() == States{{DeliveryState::pending, 1}});
  const DeliveryRecord left = f.rows()[0].record;
  CHECK(left.target == entity("p", 63));
  CHECK(left.attempts == 1);
  CHECK(left.last_error == "no such thing");
  CHECK(f.errors == std::vector<std::string>{"no such thing"});

  f.outbox.append(batch(tag("later")));
  CHECK(worker.run_once().applied == 1);  // it holds up nobody
}

TEST_CASE("deliveries: one that is due is tried again, and goes once it is applied", "[worker]") {
  Fixture f;
  f.options.retry = {.start = 100ms, .factor = 1.0, .cap = 100ms};
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  CHECK(worker.run_once().left == 1);
  const WorkerRound early = worker.run_once();
  CHECK(early.idle());
  REQUIRE(early.next_due);  // so the worker sleeps no longer, though no row comes
  CHECK(*early.next_due > 0ms);
  CHECK(*early.next_due <= 100ms);
  f.clock.advance(*early.next_due);
  CHECK(worker.run_once().left == 1);
  CHECK(f.rows()[0].record.attempts == 2);
  f.wait_out();
  f.applier.poison = {};
  const WorkerRound round = worker.run_once();
  CHECK(round.recovered == 1);
  CHECK(f.applier.texts() == std::vector<std::string>{"a"});
  CHECK(f.rows().empty());
  CHECK_FALSE(worker.run_once().next_due);
}

TEST_CASE("deliveries: after its last attempt one is dead, and the target is flushed once instead",
          "[worker]") {
  Fixture f;
  f.options.retry.max_attempts = 3;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  CHECK(worker.run_once().left == 1);
  f.wait_out();
  CHECK(worker.run_once().left == 1);
  f.wait_out();
  CHECK(worker.run_once().died == 1);
  CHECK(f.states() == States{{DeliveryState::dead, 1}});
  CHECK(f.rows()[0].record.attempts == 3);
  CHECK(f.applier.applied.empty());
  CHECK(worker.run_once().flushed);
  CHECK(f.applier.texts() == std::vector<std::string>{"*"});
  CHECK(worker.run_once().idle());
  CHECK(worker.stats().died == 1);
  CHECK(f.states() == States{{DeliveryState::dead, 1}});  // an operator sees it
}

TEST_CASE("deliveries: a flush that is owed waits for the target, and is owed until it is paid",
          "[worker]") {
  Fixture f;
  f.options.retry.max_attempts = 1;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  CHECK(worker.run_once().died == 1);
  f.applier.down = true;
  CHECK(worker.run_once().down);
  f.applier.down = false;
  f.wait_out();
  CHECK(worker.run_once().flushed);
}

TEST_CASE("deliveries: without a flush on death nothing stands in for what died", "[worker]") {
  Fixture f;
  f.options.retry.max_attempts = 1;
  f.options.on_death = OnDeath::nothing;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  CHECK(worker.run_once().died == 1);
  CHECK(worker.run_once().idle());
  CHECK(f.applier.calls == 0);
}

TEST_CASE("deliveries: what the target refuses for good is dead at once", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a"), tag("b")));
  f.applier.during = [&] {
    // A refusal of the whole call; a control operation passes.
    if (f.applier.calls == 0 && f.applier.controls < 3) throw Error("a name too long for it");
  };
  const WorkerRound round = worker.run_once();
  CHECK(round.died >= 1);
  CHECK(f.states()[DeliveryState::dead] >= 1);
}

TEST_CASE("deliveries: past its deadline one is expired, tried or not", "[worker]") {
  Fixture f;
  f.options.largest_ttl = std::chrono::minutes(1);
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  CHECK(worker.run_once().left == 1);
  f.clock.advance(std::chrono::minutes(2));
  f.applier.poison = {};
  CHECK(worker.run_once().died == 1);
  CHECK(f.applier.calls == 0);
  CHECK(f.states() == States{{DeliveryState::expired, 1}});
}

TEST_CASE("deliveries: an outage of ten minutes with 100,000 intents makes no dead letter",
          "[worker]") {
  Fixture f;
  f.options.retry.max_attempts = 2;
  Worker worker = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 1000; ++i) {
    IntentBatch intents;
    for (int k = 0; k < 100; ++k) intents.add(entity("p", i * 100 + k));
    f.outbox.append(intents);
  }
  f.applier.down = true;
  int asked = 0;
  for (auto left = std::chrono::nanoseconds(10min); left > 0ns;) {
    if (worker.run_once().down) ++asked;
    const auto step = std::min<std::chrono::nanoseconds>(left, 1s);
    f.clock.advance(step);
    left -= step;
  }
  CHECK(asked == 600);
  CHECK(f.rows().empty());
  CHECK(f.applier.controls < 100);  // the breaker asks less and less often
  f.applier.down = false;
  f.wait_out();
  CHECK(worker.run_once().applied == 100'000);
  CHECK(f.rows().empty());
  CHECK(f.applier.applied.size() == 100'000);
}

TEST_CASE("deliveries: an outage is nobody's attempt: afterwards the segment goes in whole pages",
          "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 50; ++i) f.outbox.append(batch(entity("p", i)));
  f.applier.down = true;
  CHECK(worker.run_once().down);
  f.applier.down = false;
  f.clock.advance(1s);  // shorter than the lease
  CHECK(worker.run_once().applied == 50);
  CHECK(f.applier.calls == 1);  // row by row is for segments in which somebody has died
}

TEST_CASE("deliveries: while the breaker is open nobody is asked, and no claim is made",
          "[worker]") {
  Fixture f;
  test::FaultyOutbox watched(f.outbox);
  Worker worker({watched, watched, watched}, f.applier, f.options);
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.applier.down = true;
  CHECK(worker.run_once().down);
  const int controls = f.applier.controls;
  watched.down = true;  // it would throw
  CHECK(worker.run_once().down);
  CHECK(f.applier.controls == controls);
  f.clock.advance(1ms);
  const WorkerStats stats = worker.stats();
  CHECK(stats.outages == 2);
  CHECK(stats.claims == 2);  // the first registered the target
  CHECK(stats.down == 1ms);
}

TEST_CASE("deliveries: the breaker's state goes into the stats", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  CHECK(worker.stats().flushes == 1);
  f.outbox.append(batch(tag("a")));
  f.applier.down = true;
  CHECK(worker.run_once().down);
  f.clock.advance(1s);
  CHECK(worker.stats().down >= 1s);
  f.applier.down = false;
  f.wait_out();
  CHECK(worker.run_once().applied == 1);
  CHECK(worker.stats().down == 0s);
  Worker other = f.worker();
  CHECK_FALSE(other.stats().standby);
  CHECK(other.run_once().standby);
  CHECK(other.stats().standby);
}

TEST_CASE("deliveries: a target that is up again is so for a worker that has nothing to do, too",
          "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.applier.down = true;
  CHECK(worker.run_once().down);
  f.applier.down = false;
  const std::string another = "another";
  const bool stands_by = GENERATE(true, false);
  f.clock.advance(f.options.lease + 1ms);
  const ClaimResult theirs = f.outbox.claim("redis-1", another, 30s);
  REQUIRE(f.outbox.finish(theirs.claim));
  if (!stands_by) f.outbox.release("redis-1", another);
  CHECK(worker.run_once().standby == stands_by);
  CHECK(worker.stats().down == 0s);
}

TEST_CASE("deliveries: who alone is cut off from the target gives the lease to another",
          "[worker]") {
  Fixture f;
  test::RecordingApplier reachable;
  Worker cut_off = f.worker();
  Worker other({f.outbox, f.outbox, f.outbox}, reachable, f.options);
  f.register_target(cut_off);
  f.outbox.append(batch(tag("a")));
  f.applier.down = true;
  CHECK(cut_off.run_once().down);
  CHECK(other.run_once().standby);
  f.clock.advance(f.options.lease / 2);
  (void)cut_off.run_once();  // still its own
  CHECK(other.run_once().standby);
  f.clock.advance(f.options.lease / 2 + 1ms);
  (void)cut_off.run_once();
  CHECK(other.run_once().applied == 1);
  CHECK(reachable.texts() == std::vector<std::string>{"a"});
}

TEST_CASE("deliveries: an intent that kills its worker reaches its limit, and its neighbours live",
          "[worker]") {
  Fixture f;
  f.options.retry = {.start = 1ms, .cap = 1ms, .max_attempts = 3};
  {
    Worker worker = f.worker();
    f.register_target(worker);
    worker.release();
  }
  for (int i = 0; i < 20; ++i) f.outbox.append(batch(entity("p", i)));
  f.applier.poison = [](const SharedInvalidation& each) {
    if (each.target == entity("p", 13)) throw Killed{};
    return false;
  };
  int deaths = 0;
  for (int lives = 0; lives < 20; ++lives) {
    Worker worker = f.worker();
    try {
      while (!worker.run_once().idle()) {
      }
    } catch (const Killed&) {
      ++deaths;
    }
    f.clock.advance(f.options.lease + 1ms);
  }
  CHECK(deaths == 4);  // the whole page once, then the row alone, as often as its attempts allow
  CHECK(f.states() == States{{DeliveryState::dead, 1}});
  CHECK(f.rows()[0].record.target == entity("p", 13));
  std::map<std::string, int> applied;
  for (const std::string& text : f.applier.texts()) ++applied[text];
  CHECK(applied.size() == 20);  // 19 neighbours, and the flush that stands in for it
  CHECK(applied["*"] == 1);
}

TEST_CASE("deliveries: a row that takes the target down each time is found out", "[worker]") {
  Fixture f;
  f.options.retry = {.start = 1ms, .cap = 1ms, .max_attempts = 1};
  Worker worker = f.worker();
  f.register_target(worker);
  for (int i = 0; i < 20; ++i) f.outbox.append(batch(entity("p", i)));
  f.applier.poison = [&](const SharedInvalidation& each) {
    if (each.target == entity("p", 13)) f.applier.down = true;
    return f.applier.down;
  };
  int restarts = 0;
  WorkerStats counts;
  for (int i = 0; i < 50 && counts.died == 0; ++i) {
    (void)worker.run_once();
    counts = worker.stats();
    restarts += f.applier.down ? 1 : 0;
    f.applier.down = false;
    f.wait_out();
  }
  CHECK(counts.died == 1);
  CHECK(restarts <= 5);
  f.applier.poison = {};
  while (!worker.run_once().idle()) f.wait_out();
  CHECK(f.states() == States{{DeliveryState::dead, 1}});
  CHECK(f.rows()[0].record.target == entity("p", 13));
  std::map<std::string, int> applied;
  for (const std::string& text : f.applier.texts()) ++applied[text];
  CHECK(applied.size() == 20);
}

TEST_CASE(
    "deliveries: what kills is found out behind the first page too, if no cursor can stand before",
    "[worker]") {
  Fixture f;
  f.options.retry = {.start = 1ms, .cap = 1ms, .max_attempts = 3};
  f.options.page_size = 1;  // as a transaction of more rows than a page has
  {
    Worker worker = f.worker();
    f.register_target(worker);
    worker.release();
  }
  f.outbox.append(batch(tag("a"), tag("b"), tag("c")));
  const bool kills = GENERATE(true, false);
  f.applier.poison = [&](const SharedInvalidation& each) {
    if (each.target != tag("b")) return false;
    if (kills) throw Killed{};
    return f.applier.down = true;
  };
  const WorkerLog log{f.outbox, f.outbox, f.outbox};
  auto worker = std::make_unique<Worker>(log, f.applier, f.options);
  for (int i = 0; i < 30; ++i) {
    try {
      (void)worker->run_once();
    } catch (const Killed&) {
      worker = std::make_unique<Worker>(log, f.applier, f.options);
    }
    f.applier.down = false;
    f.clock.advance(f.options.lease + 1ms);
  }
  CHECK(f.states() == States{{DeliveryState::dead, 1}});
  CHECK(f.outbox.now().snapshot == f.outbox.coverage({1}, {3}).consumers.at(0).cursor->snapshot);
  CHECK(std::ranges::count(f.applier.texts(), "*") == 1);
}

TEST_CASE("deliveries: a row that was taken meanwhile is no longer what takes the target down",
          "[worker]") {
  Fixture f;
  f.options.retry = {.start = 1ms, .cap = 1ms, .max_attempts = 2};
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  const auto goes_down = [&] {
    f.applier.poison = [&](const SharedInvalidation&) { return f.applier.down = true; };
    CHECK(worker.run_once().down);
    f.applier.poison = {};
    f.applier.down = false;
    f.wait_out();
  };
  for (int i = 0; i < 4; ++i) goes_down();  // the last two times at the row, alone
  // It is taken, and not recorded: somebody else has the lease for a moment.
  bool once = true;
  f.applier.during = [&] {
    if (!std::exchange(once, false)) return;
    f.clock.advance(f.options.lease + 1ms);
    REQUIRE(f.outbox.claim("redis-1", "another", 30s).status == ClaimStatus::claimed);
    f.outbox.release("redis-1", "another");
  };
  CHECK(worker.run_once().fenced);
  CHECK(f.applier.texts() == std::vector<std::string>{"a"});
  goes_down();
  CHECK(f.states() == States{{DeliveryState::pending, 1}});
}

TEST_CASE("deliveries: an outage gives back the attempts of what was only claimed", "[worker]") {
  Fixture f;
  f.options.retry = {.start = 1ms, .cap = 1ms, .max_attempts = 2};
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a"), tag("b"), tag("c")));
  f.applier.poison = [](const SharedInvalidation& each) { return !each.target.is_flush(); };
  CHECK(worker.run_once().left == 3);
  f.wait_out();
  f.applier.down = true;
  for (int i = 0; i < 5; ++i) {
    CHECK(worker.run_once().down);
    f.wait_out();
  }
  CHECK(f.states() == States{{DeliveryState::pending, 3}});
  for (const DeliveryRow& row : f.rows()) CHECK(row.record.attempts == 1);
  f.applier.down = false;
  f.applier.poison = {};
  CHECK(worker.run_once().recovered == 3);
}

TEST_CASE("deliveries: a newer success supersedes what waits for the same target", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a"), tag("b")));
  f.applier.poison = [](const SharedInvalidation&) { return true; };
  CHECK(worker.run_once().left == 2);
  f.applier.poison = {};
  f.outbox.append(batch(tag("a")));
  CHECK(worker.run_once().applied == 1);
  CHECK(f.states() == States{{DeliveryState::superseded, 1}, {DeliveryState::pending, 1}});
  f.outbox.append(batch(flush_all()));
  CHECK(worker.run_once().applied == 1);
  CHECK(f.states() == States{{DeliveryState::superseded, 2}});
  f.wait_out();
  CHECK(worker.run_once().idle());
}

TEST_CASE("deliveries: another history supersedes what waits", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  CHECK(worker.run_once().left == 1);
  f.outbox.replace_history();
  CHECK(worker.run_once().flushed);
  CHECK(f.states() == States{{DeliveryState::superseded, 1}});
}

TEST_CASE("deliveries: equal targets that fail together are one, from the first to the last",
          "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  const Receipt first = f.outbox.append(batch(tag("a")));
  const Receipt last = f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  CHECK(worker.run_once().left == 1);
  REQUIRE(f.rows().size() == 1);
  CHECK(f.rows()[0].record.first_position == first.position);
  CHECK(f.rows()[0].record.position == last.position);
}

TEST_CASE("deliveries: a malformed row stays to be seen beside its flush", "[worker]") {
  Fixture f;
  Worker worker = f.worker();
  f.register_target(worker);
  f.outbox.append_malformed();
  CHECK(worker.run_once().malformed == 1);
  CHECK(f.states() == States{{DeliveryState::dead, 1}});
  CHECK_FALSE(f.rows()[0].record.target);
  CHECK(f.applier.texts() == std::vector<std::string>{"*"});
  CHECK(worker.run_once().idle());  // its flush has been: none is owed
}

TEST_CASE("deliveries: who is fenced while the target is down leaves the target alone as well",
          "[worker]") {
  Fixture f;
  Worker slow = f.worker();
  f.register_target(slow);
  f.outbox.append(batch(tag("a")));
  f.refuse(tag("a"));
  REQUIRE(slow.run_once().left == 1);
  f.wait_out();
  f.applier.during = [&] {
    if (std::exchange(f.applier.down, true)) return;
    f.clock.advance(f.options.lease + 1ms);
    REQUIRE(f.outbox.claim("redis-1", "another", f.options.lease).status == ClaimStatus::claimed);
  };
  CHECK(slow.run_once().fenced);
  const int controls = f.applier.controls;
  const WorkerRound next = slow.run_once();
  CHECK(next.down);
  CHECK_FALSE(next.standby);
  CHECK(f.applier.controls == controls);
}

TEST_CASE("deliveries: who was fenced records nothing of what failed", "[worker]") {
  Fixture f;
  Worker slow = f.worker();
  Worker other = f.worker();
  f.register_target(slow);
  f.outbox.append(batch(tag("a"), tag("b")));
  bool paused = false;
  f.applier.during = [&] {
    if (std::exchange(paused, true)) return;
    f.clock.advance(f.options.lease + 1ms);
    CHECK(other.run_once().applied == 2);
  };
  f.refuse(tag("none"));
  f.applier.poison = [&](const SharedInvalidation& each) {
    return paused && each.target == tag("a") && f.applier.calls > 0;
  };
  const WorkerRound round = slow.run_once();
  CHECK(round.fenced);
  CHECK(round.left == 0);
  CHECK(f.rows().empty());
}
