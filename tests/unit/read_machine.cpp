#include "querymark/read/read_machine.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "querymark/key/key_encoder.hpp"
#include "unit/read_fixture.hpp"

// Drives the machine step by step, so that each test forces one interleaving.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::elsewhere;
using test::FakeTier;
using test::kEpoch;
using test::number;
using test::ReadFixture;
using Action = ReadMachine::Action;

const Target kA = tag("a");
const Target kB = tag("b");

// A request for the one number of a query.
class NumberRequest final : public ReadRequest {
 public:
  NumberRequest(const Source& source, std::vector<Target> declared,
                std::string_view sql = "select n")
      : declared_(std::move(declared)) {
    prefix = source.prefix("rows", KeyPrefix::Form::sql, sql);
    hash = KeyEncoder(*prefix).hash();
    ttl = 5min;
  }
  void targets(std::vector<Target>& out) const override { out = declared_; }
  Loaded load(const EntryInit& /*init*/) override { throw std::logic_error("driven by hand"); }
  [[nodiscard]] EntryRef materialize(const ResultSet& rows, const EntryInit& init) const override {
    if (rows.columns() != 1) throw TypeError("one column, please");
    return make_entry(init, rows, rows.heap_bytes());
  }
  [[nodiscard]] KeyView key() const { return {prefix.get(), parameters}; }
  [[nodiscard]] std::vector<TargetId> required() const {
    std::vector<TargetId> ids;
    for (const Target& target : declared_) ids.push_back(target.id());
    return ids;
  }

 private:
  std::vector<Target> declared_;
};

struct Fixture : ReadFixture {
  using ReadFixture::ReadFixture;

  // The hit path: the number, or nothing.
  std::optional<std::int64_t> find(const NumberRequest& request) {
    const std::vector<TargetId> required = request.required();
    ReadResult found;
    if (!source.find({.key = request.key(),
                      .hash = request.hash,
                      .max_age = request.ttl,
                      .required = required},
                     found))
      return std::nullopt;
    outcome = found.outcome;
    return found.entry.value<ResultSet>()[0][0].as<std::int64_t>();
  }
  [[nodiscard]] SharedValue shared(std::int64_t n, std::uint64_t horizon,
                                   std::vector<Target> targets = {}) const {
    return {.stamp = {kEpoch, {horizon}, {}},
            .stored = clock.wall_now(),
            .expires = clock.wall_now() + 1min,
            .targets = std::move(targets),
            .rows = number(n)};
  }

  Outcome outcome;
};

template <class Step>
bool is(const Action& action) {
  return std::holds_alternative<Step>(action);
}

// What a load that was told to `init` brings.
Loaded brought(const EntryInit& init, std::int64_t n) {
  ResultSet rows = number(n);
  EntryRef entry = make_entry(init, rows, rows.heap_bytes());
  return {std::move(entry), std::move(rows), std::nullopt, Stored::yes};
}
Loaded brought(const Action& action, std::int64_t n) {
  return brought(std::get<ReadMachine::Load>(action).init, n);
}

std::int64_t value_of(const ReadResult& result) {
  return result.entry.value<ResultSet>()[0][0].as<std::int64_t>();
}

FlightResult waited(Action& action) {
  return std::get<ReadMachine::Await>(action).waiter->wait(std::nullopt);
}

}  // namespace

TEST_CASE("read machine: a miss loads, stores and is a hit the next time", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  CHECK_FALSE(f.find(request));
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::Load>(action));
  CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 42))));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::miss);
  CHECK(result.outcome.source == ReadSource::database);
  CHECK(result.outcome.stored == Stored::yes);
  f.clock.advance(3s);
  CHECK(f.find(request) == 42);
  CHECK(f.outcome.status == ReadStatus::hit);
  CHECK(f.outcome.age >= 3s);
  CHECK(f.outcome.age - 3s < 5us);  // times are coarse
  CHECK(f.cache.stats().misses == 1);
  CHECK(f.cache.stats().hits == 1);
}

