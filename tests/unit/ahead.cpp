#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <utility>
#include <vector>

#include "unit/refreshing.hpp"

// Memory that is filled before anybody asks: by loads in the background, and from a shared tier.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using test::FakeTier;
using test::number;
using test::ReadFixture;
using test::Refreshing;

constexpr const char* kSql = "select n where n = ?";

// Another process has loaded `values`, so their tier holds them.
void fill(const std::shared_ptr<FakeTier>& tier, const std::vector<int>& values) {
  Refreshing other;
  other.source->attach(tier);
  other.loader.on_load = [](auto parameters) {
    return LoadedRows{number(parameters[0].as_int64() * 10)};
  };
  const auto query = other.prepare(kSql).tag(tag("a"));
  for (const int value : values) static_cast<void>(query(value));
}

}  // namespace

TEST_CASE("prefetch: what memory lacks is loaded behind the caller's back, once", "[ahead]") {
  Refreshing f;
  const auto query = f.prepare(kSql).tag(tag("a"));
  query.prefetch(1);
  f.settle();
  CHECK(f.loader.loads == 1);
  CHECK(query(1).outcome().is_hit());
  query.prefetch(1);  // memory has it
  f.settle();
  CHECK(f.loader.loads == 1);
  f.invalidate(tag("a"));
  query.prefetch(1);
  f.settle();
  CHECK(f.loader.loads == 2);
  CHECK(query(1).outcome().is_hit());
  const PreparedQuery<ResultSet, int> named = query;
  named.prefetch_each(std::vector<int>{1, 2, 3});
  f.settle();
  CHECK(f.loader.loads == 4);
  CHECK(query(3).outcome().is_hit());
}

TEST_CASE("prefetch: nobody's read is counted", "[ahead]") {
  Refreshing f;
  const auto query = f.prepare(kSql).tag(tag("a"));
  static_cast<void>(query(1));
  const std::uint64_t hits = f.cache.stats().hits;
  query.prefetch(1);
  CHECK(f.cache.stats().hits == hits);
}

TEST_CASE("prefetch: an invalidation that comes during the load wins", "[ahead]") {
  Refreshing f;
  const auto query = f.prepare(kSql).tag(tag("a"));
  f.loader.on_load = [&](auto) {
    f.loader.on_load = nullptr;
    f.invalidate(tag("a"));
    return LoadedRows{number(1)};
  };
  query.prefetch(1);
  f.settle();
  CHECK(query(1).outcome().status == ReadStatus::miss);
}

TEST_CASE("prefetch: what the policy does not want, or the executor can't take, is not loaded",
          "[ahead]") {
  Refreshing f;
  const auto odd = [](std::string_view, std::span<const ParameterView> values) {
    return values[0].as_int64() % 2 == 1;
  };
  const auto query = f.prepare(kSql).tag(tag("a")).policy({.cache_if = odd});
  query.prefetch(2);
  f.settle();
  CHECK(f.loader.loads == 0);
  query.prefetch(1);
  f.settle();
  CHECK(f.loader.loads == 1);
  const auto tier = std::make_shared<FakeTier>();
  fill(tier, {2});
  Refreshing other;
  other.source->attach(tier);
  CHECK(other.prepare(kSql)
            .tag(tag("a"))
            .policy({.cache_if = odd})
            .warm_up(std::vector<int>{2})
            .missing == 1);
  static_cast<void>(f.offload->drain(10s));
  f.prepare("select other where n = ?").prefetch(1);
  CHECK(f.cache.stats().refreshes_refused == 1);
  ReadFixture without;
  CHECK_THROWS_WITH(without.prepare(kSql).prefetch(1), Contains("CacheOptions::offload"));
}

TEST_CASE("warm-up: memory is filled from a shared tier, and the database is not asked",
          "[ahead]") {
  const auto tier = std::make_shared<FakeTier>();
  fill(tier, {1, 2, 3});
  Refreshing f;
  f.source->attach(tier);
  const auto query = f.prepare(kSql).tag(tag("a"));
  const WarmUp first = query.warm_up(std::vector<int>{1, 2, 4});
  CHECK(first.wanted == 3);
  CHECK(first.looked == 3);
  CHECK(first.found == 2);
  CHECK(first.missing == 1);
  CHECK(first.failed == 0);
  CHECK_FALSE(first.stopped);
  CHECK(f.loader.loads == 0);
  CHECK(f.source->flights().size() == 0);
  const Result warm = query(1);
  CHECK(warm.outcome().is_hit());
  CHECK(warm.outcome().origin == Origin::memory);
  CHECK(Refreshing::value(warm) == 10);
  // What memory has is left as it is; tuples are calls, too, and so are those by a name.
  const PreparedQuery<ResultSet, int> named = query;
  const WarmUp again = named.warm_up(std::vector<std::tuple<int>>{{1}, {3}});
  CHECK(again.already == 1);
  CHECK(again.found == 1);
  // What was missing is loaded as ever by who needs it.
  CHECK(query(4).outcome().status == ReadStatus::miss);
}

