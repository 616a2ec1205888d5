#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>

#include "unit/refreshing.hpp"

// Values that are loaded anew behind the backs of those who read them.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::FakeTier;
using test::number;
using test::Refreshing;

const Target kA = tag("a");
const Target kB = tag("b");

const ReadPolicy kBehindBacks{.stale_while_refreshing = 5s};
const ReadPolicy kAhead{.refresh_ahead = 0.8};

}  // namespace

TEST_CASE("refresh: past its ttl a value is served to all, and loaded once behind their backs",
          "[refresh]") {
  Refreshing f;
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kBehindBacks);
  (void)query();
  f.clock.advance(11s);
  f.loader.value = 2;
  std::promise<void> go;
  f.loader.on_load = [may = go.get_future().share(), &f](auto) {
    may.wait();
    return LoadedRows{number(f.loader.value)};
  };
  for (int i = 0; i < 3; ++i) {
    const Result old = query();
    CHECK(old.outcome().status == ReadStatus::stale);
    CHECK(f.value(old) == 1);
  }
  go.set_value();
  f.settle();
  const Result fresh = query();
  CHECK(fresh.outcome().status == ReadStatus::hit);
  CHECK(f.value(fresh) == 2);
  CHECK(f.loader.loads == 2);
  CHECK(f.cache.stats().refreshes == 1);
  f.clock.advance(15s);  // the end of the window
  CHECK(query().outcome().status == ReadStatus::miss);
}

TEST_CASE("refresh: a hit on a value that has lived for long has it loaded ahead of its end",
          "[refresh]") {
  Refreshing f;
  const bool prepared = GENERATE(true, false);
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kAhead);
  const auto read = [&] {
    return prepared ? query() : f.query("select n").tag(kA).ttl(10s).policy(kAhead).fetch();
  };
  (void)read();
  f.loader.value = 2;
  f.clock.advance(7s);
  CHECK(f.value(read()) == 1);
  f.settle();
  CHECK(f.loader.loads == 1);
  f.clock.advance(1s);
  const Result old = read();
  CHECK(old.outcome().status == ReadStatus::hit);
  CHECK(f.value(old) == 1);
  f.settle();
  CHECK(f.value(read()) == 2);
  f.clock.advance(7s);
  const Result fresh = read();
  CHECK(fresh.outcome().status == ReadStatus::hit);
  CHECK(fresh.outcome().age == 7s);
  CHECK(f.loader.loads == 2);
  CHECK(f.cache.stats().misses == 2);
}

TEST_CASE("refresh: what is loaded and not to be kept is not loaded at each hit", "[refresh]") {
  Refreshing f;
  const bool ahead = GENERATE(true, false);
  bool keeps = true;
  ReadPolicy policy = ahead ? kAhead : kBehindBacks;
  policy.ttl_of = [&](const ResultSet&) -> TimeSpan { return keeps ? 1h : 0h; };
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(policy);
  (void)query();
  keeps = false;
  f.clock.advance(ahead ? 8s : 10s);
  for (int i = 0; i < 5; ++i) {
    CHECK(f.value(query()) == 1);
    f.settle();
  }
  CHECK(f.loader.loads == 2);
  f.clock.advance(Breaker::kFirstPause);
  keeps = true;
  f.loader.value = 2;
  (void)query();
  f.settle();
  CHECK(f.value(query()) == 2);
}

TEST_CASE("refresh: a load that an invalidation overtakes in the background is not kept",
          "[refresh]") {
  Refreshing f;
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kAhead);
  (void)query();
  f.clock.advance(9s);
  f.loader.on_load = [&](auto) {
    f.invalidate(kA);
    return LoadedRows{number(2)};
  };
  (void)query();
  f.settle();
  f.loader.on_load = nullptr;
  f.loader.value = 3;
  const Result after = query();
  CHECK(after.outcome().status == ReadStatus::miss);
  CHECK(f.value(after) == 3);
}

TEST_CASE("refresh: hits during the load do not keep the old value in the new one's place",
          "[refresh]") {
  Refreshing f;
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kAhead);
  (void)query();
  f.clock.advance(9s);
  f.loader.on_load = [&](auto) {
    f.invalidate(kB);              // of something else
    CHECK(f.value(query()) == 1);  // which raises the old value's stamp
    return LoadedRows{number(2)};
  };
  (void)query();
  f.settle();
  CHECK(f.value(query()) == 2);
}

