#include <array>
#include <catch2/catch.hpp>

#include "unit/log_fixture.hpp"
#include "unit/read_machine_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;
using Fixture = MachineFixture;

}  // namespace

TEST_CASE("read machine: a value from a shared tier is promoted, and judged from then on",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::PollTier>(action));
  CHECK(std::get<ReadMachine::PollTier>(action).name == query_name(request.call.view));
  f.clock.advance(2s);
  SharedValue value = f.shared(42, 11);
  value.stored = f.clock.wall_now() - 3s;
  CHECK(is<ReadMachine::Done>(machine.resume(std::optional(value))));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::hit);
  CHECK(result.outcome.origin == Origin::shared_tier);
  CHECK(result.outcome.stored == Stored::yes);
  CHECK(result.outcome.age == 3s);
  CHECK(f.cache.stats().shared_hits == 1);
  CHECK(f.find(request) == 42);
  CHECK(f.outcome.origin == Origin::memory);
  f.invalidate(kA);
  CHECK_FALSE(f.find(request));
}

TEST_CASE(
    "read machine: a value from above what this process knows is judged after a catch-up, and "
    "refused if it is above even then",
    "[read_machine]") {
  struct Log final : StampProof {
    void prove(const SharedStamp& stamp) override { asked.push_back(stamp); }
    std::vector<SharedStamp> asked;
  } log;
  Fixture f;  // at position 10
  f.source.attach(std::make_shared<FakeTier>(), &log);
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::PollTier>(action));
  SECTION("the last position that it knows to come is its own") {
    CHECK(is<ReadMachine::Done>(machine.resume(std::optional(f.shared(42, 11)))));
    CHECK(f.cache.stats().shared_hits == 1);
  }
  SECTION("one above it is not") {
    action = machine.resume(std::optional(f.shared(42, 15)));
    REQUIRE(is<ReadMachine::Prove>(action));
    const auto& prove = std::get<ReadMachine::Prove>(action);
    CHECK(prove.proof == &log);
    CHECK(prove.stamp == f.shared(42, 15).stamp);
    SECTION("the log has gone on") {
      f.source.marks().apply_log({}, Fixture::upto(20));
      CHECK(is<ReadMachine::Done>(machine.resume_proved(true)));
      CHECK(value_of(machine.take_result()) == 42);
      CHECK(f.cache.stats().shared_hits == 1);
    }
    SECTION("the log has gone on, and holds an invalidation that the value lacks") {
      const MarkUpdate update = MarkUpdate::of(kA, Position{15});
      f.source.marks().apply_log({&update, 1}, Fixture::upto(20));
      CHECK(is<ReadMachine::Load>(machine.resume_proved(true)));
      CHECK(f.cache.stats().shared_stale == 1);
    }
    SECTION("the log ends below it: a future that was lost") {
      f.source.marks().apply_log({}, Fixture::upto(13));
      CHECK(is<ReadMachine::Load>(machine.resume_proved(true)));
      CHECK(f.cache.stats().shared_stale == 1);
      CHECK(f.cache.stats().entries == 0);
    }
  }
  SECTION("what is refused anyway costs no look at the log") {
    SharedValue expired = f.shared(42, 15);
    expired.expires = f.clock.wall_now();
    CHECK(is<ReadMachine::Load>(machine.resume(std::optional(expired))));
  }
  SECTION("another epoch's positions are not compared") {
    SharedValue other = f.shared(42, 15);
    other.stamp.epoch = {9, 9};
    CHECK(is<ReadMachine::Load>(machine.resume(std::optional(other))));
  }
}

TEST_CASE("read machine: a value from the future is refused where nobody can prove it",
          "[read_machine]") {
  struct Gone final : StampProof {
    void prove(const SharedStamp& /*stamp*/) override { throw Error("the log is gone"); }
  } gone;
  Fixture f;
  auto tier = std::make_shared<FakeTier>();
  f.source.attach(tier, GENERATE(true, false) ? &gone : nullptr);
  const auto query = f.query("select n").ttl(1min);
  tier->on_get = [&] { return f.shared(42, 15); };
  const Result loaded = query.fetch();
  CHECK(loaded[0][0].as<int>() == 1);
  CHECK(f.loader.loads == 1);
  CHECK(f.cache.stats().shared_stale == 1);
}