TEST_CASE("read machine: an invalidation during the load is returned to its caller but not kept",
          "[read_machine]") {
  const Target flush = flush_all();
  for (const Target* target : {&kA, &flush}) {
    Fixture f;
    NumberRequest request(f.source, {kA});
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    f.invalidate(*target);
    CHECK(is<ReadMachine::Done>(machine.resume(brought(action, 42))));
    const ReadResult result = machine.take_result();
    CHECK(value_of(result) == 42);
    CHECK(result.outcome.stored == Stored::invalidated);
    CHECK(f.cache.stats().late_fills == 1);
    CHECK_FALSE(f.find(request));
  }
}

TEST_CASE("read machine: an intent for the query's own key kills a load in flight",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  f.invalidate(key_target(request.key()));
  (void)machine.resume(brought(action, 42));
  CHECK(machine.take_result().outcome.stored == Stored::invalidated);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: an unrelated invalidation during the load changes nothing",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  f.invalidate(kB);
  (void)machine.resume(brought(action, 42));
  CHECK(machine.take_result().outcome.stored == Stored::yes);
  CHECK(f.find(request) == 42);
}

TEST_CASE("read machine: a late value that slips past the check is dead at its first hit",
          "[read_machine]") {
  // The stale set itself: an entry stamped before the invalidation reaches memory after it.
  Fixture f;
  NumberRequest request(f.source, {kA});
  NumberRequest other(f.source, {kA});
  ReadMachine early(f.source, request);
  Action early_action = early.start();
  f.invalidate(kA);
  ReadMachine late(f.source, other);
  Action late_action = elsewhere([&] { return late.start(); });
  REQUIRE(is<ReadMachine::Load>(late_action));
  (void)late.resume(brought(early_action, 42));
  REQUIRE(late.take_result().outcome.stored == Stored::yes);
  REQUIRE(f.cache.stats().entries == 1);
  CHECK_FALSE(f.find(request));
  CHECK(f.cache.stats().invalidated == 1);
  CHECK(f.cache.stats().entries == 0);
  (void)early.resume(brought(early_action, 42));
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: a hit raises the stamp and a later invalidation still kills",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  (void)machine.resume(brought(action, 42));
  const EntryRef entry = machine.take_result().entry;
  const std::uint64_t stamp = entry->generation();
  f.invalidate(kB);
  CHECK(f.find(request) == 42);
  CHECK(entry->generation() > stamp);
  f.invalidate(kA);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: targets that the entry lacks are a miss, then both sets are kept",
          "[read_machine]") {
  // Hard case 7.
  Fixture f;
  NumberRequest with_a(f.source, {kA});
  NumberRequest with_b(f.source, {kB});
  with_a.ttl = 10s;
  {
    ReadMachine machine(f.source, with_a);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  f.invalidate(kB);
  CHECK(f.find(with_a) == 1);  // raises the stamp past b's invalidation
  CHECK_FALSE(f.find(with_b));
  CHECK(f.cache.stats().targets_differed == 1);
  ReadMachine machine(f.source, with_b);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::Load>(action));
  (void)machine.resume(brought(action, 2));
  const ReadResult result = machine.take_result();
  CHECK(result.outcome.stored == Stored::yes);
  CHECK(result.entry->targets().size() == 3);  // the key, a and b
  CHECK(f.find(with_a) == 2);
  CHECK(f.find(with_b) == 2);
  SECTION("an invalidation of the first call site's target reaches the second") {
    f.invalidate(kA);
    CHECK_FALSE(f.find(with_b));
  }
  SECTION("an invalidation of the second call site's target reaches the first") {
    f.invalidate(kB);
    CHECK_FALSE(f.find(with_a));
  }
  SECTION("the shorter time to live wins") {
    f.clock.advance(9s);
    CHECK(f.find(with_b) == 2);
    f.clock.advance(2s);
    CHECK_FALSE(f.find(with_b));
  }
}

