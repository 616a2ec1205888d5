#include <algorithm>
#include <barrier>
#include <catch2/catch.hpp>
#include <functional>
#include <thread>

#include "unit/read_fixture.hpp"

// Loads that read the cache themselves. Where the mend is missing these tests don't hang: each read
// gives up in the end, with an error.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::elsewhere;
using test::ReadFixture;

const ReadOptions kPatient{.timeout = 20s};

std::string name_of(int i) { return "value " + std::to_string(i); }

}  // namespace

TEST_CASE("nested loads: a circle of loads that ask for each other's keys ends", "[nested]") {
  const int callers = GENERATE(2, 3, 7);
  ReadFixture f;
  std::barrier all_lead(callers);
  std::atomic<int> inner_loads{0};
  std::atomic<int> errors{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < callers; ++i)
      threads.emplace_back([&, i] {
        try {
          const Cached<int> mine = get_or_load<int>(f.source, name_of(i), kPatient, [&] {
            all_lead.arrive_and_wait();
            const int next = (i + 1) % callers;
            const Cached<int> other = get_or_load<int>(f.source, name_of(next), kPatient, [&] {
              ++inner_loads;
              return next;
            });
            return *other == next ? i : -1;
          });
          if (*mine != i) ++errors;
        } catch (const Error&) {
          ++errors;
        }
      });
  }
  CHECK(errors == 0);
  CHECK(inner_loads <= callers);
  CHECK(f.source.marks().trusted(f.clock.now()));
}

TEST_CASE("nested loads: a circle through two databases of one cache ends too", "[nested]") {
  ReadFixture f;
  Source other(f.cache,
               {.scope = {.namespace_name = "other", .database = {}, .session = {}, .caller = {}}});
  other.marks().trust_until(MonotonicTime::max());
  std::barrier both_lead(2);
  const auto read = [&](Source& mine, Source& others) {
    return test::value(get_or_load<int>(mine, "n", kPatient, [&] {
      both_lead.arrive_and_wait();
      const Cached<int> inner = get_or_load<int>(others, "n", kPatient, [] { return 1; });
      return *inner + 1;
    }));
  };
  std::future<int> one = std::async(std::launch::async, [&] { return read(f.source, other); });
  const int both[] = {read(other, f.source), one.get()};
  // Who is done first is found in memory by the other.
  CHECK(std::ranges::min(both) == 2);
  CHECK(std::ranges::max(both) <= 3);
}

TEST_CASE("nested loads: what a load reads it still finds, keeps and leads", "[nested]") {
  ReadFixture f;
  (void)get_or_load<int>(f.source, "known", {}, [] { return 1; });
  const Cached<int> outer = get_or_load<int>(f.source, "outer", {}, [&] {
    CHECK(LeadingScope::active());
    CHECK(get_or_load<int>(f.source, "known", {}, [] { return 9; }).outcome().is_hit());
    const Cached<int> fresh = get_or_load<int>(f.source, "fresh", {}, [] { return 2; });
    CHECK(fresh.outcome().stored == Stored::yes);
    return *fresh;
  });
  CHECK(*outer == 2);
  CHECK_FALSE(LeadingScope::active());
  CHECK(get_or_load<int>(f.source, "fresh", {}, [] { return 9; }).outcome().is_hit());
  CHECK_THROWS_AS((void)get_or_load<int>(f.source, "bad", {}, []() -> int { throw Error("no"); }),
                  Error);
  CHECK_FALSE(LeadingScope::active());
}

namespace {

struct Number {
  std::int64_t n;
};

// What mappers read, by the SQL of the row that they map.
std::function<void()> on_map;

struct ReadingMapper {
  Number operator()(const Row& row) const {
    if (on_map) on_map();
    return {row[0].as<std::int64_t>()};
  }
};

}  // namespace

TEST_CASE("nested loads: a mapper that reads waits for nobody either, also for a tier's value",
          "[nested]") {
  ReadFixture f;
  const auto tier = std::make_shared<test::FakeTier>();
  f.source.attach(tier);
  const auto mapped = [&] { return f.query("select n").fetch_as<Number>(ReadingMapper{}); };
  int led = 0;
  on_map = [&] { led += LeadingScope::active() ? 1 : 0; };
  (void)mapped();
  CHECK(led == 1);  // a load's
  REQUIRE(tier->values.size() == 1);
  f.cache.purge();
  Source other(f.cache, {.scope = f.source.options().scope, .mark_cells = 1024});
  other.marks().restart(ReadFixture::upto(10));
  other.marks().trust_until(MonotonicTime::max());
  other.attach(tier);
  const Rows<Number> shared =
      Query(other, f.loader, "select n", Parameters()).fetch_as<Number>(ReadingMapper{});
  CHECK(shared.outcome().origin == Origin::shared_tier);
  CHECK(led == 2);
  on_map = {};
}

TEST_CASE("nested loads: a key that is in flight is loaded once more, and kept", "[nested]") {
  ReadFixture f;
  std::barrier in_flight(2);
  std::barrier read(2);
  std::jthread slow([&] {
    (void)get_or_load<int>(f.source, "inner", {}, [&] {
      in_flight.arrive_and_wait();
      read.arrive_and_wait();
      return 1;
    });
  });
  in_flight.arrive_and_wait();
  Outcome inner;
  (void)get_or_load<int>(f.source, "outer", {}, [&] {
    const Cached<int> value = get_or_load<int>(f.source, "inner", kPatient, [] { return 1; });
    inner = value.outcome();
    return *value;
  });
  CHECK(inner.status == ReadStatus::miss);
  CHECK(inner.stored == Stored::yes);
  read.arrive_and_wait();
}