TEST_CASE(
    "read machine: a value from a shared tier is refused unless this process's marks allow it",
    "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  f.invalidate(kA);  // position 11
  NumberRequest request(f.source, {kA});
  const auto accepted = [&](const SharedValue& value) {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    REQUIRE(is<ReadMachine::PollTier>(action));
    const bool done = is<ReadMachine::Done>(machine.resume(std::optional(value)));
    CHECK(f.cache.stats().entries == (done ? 1 : 0));
    return done;
  };
  SECTION("its horizon does not include the last invalidation") {
    CHECK_FALSE(accepted(f.shared(1, 11)));
    CHECK(f.cache.stats().shared_stale == 1);
  }
  SECTION("another epoch") {
    SharedValue value = f.shared(1, 12);
    value.stamp.epoch = {9, 9};
    CHECK_FALSE(accepted(value));
  }
  SECTION("below the floor") { CHECK_FALSE(accepted(f.shared(1, 10))); }
  SECTION("a target of its own was invalidated, although the caller did not name it") {
    f.invalidate(kB);  // position 12
    CHECK_FALSE(accepted(f.shared(1, 12, {kB})));
  }
  SECTION("its time to live is over") {
    SharedValue value = f.shared(1, 12);
    value.expires = f.clock.wall_now();
    CHECK_FALSE(accepted(value));
  }
  SECTION("its columns are not what the caller maps") {
    SharedValue value = f.shared(1, 12);
    value.rows = ResultSet();
    CHECK_FALSE(accepted(value));
  }
  SECTION("it carries more targets than an entry can") {
    std::vector<Target> many;
    for (std::size_t i = 0; i <= kMaxTargets; ++i) many.push_back(entity("p", i));
    CHECK_FALSE(accepted(f.shared(1, 12, many)));
  }
  SECTION("otherwise it is accepted") { CHECK(accepted(f.shared(1, 12))); }
}

TEST_CASE("read machine: a refused shared value leaves no targets behind", "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  (void)machine.start();
  Action action = machine.resume(std::optional(f.shared(1, 5, {kB})));
  REQUIRE(is<ReadMachine::Load>(action));
  CHECK(std::get<ReadMachine::Load>(action).init.targets.size() == 2);
}

TEST_CASE("read machine: a promoted value keeps the targets that it came with", "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  (void)machine.start();
  REQUIRE(is<ReadMachine::Done>(machine.resume(std::optional(f.shared(1, 11, {kB})))));
  CHECK(f.find(request) == 1);
  f.invalidate(kB);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: a promoted value lives no longer than its tier or its caller allows",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  (void)machine.start();
  (void)machine.resume(std::optional(f.shared(1, 11)));  // expires in a minute
  f.clock.advance(59s);
  CHECK(f.find(request) == 1);
  f.clock.advance(1s);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: a shared value may be no older than its reader's time to live",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  request.said.ttl = 10s;
  SharedValue value = f.shared(1, 11);  // its storer lets it live for a minute
  f.clock.advance(10s);
  {
    ReadMachine machine(f.source, request);
    (void)machine.start();
    CHECK(is<ReadMachine::Load>(machine.resume(std::optional(value))));
  }
  value.stored += 4s;  // 6 s old
  ReadMachine machine(f.source, request);
  (void)machine.start();
  REQUIRE(is<ReadMachine::Done>(machine.resume(std::optional(value))));
  f.clock.advance(3900ms);
  CHECK(f.find(request) == 1);
  f.clock.advance(100ms);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: an invalidation between poll and promotion refuses the shared value",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  (void)machine.start();
  const SharedValue polled = f.shared(1, 11);
  f.invalidate(kA);
  CHECK(is<ReadMachine::Load>(machine.resume(std::optional(polled))));
}

TEST_CASE("read machine: a load is offered to every shared tier, stamped as of before it",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::PollTier>(action));
  action = machine.resume(std::optional<SharedValue>());
  REQUIRE(is<ReadMachine::PollTier>(action));
  CHECK(std::get<ReadMachine::PollTier>(action).tier == f.source.tiers()[1].get());
  action = machine.resume(std::optional<SharedValue>());
  REQUIRE(is<ReadMachine::Load>(action));
  f.invalidate(kB);  // the cursor moves on while the load runs
  action = machine.resume(brought(action, 42));
  for (std::size_t i = 0; i < 2; ++i) {
    REQUIRE(is<ReadMachine::StoreShared>(action));
    const auto& store = std::get<ReadMachine::StoreShared>(action);
    CHECK(store.tier == f.source.tiers()[i].get());
    CHECK(store.name == query_name(request.call.view));
    CHECK(store.value->stamp == SharedStamp{kEpoch, {11}, {}});
    CHECK(store.value->targets == std::vector<Target>{kA, key_target(request.call.view)});
    CHECK(store.value->rows == number(42));
    CHECK(store.value->expires == f.clock.wall_now() + 5min);
    action = machine.resume_stored();
  }
  CHECK(is<ReadMachine::Done>(action));
}