TEST_CASE("read machine: the union of two call sites' targets may exceed what an entry carries",
          "[read_machine]") {
  Fixture f;
  const auto many = [](const char* kind) {
    std::vector<Target> targets;
    for (int i = 0; i < 600; ++i) targets.push_back(entity(kind, i));
    return targets;
  };
  NumberRequest first(f.source, many("x"));
  NumberRequest second(f.source, many("y"));
  {
    ReadMachine machine(f.source, first);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  ReadMachine machine(f.source, second);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::Load>(action));
  (void)machine.resume(brought(action, 2));  // neither call site did anything wrong
  CHECK(value_of(machine.take_result()) == 2);
  CHECK(f.find(second) == 2);
  CHECK_FALSE(f.find(first));
}

TEST_CASE("read machine: a value that was stored between the look and the entry is a hit",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine first(f.source, request);
  Action action = first.start();
  CHECK_FALSE(f.find(request));  // the second caller has looked
  (void)first.resume(brought(action, 42));
  ReadMachine second(f.source, request);
  CHECK(is<ReadMachine::Done>(second.start()));
  const ReadResult result = second.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::hit);
}

TEST_CASE("read machine: callers that miss at once share one load", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  (void)leader.resume(brought(action, 42));
  CHECK(is<ReadMachine::Done>(joiner.resume(waited(joined))));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::joined);
  CHECK(f.cache.stats().joined == 1);
  CHECK(f.cache.stats().misses == 1);
}

TEST_CASE("read machine: who arrives after an invalidation joins no load from before it",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine old(f.source, request);
  Action old_action = old.start();
  f.invalidate(kA);
  ReadMachine arrival(f.source, request);
  Action action = elsewhere([&] { return arrival.start(); });
  REQUIRE(is<ReadMachine::Load>(action));
  (void)arrival.resume(brought(action, 2));
  CHECK(arrival.take_result().outcome.stored == Stored::yes);
  (void)old.resume(brought(old_action, 1));
  CHECK(old.take_result().outcome.stored == Stored::invalidated);
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: a waiter handed a value that was invalidated meanwhile loads anew",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  f.invalidate(kA);
  (void)leader.resume(brought(action, 1));
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)joiner.resume(brought(next, 2));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.stored == Stored::yes);
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: a waiter that is unlucky twice loads on its own", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine first(f.source, request);
  ReadMachine second(f.source, request);
  ReadMachine unlucky(f.source, request);
  Action first_load = first.start();
  Action waiting = elsewhere([&] { return unlucky.start(); });
  REQUIRE(is<ReadMachine::Await>(waiting));
  f.invalidate(kA);
  Action second_load = elsewhere([&] { return second.start(); });
  REQUIRE(is<ReadMachine::Load>(second_load));
  (void)first.resume(brought(first_load, 1));
  waiting = unlucky.resume(waited(waiting));
  REQUIRE(is<ReadMachine::Await>(waiting));
  f.invalidate(kA);
  (void)second.resume(brought(second_load, 2));
  waiting = unlucky.resume(waited(waiting));
  REQUIRE(is<ReadMachine::Load>(waiting));
  (void)unlucky.resume(brought(waiting, 3));
  CHECK(value_of(unlucky.take_result()) == 3);
  CHECK(f.find(request) == 3);
}

TEST_CASE("read machine: a waiter whose targets the value lacks loads with both sets",
          "[read_machine]") {
  Fixture f;
  NumberRequest with_a(f.source, {kA});
  NumberRequest with_b(f.source, {kB});
  ReadMachine leader(f.source, with_a);
  ReadMachine joiner(f.source, with_b);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  (void)leader.resume(brought(action, 1));
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)joiner.resume(brought(next, 2));
  CHECK(joiner.take_result().entry->targets().size() == 3);
}