TEST_CASE(
    "refresh: the new value carries what the query declares, its rows and the old one's targets",
    "[refresh]") {
  Refreshing f;
  SECTION("made from parameters, which were copied") {
    const auto query = f.prepare("select n where $1")
                           .tag([](std::string_view name) { return entity("n", name); })
                           .ttl(10s)
                           .policy(kAhead);
    const std::string name = "a name that is longer than what fits into a string itself";
    const auto read = [&] { return query(std::string_view(std::string(name))); };
    std::string bound;
    f.loader.on_load = [&](std::span<const ParameterView> values) {
      bound = values[0].as_view();
      return LoadedRows{number(f.loader.value)};
    };
    (void)read();
    f.clock.advance(9s);
    bound.clear();
    (void)read();
    f.settle();
    CHECK(bound == name);
    CHECK(read().outcome().is_hit());
    f.invalidate(entity("n", name));
    CHECK_FALSE(read().outcome().is_hit());
  }
  SECTION("of its rows, which are others now") {
    const auto query =
        f.prepare("select n")
            .tag(kA)
            .tag_rows([](const Row& row) { return entity("n", row[0].as<std::int64_t>()); })
            .ttl(10s)
            .policy(kAhead);
    (void)query();
    f.loader.value = 2;
    f.clock.advance(9s);
    (void)query();
    f.settle();
    CHECK(f.value(query()) == 2);
    f.invalidate(entity("n", std::int64_t{2}));
    CHECK_FALSE(query().outcome().is_hit());
  }
  SECTION("of another call site") {
    const auto with_a = [&] { return f.query("select n").tag(kA).ttl(10s).policy(kAhead).fetch(); };
    const auto with_b = [&] { return f.query("select n").tag(kB).ttl(10s).fetch(); };
    (void)with_a();
    (void)with_b();
    f.clock.advance(9s);
    f.loader.value = 2;
    (void)with_a();
    f.settle();
    const Result fresh = with_b();
    CHECK(fresh.outcome().is_hit());
    CHECK(f.value(fresh) == 2);
    f.invalidate(kB);
    CHECK_FALSE(with_a().outcome().is_hit());
  }
}

TEST_CASE("refresh: a shared tier's value is taken only if it expires later", "[refresh]") {
  Refreshing f;
  const auto tier = std::make_shared<FakeTier>();
  f.source->attach(tier);
  const auto query = f.prepare("select n").tag(kA).ttl(100s).policy(kAhead);
  (void)query();
  REQUIRE(tier->values.size() == 1);
  f.loader.value = 2;
  f.clock.advance(90s);
  const bool newer = GENERATE(true, false);
  if (newer) {
    SharedValue& value = tier->values.begin()->second;
    value.rows = number(7);
    value.stored = f.clock.wall_now() - 1s;
    value.expires = f.clock.wall_now() + 99s;
  }
  (void)query();
  f.settle();
  CHECK(f.value(query()) == (newer ? 7 : 2));
  CHECK(f.loader.loads == (newer ? 1 : 2));
}

TEST_CASE("refresh: what fails in the background leaves the old value, and blocks nothing",
          "[refresh]") {
  Refreshing f;
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kBehindBacks);
  (void)query();
  f.clock.advance(11s);
  f.loader.on_load = [](auto) -> LoadedRows { throw std::runtime_error("no"); };
  const auto serve = [&] {
    CHECK(query().outcome().status == ReadStatus::stale);
    f.settle();
    return f.loader.loads.load();
  };
  CHECK(serve() == 2);
  CHECK(serve() == 2);  // not at each hit
  f.clock.advance(Breaker::kFirstPause);
  CHECK(serve() == 3);
  f.clock.advance(Breaker::kFirstPause);
  CHECK(serve() == 3);  // the pause is longer now
  f.clock.advance(Breaker::kFirstPause);
  CHECK(serve() == 4);
  CHECK(f.offload->stats().failed == 3);
  f.loader.on_load = nullptr;
  f.clock.advance(Breaker::kLongestPause);
  (void)query();
  f.settle();
  CHECK(query().outcome().status == ReadStatus::hit);
}