TEST_CASE("read machine: in a shared tier, too, a value is as old as its load is long",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  (void)machine.start();
  Action action = machine.resume(std::optional<SharedValue>());
  REQUIRE(is<ReadMachine::Load>(action));
  const WallTime began = f.clock.wall_now();
  f.clock.advance(3min);
  f.clock.skew_wall(1h);  // nor does it matter that the wall clock is set meanwhile
  action = machine.resume(brought(action, 42));
  REQUIRE(is<ReadMachine::StoreShared>(action));
  const SharedValue& value = *std::get<ReadMachine::StoreShared>(action).value;
  CHECK(value.stored == began + 1h);
  CHECK(value.expires == began + 1h + 5min);
}

TEST_CASE("read machine: what memory may not keep is not offered to shared tiers either",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  SECTION("an invalidated load") {
    ReadMachine machine(f.source, request);
    (void)machine.start();
    Action action = machine.resume(std::optional<SharedValue>());
    f.invalidate(kA);
    CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 1))));
  }
  SECTION("a value that only this process understands") {
    request.shareable = false;
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    REQUIRE(is<ReadMachine::Load>(action));
    CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 1))));
  }
  SECTION("a bypassed read") {
    f.cache.set_enabled(false);
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    REQUIRE(is<ReadMachine::Load>(action));
    CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 1))));
  }
}

TEST_CASE("read machine: a load whose epoch changed meanwhile is kept nowhere", "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  (void)machine.start();
  Action action = machine.resume(std::optional<SharedValue>());
  f.source.marks().restart(ReadFixture::upto(3, {9, 9}));
  CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 1))));
  CHECK(machine.take_result().outcome.stored == Stored::invalidated);
  CHECK_FALSE(f.find(request));
}

TEST_CASE(
    "read machine: before a value is stamped for shared tiers, the log is looked at for own writes "
    "that are ahead of it (hard case 28)",
    "[read_machine]") {
  Fixture f;
  MemoryOutbox outbox("shop", f.clock);
  FakeDoorbell doorbell;
  Subscriber subscriber("shop", outbox, doorbell, f.source.marks(), {.clock = &f.clock});
  f.source.follow_by(subscriber);
  const MarkUpdate own = MarkUpdate::of(kB, Position{11});
  f.source.marks().apply_own(kEpoch, {&own, 1}, Position{11});
  NumberRequest request(f.source, {kA});
  SECTION("then it lies above them") {
    f.source.attach(std::make_shared<FakeTier>());
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    REQUIRE(is<ReadMachine::Reach>(action));
    CHECK(std::get<ReadMachine::Reach>(action).wanted->is_strong());
    f.source.marks().apply_log({}, Fixture::upto(12));
    REQUIRE(is<ReadMachine::PollTier>(machine.resume_reached(true)));
    action = machine.resume(std::nullopt);
    REQUIRE(is<ReadMachine::Load>(action));
    action = machine.resume(brought(action, 1));
    REQUIRE(is<ReadMachine::StoreShared>(action));
    CHECK(std::get<ReadMachine::StoreShared>(action).value->stamp.horizon == Position{13});
  }
  SECTION("where the log is not reached, the value is loaded all the same, and stamped below") {
    f.source.attach(std::make_shared<FakeTier>());
    ReadMachine machine(f.source, request);
    REQUIRE(is<ReadMachine::Reach>(machine.start()));
    REQUIRE(is<ReadMachine::PollTier>(machine.resume_reached(false)));
    Action action = machine.resume(std::nullopt);
    REQUIRE(is<ReadMachine::Load>(action));
    action = machine.resume(brought(action, 1));
    REQUIRE(is<ReadMachine::StoreShared>(action));
    CHECK(std::get<ReadMachine::StoreShared>(action).value->stamp.horizon == Position{11});
  }
  SECTION("without tiers nobody looks") {
    ReadMachine machine(f.source, request);
    CHECK(is<ReadMachine::Load>(machine.start()));
  }
}