TEST_CASE("read machine: an error reaches the leader and all waiters, and is not remembered",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  (void)leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  leader.fail(std::make_exception_ptr(std::runtime_error("the database is gone")));
  CHECK_THROWS_WITH(joiner.resume(waited(joined)), "the database is gone");
  CHECK(f.cache.stats().load_failures == 1);
  ReadMachine again(f.source, request);
  CHECK(is<ReadMachine::Load>(again.start()));
}

TEST_CASE("read machine: when a leader dies its waiter takes over with a new stamp",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  std::optional<ReadMachine> leader(std::in_place, f.source, request);
  ReadMachine joiner(f.source, request);
  Action old = leader->start();
  Action joined = elsewhere([&] { return joiner.start(); });
  f.invalidate(kA);
  leader.reset();
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  CHECK(std::get<ReadMachine::Load>(next).init.generation >
        std::get<ReadMachine::Load>(old).init.generation);
  (void)joiner.resume(brought(next, 2));
  CHECK(joiner.take_result().outcome.stored == Stored::yes);
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: a value stored after the call began is zero old, not less",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  std::optional<ReadMachine> leader(std::in_place, f.source, request);
  ReadMachine joiner(f.source, request);
  ReadMachine newer(f.source, request);
  (void)leader->start();
  Action joined = elsewhere([&] { return joiner.start(); });
  f.clock.advance(5s);
  f.invalidate(kA);
  Action action = elsewhere([&] { return newer.start(); });
  REQUIRE(is<ReadMachine::Load>(action));
  (void)newer.resume(brought(action, 2));
  leader.reset();
  REQUIRE(is<ReadMachine::Done>(joiner.resume(waited(joined))));
  const ReadResult result = joiner.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.age == 0s);
}

TEST_CASE("read machine: a timeout of a waiter is an error that may be retried", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  (void)leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  const auto waiter = std::get<ReadMachine::Await>(joined).waiter;
  CHECK_THROWS_AS(joiner.resume(waiter->wait(std::chrono::steady_clock::now())), Timeout);
}

TEST_CASE("read machine: a load that asks for its own key loads past the cache", "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  ReadMachine outer(f.source, request);
  ReadMachine inner(f.source, request);
  Action outer_action = outer.start();
  Action inner_action = inner.start();
  REQUIRE(is<ReadMachine::Load>(inner_action));
  (void)inner.resume(brought(inner_action, 1));
  const ReadResult result = inner.take_result();
  CHECK(result.outcome.status == ReadStatus::bypass);
  CHECK(result.outcome.stored == Stored::reentrant);
  (void)outer.resume(brought(outer_action, 2));
  CHECK(f.find(request) == 2);
}

TEST_CASE("read machine: rows that must not be kept are returned, with the reason",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  request.alone = true;
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  Loaded loaded = brought(action, 42);
  loaded.keep = Stored::in_transaction;
  (void)machine.resume(std::move(loaded));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.stored == Stored::in_transaction);
  CHECK(f.cache.stats().entries == 0);
}

TEST_CASE("read machine: a load in an older snapshot is kept only if it includes every mark",
          "[read_machine]") {
  Fixture f;
  f.invalidate(kA);  // position 11
  NumberRequest request(f.source, {kA});
  request.alone = true;
  const auto load_at = [&](const SharedStamp& snapshot) {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    Loaded loaded = brought(action, 42);
    loaded.snapshot = snapshot;
    (void)machine.resume(std::move(loaded));
    return machine.take_result().outcome.stored;
  };
  CHECK(load_at({kEpoch, {11}, {}}) == Stored::not_covered);
  CHECK(load_at({{9, 9}, {12}, {}}) == Stored::not_covered);
  CHECK(load_at({kEpoch, {5}, {}}) == Stored::not_covered);
  CHECK_FALSE(f.find(request));
  CHECK(load_at({kEpoch, {12}, {}}) == Stored::yes);
  CHECK(f.find(request) == 42);
}

