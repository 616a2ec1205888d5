#include <catch2/catch.hpp>
#include <stdexcept>

#include "unit/read_machine_fixture.hpp"

// Whether results are cached: rules about the call, and rules about the rows.

namespace {

using namespace querymark;
using namespace querymark::test;

bool is_even(std::string_view /*sql*/, std::span<const ParameterView> values) {
  return values[0].as_int64() % 2 == 0;
}

// Asks the reader before it hands a value out, as tiers do that choose between several.
class AskingTier final : public FakeTier {
 public:
  [[nodiscard]] std::optional<TierFailure> read(std::string_view /*namespace_name*/,
                                                std::span<TierRead> wanted) noexcept override {
    for (TierRead& one : wanted) {
      one.value = value;
      if (!one.judge->takes(*one.value)) ++refused;
    }
    return std::nullopt;
  }
  SharedValue value;
  int refused = 0;
};

}  // namespace

TEST_CASE("policy: rules are combined by and, or, not", "[policy]") {
  const RowsRule yes = [](const ResultSet&) { return true; };
  const RowsRule no = !yes;
  const ResultSet rows = number(1);
  CHECK(RowsRule()(rows));  // nothing to ask
  CHECK(RowsRule().empty());
  CHECK_FALSE(no.empty());
  CHECK(yes(rows));
  CHECK_FALSE(no(rows));
  CHECK((yes && yes)(rows));
  CHECK_FALSE((yes && no)(rows));
  CHECK((no || yes)(rows));
  CHECK_FALSE((no || no)(rows));
  CHECK((!(no || no) && yes)(rows));
  CHECK(at_most_rows(1)(rows));
  CHECK_FALSE(at_most_rows(0)(rows));
  CHECK(at_most_bytes(rows.heap_bytes())(rows));
  CHECK_FALSE(at_most_bytes(rows.heap_bytes() - 1)(rows));
  CHECK(has_rows()(rows));
}

TEST_CASE("policy: a call that is not wanted is answered by the database, and not kept",
          "[policy]") {
  ReadFixture f;
  const auto query = f.prepare("select n where $1").tag(tag("a")).policy({.cache_if = is_even});
  const auto read_prepared = [&](int n) { return query(n).outcome(); };
  const auto read_query = [&](int n) {
    return f.query("select n where $1", n)
        .tag(tag("a"))
        .policy({.cache_if = is_even})
        .fetch()
        .outcome();
  };
  const bool prepared = GENERATE(true, false);
  const auto read = [&](int n) { return prepared ? read_prepared(n) : read_query(n); };
  CHECK_FALSE(read(2).is_hit());
  CHECK(read(2).is_hit());
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = read(3);
    CHECK(outcome.status == ReadStatus::bypass);
    CHECK(outcome.stored == Stored::unwanted);
  }
  CHECK(f.cache.stats().unwanted == 2);
  CHECK(f.cache.stats().bypassed == 2);
  CHECK(f.cache.stats().entries == 1);
  CHECK(f.loader.loads == 3);
}

TEST_CASE("policy: what others keep is no hit for who does not want the call cached", "[policy]") {
  ReadFixture f;
  const auto all = f.prepare("select n where $1").tag(tag("a"));
  const auto even = all.policy({.cache_if = is_even});
  (void)all(3);
  CHECK(even(3).outcome().stored == Stored::unwanted);
  CHECK(all(3).outcome().is_hit());
  auto copy = even;
  copy.set_enabled(false);
  CHECK(copy(2).outcome().stored == Stored::disabled);
  copy.set_enabled(true);
  (void)even(2);
  CHECK(even(2).outcome().is_hit());
  CHECK(even(3).outcome().stored == Stored::unwanted);
}

TEST_CASE("policy: a rule that throws fails the read, and leaves nobody waiting", "[policy]") {
  ReadFixture f;
  const auto throws = [](const auto&...) -> bool { throw std::runtime_error("no idea"); };
  const auto by_call = f.prepare("select n").tag(tag("a")).policy({.cache_if = throws});
  const auto by_rows = f.prepare("select n").tag(tag("a")).policy({.keep_if = throws});
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_WITH(by_call(), "no idea");
    CHECK_THROWS_WITH(by_rows(), "no idea");
  }
  CHECK(f.source.flights().size() == 0);
  CHECK(f.loader.loads == 2);
}

TEST_CASE("policy: what rules and taggers throw over a shared value has it refused", "[policy]") {
  ReadFixture f;
  const auto tier = std::make_shared<AskingTier>();
  tier->value = SharedValue{.stamp = {kEpoch, {11}, {}},
                            .stored = f.clock.wall_now(),
                            .expires = f.clock.wall_now() + std::chrono::hours(1),
                            .targets = {tag("a")},
                            .rows = number(10)};
  f.source.attach(tier);
  static bool throws;
  throws = true;
  const auto by_rule =
      f.prepare("select n").tag(tag("a")).policy({.keep_if = [](const ResultSet&) -> bool {
        if (throws) throw 42;  // which need be no std::exception
        return true;
      }});
  const auto by_row = f.prepare("select n").tag(tag("a")).tag_rows([](const Row&) {
    if (throws) throw 42;
    return tag("b");
  });
  CHECK_THROWS_AS(by_rule(), int);  // of the load, which asks again
  CHECK_THROWS_AS(by_row(), int);
  CHECK(tier->refused == 2);
  CHECK(f.source.flights().size() == 0);
  throws = false;
  CHECK(by_rule().outcome().origin == Origin::shared_tier);
  CHECK(by_row().outcome().is_hit());
}

TEST_CASE("policy: rows that are not kept serve those who wait for them", "[policy]") {
  MachineFixture f;
  const NumberRequest request(f.source, {kA});
  NumberRequest leads(f.source, {kA});
  NumberRequest waits(f.source, {kA});
  ReadMachine leader(f.source, leads);
  ReadMachine waiter(f.source, waits, {CallerId{77}});
  const Action load = leader.start();
  Action await = waiter.start();
  REQUIRE(is<ReadMachine::Await>(await));
  Loaded loaded = brought(load, 7);
  loaded.keep = Stored::declined;
  SECTION("of now") {
    CHECK(is<ReadMachine::Done>(leader.resume(std::move(loaded))));
    CHECK(leader.take_result().outcome.stored == Stored::declined);
    CHECK(is<ReadMachine::Done>(waiter.resume(waited(await))));
    const ReadResult joined = waiter.take_result();
    CHECK(joined.outcome.status == ReadStatus::joined);
    CHECK(value_of(joined) == 7);
    CHECK(f.cache.stats().declined == 1);
  }
  SECTION("but not of an older snapshot") {
    f.invalidate(kA);  // at position 11
    loaded.snapshot = SharedStamp{kEpoch, {11}, {}};
    CHECK(is<ReadMachine::Done>(leader.resume(std::move(loaded))));
    CHECK(leader.take_result().outcome.stored == Stored::not_covered);
    CHECK(is<ReadMachine::Load>(waiter.resume(waited(await))));
    CHECK(f.cache.stats().declined == 0);
  }
  CHECK(f.cache.stats().entries == 0);
  CHECK_FALSE(f.find(request));
}