TEST_CASE("read machine: a tier that has several values may ask which of them would be taken",
          "[read_machine]") {
  struct Log final : StampProof {
    void prove(const SharedStamp& /*stamp*/) override {}
  } log;
  Fixture f;  // at position 10
  const bool provable = GENERATE(true, false);
  f.source.attach(std::make_shared<FakeTier>(), provable ? &log : nullptr);
  f.invalidate(kA);  // position 11
  NumberRequest request(f.source, {kA});
  request.said.ttl = 20s;
  f.clock.advance(1min);
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::PollTier>(action));
  TierJudge* judge = std::get<ReadMachine::PollTier>(action).judge;
  REQUIRE(judge != nullptr);
  const SharedValue good = f.shared(42, 12, {kB});
  CHECK(judge->takes(good));
  CHECK(f.cache.stats().shared_stale == 0);
  SECTION("not one that is stale") {
    CHECK_FALSE(judge->takes(f.shared(42, 11)));
    CHECK(f.cache.stats().shared_stale == 1);
  }
  SECTION("not one of another epoch") {
    SharedValue other = good;
    other.stamp.epoch = {9, 9};
    CHECK_FALSE(judge->takes(other));
  }
  SECTION("not one that has expired, or is older than the reader wants") {
    SharedValue old = good;
    old.stored -= 20s;
    CHECK_FALSE(judge->takes(old));
    SharedValue expired = good;
    expired.expires = f.clock.wall_now();
    CHECK_FALSE(judge->takes(expired));
    CHECK(f.cache.stats().shared_stale == 0);
  }
  SECTION("one from above what this process knows, if that can be proved") {
    CHECK(judge->takes(f.shared(42, 99)) == provable);
  }
  SECTION("any, once nothing is trusted: there is no use in looking further") {
    f.source.marks().trust_until(f.clock.now());
    CHECK(judge->takes(f.shared(42, 11)));
    CHECK(is<ReadMachine::Load>(machine.resume(f.shared(42, 11))));
    return;
  }
  // Nothing has come of the question.
  CHECK(f.cache.stats().entries == 0);
  action = machine.resume(std::nullopt);
  REQUIRE(is<ReadMachine::Load>(action));
  CHECK(std::get<ReadMachine::Load>(action).init.targets.size() == 2);
}

TEST_CASE(
    "read machine: what was taken is offered to those that its tier names, no longer than each "
    "wants",
    "[read_machine]") {
  struct Log final : StampProof {
    void prove(const SharedStamp& /*stamp*/) override {}
  } log;
  Fixture f;
  FakeTier brief;
  FakeTier plain;
  f.source.attach(std::make_shared<FakeTier>(), &log);
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  REQUIRE(is<ReadMachine::PollTier>(machine.start()));
  REQUIRE(is<ReadMachine::PollTier>(machine.resume(std::nullopt)));
  const std::vector<TierRefill> refills{{.tier = &brief, .longest = 10s}, {.tier = &plain}};
  SECTION("refused: to nobody") {
    const Action action = machine.resume(f.shared(42, 5), refills);
    REQUIRE(is<ReadMachine::Load>(action));
    CHECK(is<ReadMachine::StoreShared>(machine.resume(brought(action, 1))));
    CHECK(is<ReadMachine::StoreShared>(machine.resume_stored()));
    CHECK(is<ReadMachine::Done>(machine.resume_stored()));
  }
  SECTION("taken, perhaps after a proof") {
    const bool ahead = GENERATE(false, true);
    const SharedValue value = f.shared(42, ahead ? 15 : 11);
    Action action = machine.resume(value, refills);
    if (ahead) {
      REQUIRE(is<ReadMachine::Prove>(action));
      f.source.marks().apply_log({}, Fixture::upto(20));
      action = machine.resume_proved(true);
    }
    const std::array<SharedTier*, 3> tiers{f.source.tiers()[0].get(), &brief, &plain};
    for (SharedTier* tier : tiers) {
      CAPTURE(tier == &brief);
      REQUIRE(is<ReadMachine::StoreShared>(action));
      const auto& store = std::get<ReadMachine::StoreShared>(action);
      CHECK(store.tier == tier);
      CHECK(store.value->stamp == value.stamp);
      CHECK(store.value->stored == value.stored);
      CHECK(store.value->expires == (tier == &brief ? f.clock.wall_now() + 10s : value.expires));
      f.clock.advance(1s);
      action = machine.resume_stored();
    }
    CHECK(is<ReadMachine::Done>(action));
    CHECK(value_of(machine.take_result()) == 42);
  }
}
