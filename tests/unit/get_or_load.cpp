#include "querymark/read/get_or_load.hpp"

#include <catch2/catch.hpp>
#include <stdexcept>

#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::value;

struct Fixture {
  ManualClock clock;
  Cache cache{{.name = "values", .memory_bytes = 4U << 20U, .clock = &clock}};
  int loads = 0;

  [[nodiscard]] Cached<std::string> get(std::string_view name, const ReadOptions& options = {}) {
    return cache.get_or_load<std::string>(name, options,
                                          [this] { return "value " + std::to_string(++loads); });
  }
};

}  // namespace

TEST_CASE("get_or_load: the loader runs once for a name", "[get_or_load]") {
  Fixture f;
  const Cached<std::string> first = f.get("prices");
  CHECK(*first == "value 1");
  CHECK(first->size() == 7);
  CHECK(first.outcome().status == ReadStatus::miss);
  const Cached<std::string> second = f.get("prices");
  CHECK(second.outcome().status == ReadStatus::hit);
  CHECK(&*second == &*first);
  CHECK(value(f.get("other")) == "value 2");
}

TEST_CASE("get_or_load: another type under the same name is another value", "[get_or_load]") {
  Fixture f;
  (void)f.get("prices");
  const Cached<int> number = f.cache.get_or_load<int>("prices", {}, [] { return 7; });
  CHECK(*number == 7);
  CHECK(value(f.get("prices")) == "value 1");
}

TEST_CASE("get_or_load: its name, its tags and a flush invalidate it", "[get_or_load]") {
  Fixture f;
  const ReadOptions tagged{.tags = {tag("a"), tag("b")}};
  (void)f.get("prices", tagged);
  int loads = 1;
  for (const Target& target : {key_named("prices"), tag("a"), tag("b"), flush_all()}) {
    CHECK(f.get("prices", tagged).outcome().is_hit());
    f.cache.invalidate(target);
    CHECK_FALSE(f.get("prices", tagged).outcome().is_hit());
    CHECK(f.loads == ++loads);
  }
  f.cache.invalidate(key_named("other"));
  f.cache.invalidate(tag("name", "prices"));  // a tag of the same text
  CHECK(f.get("prices", tagged).outcome().is_hit());
}

TEST_CASE("get_or_load: an invalidation during the load keeps the value out", "[get_or_load]") {
  Fixture f;
  const Cached<int> late = f.cache.get_or_load<int>("n", {}, [&] {
    f.cache.invalidate(key_named("n"));
    return 1;
  });
  CHECK(*late == 1);
  CHECK(late.outcome().stored == Stored::invalidated);
  CHECK(value(f.cache.get_or_load<int>("n", {}, [] { return 2; })) == 2);
}

TEST_CASE("get_or_load: a tag that an earlier call did not declare is honoured", "[get_or_load]") {
  Fixture f;
  (void)f.get("prices", {.tags = {tag("a")}});
  CHECK_FALSE(f.get("prices", {.tags = {tag("b")}}).outcome().is_hit());
  CHECK(f.get("prices", {.tags = {tag("a")}}).outcome().is_hit());
  f.cache.invalidate(tag("b"));
  CHECK_FALSE(f.get("prices", {.tags = {tag("a")}}).outcome().is_hit());
}

TEST_CASE("get_or_load: scope separates and time to live ends", "[get_or_load]") {
  Fixture f;
  (void)f.get("prices", {.ttl = 10s});
  CHECK_FALSE(f.get("prices", {.scope = "tenant-2"}).outcome().is_hit());
  f.clock.advance(10s);
  CHECK_FALSE(f.get("prices", {.ttl = 10s}).outcome().is_hit());
  f.clock.advance(4min);
  CHECK(f.get("prices", {.scope = "tenant-2"}).outcome().is_hit());  // five minutes by default
  f.clock.advance(1min);
  CHECK_FALSE(f.get("prices", {.scope = "tenant-2"}).outcome().is_hit());
}

TEST_CASE("get_or_load: a loader may use the cache, also for its own key", "[get_or_load]") {
  Fixture f;
  int depth = 0;
  std::function<int()> load = [&]() -> int {
    if (++depth == 3) return value(f.cache.get_or_load<int>("other", {}, [] { return 40; }));
    return value(f.cache.get_or_load<int>("n", {}, load)) + 1;
  };
  const Cached<int> outer = f.cache.get_or_load<int>("n", {}, load);
  CHECK(*outer == 42);
  CHECK(outer.outcome().stored == Stored::yes);
  CHECK(f.cache.get_or_load<int>("n", {}, load).outcome().is_hit());
  CHECK(f.cache.get_or_load<int>("other", {}, load).outcome().is_hit());
}

TEST_CASE("get_or_load: whatever the loader throws reaches the caller", "[get_or_load]") {
  Fixture f;
  const auto failing = [](int) -> int { throw std::runtime_error("down"); };
  CHECK_THROWS_WITH(f.cache.get_or_load<int>("n", {}, [&] { return failing(1); }), "down");
  CHECK_THROWS_AS(f.cache.get_or_load<int>("n", {}, []() -> int { throw 42; }), int);
  CHECK(value(f.cache.get_or_load<int>("n", {}, [] { return 1; })) == 1);
}

TEST_CASE("get_or_load: a caller waits for another's load no longer than it wants to",
          "[get_or_load]") {
  Fixture f;
  const Cached<int> outer = f.cache.get_or_load<int>("n", {}, [&] {
    test::elsewhere([&] {
      CHECK_THROWS_AS(f.cache.get_or_load<int>("n", {.timeout = 1ms}, [] { return 2; }), Timeout);
      return 0;
    });
    return 1;
  });
  CHECK(*outer == 1);
}

TEST_CASE("get_or_load: a wait without end is no wait that has ended", "[get_or_load]") {
  Fixture f;
  const ReadOptions patient{.timeout = std::chrono::nanoseconds::max()};
  std::promise<void> loading;
  std::promise<void> go_on;
  auto leader = std::async(std::launch::async, [&] {
    return value(f.cache.get_or_load<int>("n", {}, [&] {
      loading.set_value();
      go_on.get_future().wait();
      return 1;
    }));
  });
  loading.get_future().wait();
  auto joiner = std::async(std::launch::async, [&] {
    return value(f.cache.get_or_load<int>("n", patient, [] { return 2; }));
  });
  go_on.set_value();
  CHECK(leader.get() == 1);
  CHECK(joiner.get() == 1);
}

TEST_CASE("get_or_load: a value that was moved from says so", "[get_or_load]") {
  Fixture f;
  Cached<std::string> from = f.get("prices");
  const Cached<std::string> to = std::move(from);
  CHECK(to->size() == 7);
  // NOLINTBEGIN(bugprone-use-after-move): it is what is tested.
  CHECK_THROWS_AS(*from, TypeError);
  CHECK_THROWS_AS(from->size(), TypeError);
  CHECK_THROWS_AS(*std::move(from), TypeError);
  // NOLINTEND(bugprone-use-after-move)
}