TEST_CASE("read machine: waiters are not handed a value that its own snapshot condemns",
          "[read_machine]") {
  Fixture f;
  NumberRequest request(f.source, {kA});
  f.invalidate(kA);  // position 11, before both callers
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  Action action = leader.start();
  Action joined = elsewhere([&] { return joiner.start(); });
  REQUIRE(is<ReadMachine::Await>(joined));
  Loaded replica = brought(action, 1);
  replica.snapshot = SharedStamp{kEpoch, {11}, {}};  // does not include position 11
  (void)leader.resume(std::move(replica));
  CHECK(leader.take_result().outcome.stored == Stored::not_covered);
  Action next = joiner.resume(waited(joined));
  REQUIRE(is<ReadMachine::Load>(next));
  (void)joiner.resume(brought(next, 2));
  CHECK(value_of(joiner.take_result()) == 2);
}

TEST_CASE("read machine: a source out of touch with the log bypasses the cache by default",
          "[read_machine]") {
  // Rule 2.
  Fixture f;
  NumberRequest request(f.source, {kA});
  {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  f.source.marks().trust_until(f.clock.now() + 5s);
  CHECK(f.find(request) == 1);
  f.clock.advance(5s);
  CHECK_FALSE(f.find(request));
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  (void)machine.resume(brought(action, 2));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 2);
  CHECK(result.outcome.status == ReadStatus::bypass);
  CHECK(result.outcome.stored == Stored::lagging);
  CHECK(f.cache.stats().bypassed == 1);
  f.source.marks().trust_until(f.clock.now() + 5s);
  CHECK(f.find(request) == 1);  // nothing was invalidated: it was good all the time
}

TEST_CASE("read machine: by policy hits are served as degraded, but never invalidated ones",
          "[read_machine]") {
  Fixture f(Lagging::serve_degraded);
  NumberRequest request(f.source, {kA});
  {
    ReadMachine machine(f.source, request);
    Action action = machine.start();
    (void)machine.resume(brought(action, 1));
  }
  f.source.marks().trust_until(f.clock.now());
  CHECK(f.find(request) == 1);
  CHECK(f.outcome.status == ReadStatus::degraded);
  CHECK(f.outcome.is_hit());
  CHECK(f.cache.stats().degraded == 1);
  f.invalidate(kA);
  CHECK_FALSE(f.find(request));
}

TEST_CASE("read machine: a value from a shared tier is promoted, and judged from then on",
          "[read_machine]") {
  Fixture f;
  f.source.attach(std::make_shared<FakeTier>());
  NumberRequest request(f.source, {kA});
  ReadMachine machine(f.source, request);
  Action action = machine.start();
  REQUIRE(is<ReadMachine::PollTier>(action));
  CHECK(std::get<ReadMachine::PollTier>(action).name == query_name(request.key()));
  f.clock.advance(2s);
  SharedValue value = f.shared(42, 11);
  value.stored = f.clock.wall_now() - 3s;
  CHECK(is<ReadMachine::Done>(machine.resume(std::optional(value))));
  const ReadResult result = machine.take_result();
  CHECK(value_of(result) == 42);
  CHECK(result.outcome.status == ReadStatus::hit);
  CHECK(result.outcome.source == ReadSource::shared_tier);
  CHECK(result.outcome.stored == Stored::yes);
  CHECK(result.outcome.age == 3s);
  CHECK(f.cache.stats().shared_hits == 1);
  CHECK(f.find(request) == 42);
  CHECK(f.outcome.source == ReadSource::memory);
  f.invalidate(kA);
  CHECK_FALSE(f.find(request));
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
    CHECK(store.name == query_name(request.key()));
    CHECK(store.value.stamp == SharedStamp{kEpoch, {11}, {}});
    CHECK(store.value.targets == std::vector<Target>{kA, key_target(request.key())});
    CHECK(store.value.rows == number(42));
    CHECK(store.value.expires == f.clock.wall_now() + 5min);
    action = machine.resume_stored();
  }
  CHECK(is<ReadMachine::Done>(action));
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