TEST_CASE("refresh: a tagger that throws behind the caller's back costs the refresh alone",
          "[refresh]") {
  Refreshing f;
  static bool throws;
  throws = false;
  const auto query = f.prepare("select n")
                         .tag([] {
                           if (throws) throw 42;  // which need be no std::exception
                           return tag("a");
                         })
                         .ttl(10s)
                         .policy(kAhead);
  (void)query();
  f.clock.advance(9s);
  throws = true;  // a hit does not ask it
  CHECK(query().outcome().is_hit());
  CHECK(f.cache.stats().refreshes_refused == 1);
  throws = false;
  f.loader.value = 2;
  CHECK(f.value(query()) == 1);
  f.settle();
  CHECK(f.value(query()) == 2);
}

TEST_CASE(
    "refresh: a policy that loads in the background needs an executor, or a word that it shall not",
    "[refresh]") {
  Refreshing without(nullptr);
  for (const ReadPolicy& policy : {kBehindBacks, kAhead}) {
    CHECK_THROWS_AS(without.prepare("select n").policy(policy), ConfigError);
    CHECK_THROWS_AS(without.query("select n").policy(policy), ConfigError);
    CHECK_THROWS_AS(get_or_load<int>(*without.source, "n", {.policy = policy}, [] { return 1; }),
                    ConfigError);
  }
  for (const double part : {-0.1, 1.0})
    CHECK_THROWS_AS(without.prepare("select n").policy({.refresh_ahead = part}), ConfigError);
  Refreshing f(Offload::disabled());
  const auto query = f.prepare("select n").tag(kA).ttl(10s).policy(kBehindBacks);
  (void)query();
  f.clock.advance(11s);
  CHECK(query().outcome().status == ReadStatus::stale);
  CHECK(f.cache.stats().refreshes_refused == 1);
  CHECK(f.loader.loads == 1);
}

TEST_CASE("refresh: a source that goes waits for what runs, and what waits never runs",
          "[refresh]") {
  Refreshing f;
  auto first = std::make_optional(f.prepare("select 1").tag(kA).ttl(10s).policy(kAhead));
  const auto second = f.prepare("select 2").tag(kA).ttl(10s).policy(kAhead);
  (void)(*first)();
  (void)second();
  f.clock.advance(9s);
  std::promise<void> begun;
  std::promise<void> go;
  f.loader.on_load = [&, may = go.get_future().share()](auto) {
    begun.set_value();  // once: the other never comes
    may.wait();
    return LoadedRows{number(2)};
  };
  (void)(*first)();
  begun.get_future().wait();
  (void)second();
  first.reset();  // the task does not need it
  auto gone = std::async(std::launch::async, [&] { f.source.reset(); });
  while (f.offload->stats().cancelled == 0) std::this_thread::yield();
  go.set_value();
  gone.get();
  CHECK(f.loader.loads == 3);
  CHECK(f.offload->stats().running == 0);
}

TEST_CASE("refresh: what loads on a caller's own connection is loaded by its callers alone",
          "[refresh]") {
  Refreshing f;
  struct OnOwnConnection final : Loader {
    LoadedRows load(std::string_view /*sql*/, std::span<const ParameterView> /*of*/) override {
      ++loads;
      return {number(1)};
    }
    bool borrowed() const noexcept override { return true; }
    std::atomic<int> loads = 0;
  } own;
  const auto fetch = [&](const std::string& sql, const ReadPolicy& policy) {
    return Query(*f.source, own, sql, Parameters()).ttl(10s).policy(policy).fetch();
  };
  const ReadPolicy ahead{.stale_while_refreshing = 1min, .refresh_ahead = 0.5};
  static_cast<void>(fetch("select n", ahead));
  f.clock.advance(6s);  // for a refresh ahead of time
  CHECK(fetch("select n", ahead).outcome().is_hit());
  f.clock.advance(6s);  // past its end
  CHECK(fetch("select n", ahead).outcome().is_hit());
  CHECK(fetch("select m", {.hard_timeout = 1h}).outcome().status == ReadStatus::miss);
  f.settle();
  CHECK(own.loads == 2);  // the callers'
  CHECK(f.cache.stats().refreshes == 0);
}
