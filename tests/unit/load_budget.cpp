#include <catch2/catch.hpp>
#include <future>
#include <latch>
#include <thread>

#include "querymark/key/list.hpp"
#include "unit/flight_fixture.hpp"
#include "unit/read_fixture.hpp"

// How many loads run at a time, and who waits for his turn.

namespace {

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

struct Budgeted : FlightFixture {
  explicit Budgeted(LoadBudget budget) : table(budget) {}
  // Another caller's, of the key `name`.
  [[nodiscard]] FlightEntry enter(std::string_view name, std::size_t loads = 1) {
    return table.enter({prefix.get(), name}, marks, targets, ReadCaller::here(), loads);
  }
  FlightTable table;  // in place of the one without
};

// What a waiter has come to by now.
std::optional<FlightResult> look(FlightEntry& entry) { return waiter(entry).take(nullptr); }
bool was_given_the_lead(const std::optional<FlightResult>& result) {
  return result && std::holds_alternative<FlightLeader>(*result);
}

// For any number of threads.
struct Answers final : Loader {
  [[nodiscard]] LoadedRows load(std::string_view /*sql*/,
                                std::span<const ParameterView> parameters) override {
    loads.fetch_add(1);
    return on_load ? on_load(parameters) : LoadedRows{number(1)};
  }
  std::atomic<int> loads{0};
  std::function<LoadedRows(std::span<const ParameterView>)> on_load;
};

struct BudgetedReads {
  explicit BudgetedReads(LoadBudget budget)
      : source(cache,
               {.scope = {.namespace_name = "shop"}, .mark_cells = 16'384, .load_budget = budget}) {
    source.marks().restart(ReadFixture::upto(10));
    source.marks().trust_until(MonotonicTime::max());
  }
  [[nodiscard]] Prepared<std::int64_t, detail::AutoMapper<std::int64_t>> prepare(
      const std::string& sql) {
    return {source, loader, sql, {}};
  }

  ManualClock clock;
  Cache cache{{.memory_bytes = 8U << 20U, .clock = &clock, .offload = Offload::disabled()}};
  Source source;
  Answers loader;
};

// Answers a statement for many keys with the keys.
LoadedRows numbers_of_list(std::span<const ParameterView> parameters) {
  ResultSetBuilder builder;
  builder.add_column("key");
  builder.add_column("n");
  std::int64_t at = 0;
  for (const ParameterView key : elements_of_list(parameters[0])) {
    builder.add(ParameterView::int64(at++));
    builder.add(key);
  }
  return {std::move(builder).build()};
}
using ManyNumbers = Prepared<std::int64_t, detail::ByOrdinal<detail::AutoMapper<std::int64_t>>>;

}  // namespace

TEST_CASE("load budget: who finds no permit waits, and is told in the order of coming",
          "[budget]") {
  Budgeted f({.loads = 1});
  FlightEntry a = f.enter("a");
  FlightEntry b = f.enter("b");
  FlightEntry c = f.enter("c");
  FlightEntry c_too = f.enter("c");
  REQUIRE(leads(a));
  REQUIRE(waits(b));
  CHECK(waiter(b).first());
  CHECK(waiter(c).first());
  CHECK_FALSE(waiter(c_too).first());
  CHECK(f.table.queued() == 2);
  CHECK_FALSE(look(b));
  leader(a).complete(f.value(1));
  CHECK_FALSE(look(c));
  {
    // without a load, and nobody else waits for it
    const std::optional<FlightResult> left = look(b);
    REQUIRE(was_given_the_lead(left));
    CHECK_FALSE(look(c_too));
  }
  std::optional<FlightResult> led = look(c_too);  // whoever looks first
  REQUIRE(was_given_the_lead(led));
  std::get<FlightLeader>(*led).complete(f.value(3));
  const auto value = look(c);
  REQUIRE(value);
  CHECK(std::get<EntryRef>(*value).value<int>() == 3);
  CHECK(f.table.size() == 0);
  CHECK(leads(f.enter("d")));
}

TEST_CASE("load budget: the stamp is taken after the wait", "[budget]") {
  Budgeted f({.loads = 1});
  FlightEntry a = f.enter("a");
  FlightEntry b = f.enter("b");
  f.invalidate();
  CHECK(waits(f.enter("b")));  // it will be late enough
  leader(a).complete(f.value(1));
  CHECK(waits(f.enter("b")));  // still, though it may be led by now
  std::optional<FlightResult> led = look(b);
  REQUIRE(was_given_the_lead(led));
  CHECK(f.marks.unchanged_since(std::get<FlightLeader>(*led).stamp().generation, f.targets));
}

TEST_CASE("load budget: the permit stays with a load whose leader leaves", "[budget]") {
  Budgeted f({.loads = 1});
  std::optional<FlightEntry> a(f.enter("a"));
  FlightEntry a_too = f.enter("a");
  FlightEntry b = f.enter("b");
  a.reset();
  CHECK_FALSE(look(b));
  std::optional<FlightResult> led = look(a_too);
  REQUIRE(was_given_the_lead(led));
  CHECK_FALSE(look(b));
  std::get<FlightLeader>(*led).fail(std::make_exception_ptr(std::runtime_error("gone")));
  CHECK(was_given_the_lead(look(b)));
}

TEST_CASE("load budget: who leaves the queue takes nobody's turn", "[budget]") {
  Budgeted f({.loads = 1, .queue = 2});
  FlightEntry a = f.enter("a");
  std::optional<FlightEntry> b(f.enter("b"));
  FlightEntry c = f.enter("c");
  CHECK(std::holds_alternative<FlightRefused>(f.enter("d")));
  CHECK(waits(f.enter("c")));  // which adds no load
  b.reset();
  CHECK(f.table.queued() == 1);
  FlightEntry d = f.enter("d");
  REQUIRE(waits(d));
  leader(a).complete(f.value(1));
  {
    const std::optional<FlightResult> led = look(c);
    CHECK(was_given_the_lead(led));
    CHECK_FALSE(look(d));
  }
  CHECK(was_given_the_lead(look(d)));
  CHECK(f.table.queued() == 0);
}

TEST_CASE("load budget: whoever reads inside a load takes none of it", "[budget]") {
  Budgeted f({.loads = 1});
  FlightEntry a = f.enter("a");
  const ReadCaller inside{CallerId{77}, true};
  CHECK(leads(f.table.enter({f.prefix.get(), "b"}, f.marks, f.targets, inside)));
  CHECK_FALSE(f.table.reserve(f.marks, inside));
  std::optional<FlightEntry> many = f.table.reserve(f.marks, ReadCaller::here());
  REQUIRE(many);
  CHECK(waits(*many));
  leader(a).complete(f.value(1));
  std::optional<FlightResult> permit = look(*many);
  REQUIRE(was_given_the_lead(permit));
  const ReadCaller permitted{CallerId{78}, false, true};
  CHECK(leads(f.table.enter({f.prefix.get(), "c"}, f.marks, f.targets, permitted)));
  FlightEntry d = f.enter("d");
  REQUIRE(waits(d));
  permit.reset();
  CHECK(was_given_the_lead(look(d)));
}

TEST_CASE("load budget: callers of many keys at once never exceed it, and all are served",
          "[budget]") {
  constexpr int kCallers = 16;
  BudgetedReads f({.loads = 3});
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  f.loader.on_load = [&](std::span<const ParameterView> parameters) {
    const int now = ++running;
    int seen = most.load();
    while (now > seen && !most.compare_exchange_weak(seen, now)) {
    }
    for (int i = 0; i < 100; ++i) std::this_thread::yield();
    --running;
    return LoadedRows{number(parameters[0].as_int64())};
  };
  const auto query = f.prepare("select ?").timeout(60s);
  std::latch together(kCallers);
  std::vector<std::jthread> callers;
  std::atomic<int> wrong{0};
  for (int caller = 0; caller < kCallers; ++caller)
    callers.emplace_back([&, caller] {
      together.arrive_and_wait();
      for (std::int64_t key = 0; key < 20; ++key) {
        const std::int64_t one = (key + caller) % 20;
        if (query.fetch_value(one) != one) ++wrong;
      }
    });
  callers.clear();
  CHECK(wrong == 0);
  CHECK(most <= 3);
  CHECK(f.loader.loads == 20);
  CHECK(f.source.flights().size() == 0);
  CHECK(f.source.flights().queued() == 0);
}

TEST_CASE("load budget: a full queue is an error that may pass, and old values stand in",
          "[budget]") {
  BudgetedReads f({.loads = 1, .queue = 0});
  std::promise<void> loads;
  std::promise<void> go;
  std::shared_future<void> may_go = go.get_future().share();
  const auto other = f.prepare("select 2").ttl(1min).policy({.stale_if_error = 1h});
  (void)other();
  f.clock.advance(2min);
  f.loader.on_load = [&](auto) {
    loads.set_value();
    may_go.wait();
    return LoadedRows{number(1)};
  };
  auto first = std::async(std::launch::async, [&] { return f.prepare("select 1").fetch_value(); });
  loads.get_future().wait();
  try {
    (void)f.prepare("select 3")();
    FAIL("there was no room");
  } catch (const Error& error) {
    CHECK(error.retryable());
  }
  CHECK(other().outcome().status == ReadStatus::stale);
  CHECK(f.cache.stats().loads_refused == 2);
  go.set_value();
  CHECK(first.get() == 1);
}

TEST_CASE(
    "load budget: where there is no room for a second load of a result, its first one is waited "
    "for",
    "[budget]") {
  Budgeted f({.loads = 1, .queue = 0});
  FlightEntry first = f.enter("a", 2);
  REQUIRE(leads(first));
  FlightEntry second = f.enter("a", 2);
  REQUIRE(waits(second));
  CHECK_FALSE(waiter(second).first());
  CHECK(std::holds_alternative<FlightRefused>(f.enter("b", 2)));
  leader(first).complete(f.value(1));
  CHECK(look(second));
  CHECK(f.table.size() == 0);
}

TEST_CASE("load budget: who waits for his turn has a deadline", "[budget]") {
  BudgetedReads f({.loads = 1});
  std::promise<void> loads;
  std::promise<void> go;
  std::shared_future<void> may_go = go.get_future().share();
  f.loader.on_load = [&](auto) {
    loads.set_value();
    may_go.wait();
    return LoadedRows{number(1)};
  };
  auto first = std::async(std::launch::async, [&] { return f.prepare("select 1").fetch_value(); });
  loads.get_future().wait();
  CHECK_THROWS_AS(f.prepare("select 2").timeout(1ms)(), Timeout);
  CHECK(f.source.flights().queued() == 0);
  CHECK(f.cache.stats().loads_queued == 1);
  go.set_value();
  CHECK(first.get() == 1);
}

TEST_CASE("load budget: one statement for many keys takes one permit", "[budget]") {
  BudgetedReads f({.loads = 1});
  f.loader.on_load = numbers_of_list;
  const ManyNumbers many(f.source, f.loader, "select ?", {});
  const auto all = many.fetch_many(std::vector<std::int64_t>{1, 2, 3});
  CHECK(all[2].one() == 3);
  CHECK(f.loader.loads == 1);
  // While another has the only permit, it waits for its turn, but not for ever.
  const FlightEntry other = *f.source.flights().reserve(f.source.marks(), ReadCaller::here());
  REQUIRE(leads(other));
  const auto hasty = many.timeout(1ms);
  CHECK_THROWS_AS(hasty.fetch_many(std::vector<std::int64_t>{4, 5}), Timeout);
  CHECK(hasty.fetch_many(std::vector<std::int64_t>{1, 2})[0].outcome().is_hit());
}

TEST_CASE("load budget: a statement for many keys that passes the cache by takes none of it",
          "[budget]") {
  BudgetedReads f({.loads = 1, .queue = 0});
  f.loader.on_load = numbers_of_list;
  const ManyNumbers many(f.source, f.loader, "select ?", {});
  const FlightEntry other = *f.source.flights().reserve(f.source.marks(), ReadCaller::here());
  REQUIRE(leads(other));
  using Ids = std::vector<std::int64_t>;
  CHECK_THROWS_AS(many.fetch_many(Ids{1}), Error);
  SECTION("not trusted") { f.source.marks().trust_until(MonotonicTime::min()); }
  SECTION("switched off") { f.cache.set_enabled(false); }
  CHECK(many.fetch_many(Ids{1, 2})[1].one() == 2);
}

TEST_CASE("load budget: a statement for many keys that has no turn gives way to old values",
          "[budget]") {
  const bool queues = GENERATE(true, false);
  BudgetedReads f({.loads = 1, .queue = queues ? 1U : 0U});
  f.loader.on_load = numbers_of_list;
  const ManyNumbers all(f.source, f.loader, "select ?", {});
  const auto many = all.ttl(1min).policy({.stale_if_error = 1h, .hard_timeout = 1ms});
  using Ids = std::vector<std::int64_t>;
  (void)many.fetch_many(Ids{1, 2});
  f.clock.advance(2min);
  const FlightEntry other = *f.source.flights().reserve(f.source.marks(), ReadCaller::here());
  REQUIRE(leads(other));
  const auto old = many.fetch_many(Ids{1, 2});
  CHECK(old[0].outcome().status == ReadStatus::stale);
  CHECK(old[1].one() == 2);
  CHECK_THROWS_AS(many.fetch_many(Ids{1, 3}), Error);
  CHECK(f.loader.loads == 1);
  CHECK(f.source.flights().queued() == 0);
}

TEST_CASE(
    "load budget: a statement for many keys keeps no permit while it waits for another's load",
    "[budget]") {
  BudgetedReads f({.loads = 1});
  std::latch two_asked(1);
  std::latch one_asked(1);
  std::latch two_may_come(1);
  f.loader.on_load = [&](std::span<const ParameterView> parameters) {
    const std::int64_t first = elements_of_list(parameters[0]).front().as_int64();
    if (first == 1) one_asked.count_down();
    if (first == 2) {
      two_asked.count_down();
      two_may_come.wait();
    }
    return numbers_of_list(parameters);
  };
  const ManyNumbers many(f.source, f.loader, "select ?", {});
  using Ids = std::vector<std::int64_t>;
  auto two = std::async(std::launch::async, [&] {
    const LeadingScope inside(CallerId{77});  // which takes none of the budget
    return many.fetch_many(Ids{2})[0].one();
  });
  two_asked.wait();
  auto both = std::async(std::launch::async, [&] { return many.fetch_many(Ids{1, 2})[1].one(); });
  one_asked.wait();
  CHECK(many.timeout(20s).fetch_many(Ids{3})[0].one() == 3);
  two_may_come.count_down();
  CHECK(two.get() == 2);
  CHECK(both.get() == 2);
}

TEST_CASE("loads at once: as many callers load one result as may, the others wait", "[budget]") {
  FlightFixture f;
  const auto enter = [&] {
    return f.table.enter({f.prefix.get(), {}}, f.marks, f.targets, ReadCaller::here(), 2);
  };
  FlightEntry first = enter();
  FlightEntry second = enter();
  FlightEntry third = enter();
  CHECK(leads(first));
  CHECK(leads(second));
  REQUIRE(waits(third));
  CHECK(f.table.size() == 2);
  leader(second).complete(f.value(2));
  CHECK(f.table.size() == 1);
  CHECK(leads(enter()));
  f.invalidate();
  FlightEntry late = enter();
  CHECK(leads(late));
  CHECK(f.table.size() == 1);  // those of before may not be joined any more
  leader(first).complete(f.value(1));
  CHECK(f.table.size() == 1);
  leader(late).complete(f.value(3));
  CHECK(f.table.size() == 0);
}

TEST_CASE("loads at once: what loads first is served, and what was begun later is kept",
          "[budget]") {
  BudgetedReads f({});
  std::promise<void> both;
  std::shared_future<void> both_load = both.get_future().share();
  std::atomic<int> loading{0};
  f.loader.on_load = [&](auto) {
    const int mine = ++loading;
    if (mine == 2) both.set_value();
    if (mine <= 2) both_load.wait();
    return LoadedRows{number(mine)};
  };
  const auto query = f.prepare("select n").policy({.loads_at_once = 2});
  auto one = std::async(std::launch::async, [&] { return query.fetch_value(); });
  auto other = std::async(std::launch::async, [&] { return query.fetch_value(); });
  CHECK(one.get() + other.get() == 3);
  CHECK(f.loader.loads == 2);
  CHECK(query().outcome().is_hit());
  CHECK_THROWS_AS(f.prepare("select n").policy({.loads_at_once = 0}), ConfigError);
}