TEST_CASE("warm-up: what an invalidation has reached is not taken (hard case 102)", "[ahead]") {
  const auto tier = std::make_shared<FakeTier>();
  fill(tier, {1});
  Refreshing f;
  f.source->attach(tier);
  f.invalidate(tag("a"));
  const auto query = f.prepare(kSql).tag(tag("a"));
  const WarmUp warm = query.warm_up(std::vector<int>{1});
  CHECK(warm.missing == 1);
  CHECK(query(1).outcome().origin == Origin::database);
}

TEST_CASE("warm-up: old values that a policy would serve are none to start with", "[ahead]") {
  Refreshing f;
  const auto tier = std::make_shared<FakeTier>();
  f.source->attach(tier);
  const auto query =
      f.prepare(kSql).tag(tag("a")).ttl(10s).policy({.serve_stale = 1h, .hard_timeout = 1h});
  static_cast<void>(query(1));
  f.settle();  // what the load has brought is stored
  tier->values.clear();
  f.clock.advance(11s);
  const WarmUp warm = query.warm_up(std::vector<int>{1});
  CHECK(warm.missing == 1);
  CHECK(f.loader.loads == 1);
}

TEST_CASE("warm-up: it tells how far it is, and stops when it is asked to", "[ahead]") {
  const auto tier = std::make_shared<FakeTier>();
  fill(tier, {1, 2, 3, 4, 5});
  Refreshing f;
  f.source->attach(tier);
  const auto query = f.prepare(kSql).tag(tag("a"));
  const std::vector<int> keys{1, 2, 3, 4, 5};
  std::vector<std::size_t> told;
  std::stop_source stop;
  const WarmUpOptions options{.progress =
                                  [&](const WarmUp& so_far) {
                                    told.push_back(so_far.looked);
                                    if (so_far.looked == 4) stop.request_stop();
                                  },
                              .every = 2,
                              .stop = stop.get_token()};
  const WarmUp warm = query.warm_up(keys, options);
  CHECK(told == std::vector<std::size_t>{2, 4, 4});
  CHECK(warm.stopped);
  CHECK(warm.found == 4);
  CHECK(query.warm_up(keys).already == 4);
  CHECK_THROWS_AS(
      query.warm_up(keys, {.progress = [](const WarmUp&) { throw std::runtime_error(""); }}),
      std::runtime_error);
}

TEST_CASE("warm-up: a call that nobody can look for is counted, and the others are looked for",
          "[ahead]") {
  const auto tier = std::make_shared<FakeTier>();
  fill(tier, {1, 3});
  Refreshing f;
  f.source->attach(tier);
  const auto query = f.prepare(kSql).tag([](int n) {
    if (n == 2) throw std::runtime_error("two has no tag");
    return tag("a");
  });
  const WarmUp warm = query.warm_up(std::vector<int>{1, 2, 3});
  CHECK(warm.looked == 3);
  CHECK(warm.failed == 1);
  CHECK(warm.error == "two has no tag");
  CHECK(warm.found + warm.missing == 2);
  const auto odd = f.prepare(kSql).tag([](int n) {
    if (n == 2) throw n;
    return tag("a");
  });
  CHECK(odd.warm_up(std::vector<int>{1, 2, 3}).failed == 1);
}

TEST_CASE("warm-up: without a tier, or told to tell after no calls, it says so", "[ahead]") {
  Refreshing f;
  const auto query = f.prepare(kSql).tag(tag("a"));
  CHECK_THROWS_WITH(query.warm_up(std::vector<int>{1}), Contains("attach()"));
  f.source->attach(std::make_shared<FakeTier>());
  CHECK_THROWS_AS(query.warm_up(std::vector<int>{1}, {.every = 0}), ConfigError);
  CHECK(query.warm_up(std::vector<int>{}).wanted == 0);
}

TEST_CASE("warm-up: a load that is under way is not waited for, and its waiters stay", "[ahead]") {
  Refreshing f;
  f.source->attach(std::make_shared<FakeTier>());
  const auto query = f.prepare(kSql).tag(tag("a"));
  WarmUp warm;
  f.loader.on_load = [&](auto) {
    warm = test::elsewhere([&] { return query.warm_up(std::vector<int>{1}); });
    return LoadedRows{number(1)};
  };
  CHECK(query(1).outcome().status == ReadStatus::miss);
  CHECK(warm.missing == 1);
  CHECK(query(1).outcome().is_hit());
}

TEST_CASE("warm-up: whoever reads meanwhile does not wait for it, and what they have loaded stays",
          "[ahead]") {
  Refreshing f;
  struct SlowTier : FakeTier {
    std::optional<TierFailure> read(std::string_view /*namespace_name*/,
                                    std::span<TierRead> /*wanted*/) noexcept override {
      if (before_answer) std::exchange(before_answer, nullptr)();
      return std::nullopt;
    }
    std::function<void()> before_answer;
  };
  const auto tier = std::make_shared<SlowTier>();
  f.source->attach(tier);
  const auto query = f.prepare(kSql).tag(tag("a"));
  ReadStatus reader = ReadStatus::hit;
  tier->before_answer = [&] {
    reader = test::elsewhere([&] { return query(1).outcome().status; });
  };
  CHECK(query.warm_up(std::vector<int>{1}).missing == 1);
  CHECK(reader == ReadStatus::miss);
  CHECK(f.loader.loads == 1);
  CHECK(query(1).outcome().is_hit());
}
