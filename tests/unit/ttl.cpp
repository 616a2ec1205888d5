#include <catch2/catch.hpp>

#include "unit/read_fixture.hpp"

// The ends of the range of times that callers give: zero, below it, and beyond what a clock
// reaches.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::ReadFixture;

constexpr auto kForEver = std::chrono::hours::max();

// A way to read one value with a ttl; true if that was a hit.
using Read = std::function<bool(ReadFixture&, std::optional<TimeSpan>)>;

bool read_query(ReadFixture& f, std::optional<TimeSpan> ttl) {
  return f.query("select 1").ttl(ttl.value_or(5min)).fetch().outcome().is_hit();
}
bool read_prepared(ReadFixture& f, std::optional<TimeSpan> ttl) {
  return f.prepare("select 1").ttl(ttl.value_or(5min))().outcome().is_hit();
}
bool read_value(ReadFixture& f, std::optional<TimeSpan> ttl) {
  return get_or_load<int>(f.source, "one", {.ttl = ttl}, [] { return 1; }).outcome().is_hit();
}

}  // namespace

TEST_CASE("ttl: for ever is as long as the process lives", "[ttl]") {
  const Read read = GENERATE(Read(read_query), Read(read_prepared), Read(read_value));
  ReadFixture f;
  CHECK_FALSE(read(f, kForEver));
  CHECK(read(f, kForEver));
  f.clock.advance(std::chrono::years(30));
  CHECK(read(f, kForEver));
}

TEST_CASE("ttl: zero serves nothing and keeps nothing, and costs others nothing", "[ttl]") {
  const Read read = GENERATE(Read(read_query), Read(read_prepared), Read(read_value));
  ReadFixture f;
  CHECK_FALSE(read(f, 0s));
  CHECK_FALSE(read(f, 0s));
  CHECK(f.cache.stats().entries == 0);
  CHECK_FALSE(read(f, 1h));
  CHECK_FALSE(read(f, 0s));
  CHECK(read(f, 1h));
}

TEST_CASE("ttl: below zero is refused", "[ttl]") {
  const Read read = GENERATE(Read(read_query), Read(read_prepared), Read(read_value));
  ReadFixture f;
  CHECK_THROWS_AS(read(f, -1ns), ConfigError);
  CHECK_THROWS_AS(read(f, std::chrono::hours::min()), ConfigError);
  CHECK(f.loader.loads == 0);
}

TEST_CASE("ttl: a caller with a shorter one drops nobody else's value", "[ttl]") {
  ReadFixture f;
  const auto patient = f.prepare("select 1").ttl(1h);
  (void)patient();
  f.clock.advance(10s);
  ReadResult found;
  const KeyPrefixRef prefix = f.source.prefix(
      detail::stored_type_name<ResultSet, detail::NoMapper>(), KeyPrefix::Form::sql, "select 1");
  const KeyEncoder encoder(*prefix);
  const ReadOptions impatient{.ttl = 5s};
  CHECK_FALSE(f.source.find({.call = encoder.call(), .options = impatient}, found));
  CHECK(patient().outcome().is_hit());
}

TEST_CASE("ttl: the default of a source may be for ever or zero, not below", "[ttl]") {
  Cache cache({.memory_bytes = 8U << 20U});
  CHECK_THROWS_AS(Source(cache, {.default_ttl = -1s}), ConfigError);
  Source forever(cache, {.default_ttl = kForEver});
  Source never(cache, {.default_ttl = 0s});
  for (Source* source : {&forever, &never}) source->marks().trust_until(MonotonicTime::max());
  const auto hit = [](Source& source) {
    (void)get_or_load<int>(source, "n", {}, [] { return 1; });
    return get_or_load<int>(source, "n", {}, [] { return 1; }).outcome().is_hit();
  };
  CHECK(hit(forever));
  CHECK_FALSE(hit(never));
}

TEST_CASE("timeout: below zero is refused, for ever waits", "[ttl]") {
  ReadFixture f;
  CHECK_THROWS_AS(f.query("select 1").timeout(-1ms), ConfigError);
  CHECK_THROWS_AS((void)f.prepare("select 1").timeout(-1ms), ConfigError);
  CHECK_THROWS_AS((void)get_or_load<int>(f.source, "n", {.timeout = -1ms}, [] { return 1; }),
                  ConfigError);
  CHECK(f.query("select 1").timeout(kForEver).fetch().size() == 1);
  CHECK(Wait::local(kForEver).timeout() == std::chrono::nanoseconds::max());
  CHECK_THROWS_AS(Wait::local(-1ms), ConfigError);
}

TEST_CASE("ttl: a shared value's age counts in memory too, however long the machine has run",
          "[ttl]") {
  ReadFixture f;
  const auto tier = std::make_shared<test::FakeTier>();
  f.source.attach(tier);
  const auto ask = [&](TimeSpan ttl) { return f.query("select 1").ttl(ttl).fetch().outcome(); };
  (void)ask(240h);
  REQUIRE(tier->values.size() == 1);
  // Another process stored it 100 hours ago, before this machine was started.
  SharedValue& value = tier->values.begin()->second;
  value.stored -= 100h;
  value.stamp.horizon = {51};                       // all that is known after the restart
  f.source.marks().restart(ReadFixture::upto(50));  // memory is flushed
  const Outcome promoted = ask(200h);
  REQUIRE(promoted.origin == Origin::shared_tier);
  CHECK(promoted.age == 100h);
  CHECK(ask(200h).origin == Origin::memory);
  CHECK(ask(50h).origin != Origin::memory);
}
