#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

namespace {

using namespace querymark;
using namespace querymark::test;

// A database that is asked whether a stamp is of its history.
struct Log final : StampProof {
  void prove(const SharedStamp& stamp) override {
    asked.push_back(stamp);
    if (on_prove) on_prove();
  }
  std::vector<SharedStamp> asked;
  std::function<void()> on_prove;
};

struct Fixture : MachineFixture {
  explicit Fixture(bool names_newest = false) {
    tier->knows_newest = names_newest;
    tier->on_get = [this] { return with_witness(42, 11); };
  }
  [[nodiscard]] SharedValue with_witness(std::int64_t n, std::uint64_t horizon) const {
    SharedValue value = shared(n, horizon);
    value.stamp.witness = {77};
    return value;
  }
  std::int64_t fetch() {
    const Result result = query("select n").tag(kA).ttl(5min).fetch();
    return result[0][0].as<std::int64_t>();
  }

  Log log;
  std::shared_ptr<FakeTier> tier = std::make_shared<FakeTier>();
};

}  // namespace

TEST_CASE(
    "read machine: of a tier that can't name its newest stamp each witness is looked at (hard case "
    "91)",
    "[read_machine]") {
  Fixture f;
  f.source.attach(f.tier, &f.log);
  SECTION("it is the log's: the value is served") {
    CHECK(f.fetch() == 42);
    CHECK(f.log.asked == std::vector{f.with_witness(42, 11).stamp});
    CHECK(f.cache.stats().shared_hits == 1);
  }
  SECTION("it is not, and the history goes on under another epoch") {
    f.log.on_prove = [&] { f.source.marks().restart(Fixture::upto(10, {8, 8})); };
    CHECK(f.fetch() == 1);
    CHECK(f.cache.stats().shared_stale == 1);
  }
  SECTION("nobody can tell") {
    f.log.on_prove = [] { throw Error("the log is gone"); };
    CHECK(f.fetch() == 1);
    CHECK(f.cache.stats().shared_stale == 1);
  }
  SECTION("meanwhile a target was invalidated") {
    f.log.on_prove = [&] { f.invalidate(kA); };
    CHECK(f.fetch() == 1);
    CHECK(f.cache.stats().shared_stale == 1);
  }
  SECTION("what the marks refuse is not asked about") {
    f.invalidate(kA);
    CHECK(f.fetch() == 1);
    CHECK(f.log.asked.empty());
  }
  SECTION("nor is a stamp without a witness") {
    f.tier->on_get = [&] { return f.shared(42, 11); };
    CHECK(f.fetch() == 42);
    CHECK(f.log.asked.empty());
  }
}

TEST_CASE("read machine: a witness that nobody could look at is refused", "[read_machine]") {
  Fixture f;
  f.source.attach(f.tier);
  CHECK(f.fetch() == 1);
  CHECK(f.cache.stats().shared_stale == 1);
}

TEST_CASE("read machine: a tier that names its newest stamp was looked at when it was attached",
          "[read_machine]") {
  Fixture f(true);
  f.source.attach(f.tier, &f.log);
  CHECK(f.fetch() == 42);
  CHECK(f.log.asked.empty());
}

TEST_CASE("read machine: a value found below is kept in the tiers above, as it was",
          "[read_machine]") {
  MachineFixture f;
  const std::vector<std::shared_ptr<FakeTier>> tiers{
      std::make_shared<FakeTier>(), std::make_shared<FakeTier>(), std::make_shared<FakeTier>()};
  for (const auto& tier : tiers) f.source.attach(tier);
  const auto fetch = [&] {
    const Result result = f.query("select n").tag(kA).ttl(5min).fetch();
    return result[0][0].as<std::int64_t>();
  };
  SharedValue there = f.shared(42, 11, {kB});
  there.stored -= 3s;
  SECTION("found in the second: the first gets it, the third does not") {
    tiers[1]->on_get = [&] { return there; };
    CHECK(fetch() == 42);
    REQUIRE(tiers[0]->values.size() == 1);
    const SharedValue& kept = tiers[0]->values.begin()->second;
    CHECK(kept.stamp == there.stamp);
    CHECK(kept.stored == there.stored);
    CHECK(kept.expires == there.expires);
    CHECK(kept.targets == there.targets);
    CHECK(tiers[0]->last_namespace == "shop");
    CHECK(tiers[1]->values.empty());
    CHECK(tiers[2]->values.empty());
  }
  SECTION("a stale one above is passed by, and replaced") {
    f.invalidate(kA);  // at 11
    tiers[0]->on_get = [&] { return f.shared(41, 11); };
    tiers[2]->on_get = [&] { return f.shared(42, 12); };
    CHECK(fetch() == 42);
    REQUIRE(tiers[0]->values.size() == 1);
    CHECK(tiers[0]->values.begin()->second.stamp.horizon == Position{12});
    CHECK(tiers[1]->values.size() == 1);
    CHECK(tiers[2]->values.empty());
    CHECK(f.cache.stats().shared_stale == 1);
  }
  SECTION("what this reader refuses is kept nowhere") {
    f.invalidate(kB);
    tiers[1]->on_get = [&] { return there; };
    CHECK(fetch() == 1);
    CHECK(tiers[0]->values.begin()->second.rows == number(1));
  }
}
