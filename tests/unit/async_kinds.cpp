#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "querymark/asio/asio.hpp"
#include "querymark/testing/memory_database.hpp"
#include "support/tier_double.hpp"
#include "unit/async_fixture.hpp"

// What can be read on an event loop beside prepared queries: those that are built for one call, and values by
// a name. And that a call of any kind can be cancelled wherever it waits.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::use_awaitable;
using test::Loop;
using test::spawn;
using test::Told;
using test::ToldOf;

auto taken_by(Loop& loop, Told& told, asio::cancellation_signal& signal) {
  return asio::bind_cancellation_slot(signal.slot(),
                                      asio::bind_executor(loop.io, told.as_handler()));
}

}  // namespace

TEST_CASE("async: a query that is built for one call loads on the pool, then hits", "[async]") {
  Loop loop;
  std::thread::id loaded_on;
  loop.loader.on_load = [&](auto) {
    loaded_on = std::this_thread::get_id();
    return LoadedRows{test::number(7)};
  };
  bool finished = false;
  spawn(loop, [&]() -> asio::awaitable<void> {
    const auto ask = [&] { return loop.query("select n").tag(tag("a")); };
    const Result missed = co_await ask().async(use_awaitable);
    CHECK(Loop::value(missed) == 7);
    CHECK(missed.outcome().status == ReadStatus::miss);
    CHECK(loaded_on != std::this_thread::get_id());
    CHECK((co_await ask().async(use_awaitable)).outcome().is_hit());
    CHECK(ask().fetch().outcome().is_hit());  // both ways share what is kept
    loop.invalidate(tag("a"));
    const Result anew = co_await ask().async(use_awaitable);
    CHECK(anew.outcome().status == ReadStatus::miss);
    CHECK(anew.outcome().refused == Refused::invalidated);
    // The rows as objects, by their columns and by a mapper.
    CHECK((co_await ask().async_as<std::int64_t>(use_awaitable)).one() == 7);
    const auto doubled = [](const Row& row) { return row[0].as<std::int64_t>() * 2; };
    CHECK((co_await ask().async_as<std::int64_t>(doubled, use_awaitable)).one() == 14);
    CHECK(ask().fetch_as<std::int64_t>(doubled).outcome().is_hit());
    finished = true;
  });
  loop.run();
  CHECK(finished);
}

TEST_CASE("async: a query for one call keeps its options, and outlives who has built it",
          "[async]") {
  Loop loop;
  const std::string sql = "select n from a_table_with_a_name_that_does_not_lie_in_the_string";
  auto later = std::make_unique<Query>(loop.query(sql).ttl(1min).tag(tag("a")));
  auto begun = later->async(asio::deferred);
  later.reset();
  Told told;
  std::move(begun)(asio::bind_executor(loop.io, told.as_handler()));
  loop.run();
  CHECK(told.result->outcome().status == ReadStatus::miss);
  CHECK(loop.loader.last_sql == sql);
  loop.clock.advance(2min);
  Told old;
  loop.query(sql).ttl(1min).tag(tag("a")).async(asio::bind_executor(loop.io, old.as_handler()));
  loop.run();
  CHECK(old.result->outcome().status == ReadStatus::miss);
  CHECK(old.result->outcome().refused == Refused::expired);
  CHECK(loop.query("select m").uncached().async(asio::use_future).get().outcome().stored ==
        Stored::disabled);
  loop.invalidate(loop.query(sql).key());
  CHECK(loop.query(sql).strong().async(asio::use_future).get().outcome().status ==
        ReadStatus::miss);
}

TEST_CASE("async: what a caller's own connection reads is refused, whatever memory holds",
          "[async]") {
  Loop loop;
  struct OnOwnConnection final : Loader {
    LoadedRows load(std::string_view, std::span<const ParameterView>) override {
      return {test::number(1)};
    }
    bool borrowed() const noexcept override { return true; }
    bool may_hit(std::string_view) override {
      FAIL("asks on the caller's connection");
      return false;
    }
  } own;
  static_cast<void>(loop.query("select n").fetch());
  CHECK_THROWS_WITH(
      Query(*loop.source, own, "select n", Parameters()).async(asio::use_future).get(),
      Catch::Matchers::Contains("connection"));
}

TEST_CASE("async: a value by its name loads on the pool once, then hits", "[async]") {
  Loop loop;
  const std::thread::id here = std::this_thread::get_id();
  int loads = 0;
  bool finished = false;
  spawn(loop, [&]() -> asio::awaitable<void> {
    // A loader that can't be copied.
    const auto load = [&](std::unique_ptr<int> add) {
      return [&, add = std::move(add)] {
        CHECK(std::this_thread::get_id() != here);
        return ++loads + *add;
      };
    };
    const ReadOptions options{.tags = {tag("sum")}, .ttl = 1min};
    const auto get = [&] {
      return async_get_or_load<int>(loop.cache, std::string("sum"), options,
                                    load(std::make_unique<int>(10)), use_awaitable);
    };
    CHECK(*co_await get() == 11);
    const Cached<int> again = co_await get();
    CHECK(*again == 11);
    CHECK(again.outcome().is_hit());
    CHECK(loop.cache.get_or_load<int>("sum", options, [] { return 0; }).outcome().is_hit());
    loop.cache.invalidate(tag("sum"));
    CHECK(*co_await get() == 12);
    finished = true;
  });
  loop.run();
  CHECK(finished);
}

TEST_CASE("async: a thousand callers of a value lead to one load", "[async]") {
  Loop loop;
  std::promise<void> may;
  std::atomic<int> loads = 0;
  const auto load = [&, held = may.get_future().share()] {
    held.wait();
    return ++loads;
  };
  std::vector<ToldOf<Cached<int>>> told(1000);
  for (auto& one : told)
    async_get_or_load<int>(loop.cache, "n", ReadOptions{.ttl = 1min}, load,
                           asio::bind_executor(loop.io, one.as_handler()));
  loop.poll();
  may.set_value();
  loop.run();
  for (const auto& one : told) REQUIRE(**one.result == 1);
}

TEST_CASE("async: a value of a database is made stale by its log, and kept apart by its session",
          "[async]") {
  Cache cache{{.memory_bytes = 8U << 20U,
               .offload = std::make_shared<Offload>(OffloadOptions{.threads = 2})}};
  testing::MemoryDatabase db(cache, {.namespace_name = "shop"});
  std::atomic<int> loads = 0;
  const auto get = [&](auto& of) {
    return *async_get_or_load<int>(
                of, "n", ReadOptions{.tags = {tag("n")}, .ttl = 1min}, [&] { return ++loads; },
                asio::use_future)
                .get();
  };
  CHECK(get(db) == 1);
  CHECK(get(db) == 1);
  db.write([](Transaction& tx) { tx.invalidate(tag("n")); });
  CHECK(get(db) == 2);
}

TEST_CASE("async: what get_or_load refuses or its loader throws ends the call", "[async]") {
  Loop loop;
  const auto ask = [&](const ReadOptions& options) {
    return async_get_or_load<int>(
               loop.cache, "n", options, []() -> int { throw TypeError("no such number"); },
               asio::use_future)
        .get();
  };
  CHECK_THROWS_AS(ask({.ttl = -1s}), ConfigError);
  CHECK_THROWS_WITH(ask({.ttl = 1min}), "no such number");
  CHECK_THROWS_WITH(ask({.ttl = 1min}), "no such number");  // and its name is not blocked
  Cache without{CacheOptions{.memory_bytes = 8U << 20U}};
  CHECK_THROWS_WITH(async_get_or_load<int>(
                        without, "n", ReadOptions{.ttl = 1min}, [] { return 1; }, asio::use_future)
                        .get(),
                    Catch::Matchers::Contains("CacheOptions::offload"));
}

TEST_CASE("async: a loader reads the cache, also what is on its own way, and waits for nobody",
          "[async]") {
  Loop loop;
  const ReadOptions options{.ttl = 1min};
  std::function<int()> load_b;
  const auto load_a = [&] { return *loop.cache.get_or_load<int>("b", options, load_b) + 1; };
  load_b = [&] { return *loop.cache.get_or_load<int>("a", options, [] { return 10; }) + 1; };
  CHECK(*async_get_or_load<int>(loop.cache, "a", options, load_a, asio::use_future).get() == 12);
}

// Where a call may wait. Each section brings one there, cancels it, and has others go on.
TEST_CASE("async: a call can be cancelled wherever it waits, and strands nobody", "[async]") {
  Loop loop;
  auto server = std::make_shared<test::TierDoubleServer>();
  asio::cancellation_signal signal;
  Told cancelled;
  const auto emit = [&] {
    signal.emit(asio::cancellation_type::terminal);
    loop.poll();
    CHECK(cancelled.aborted());
  };
  const auto begin = [&](Query query) {
    std::move(query).async(taken_by(loop, cancelled, signal));
    loop.poll();
    CHECK(cancelled.times == 0);
  };
  SECTION("before it has begun") {
    loop.query("select n").async(taken_by(loop, cancelled, signal));
    emit();
  }
  SECTION("for another's load") {
    loop.hold_loads();
    Told leads;
    loop.query("select n").async(asio::bind_executor(loop.io, leads.as_handler()));
    loop.await_held(1);
    begin(loop.query("select n"));
    emit();
    loop.go_on();
    loop.run();
    CHECK(leads.result);
  }
  SECTION("for a thread of the pool") {
    loop.hold_loads();
    Told leads;
    loop.query("select other").async(asio::bind_executor(loop.io, leads.as_handler()));
    loop.await_held(1);
    begin(loop.query("select n"));
    emit();
    loop.go_on();
    loop.run();
    CHECK(leads.result);
  }
  SECTION("for its own load") {
    loop.hold_loads();
    begin(loop.query("select n"));
    loop.await_held(1);
    emit();
    Told waits;
    loop.query("select n").async(asio::bind_executor(loop.io, waits.as_handler()));
    loop.poll();
    loop.go_on();
    loop.run();
    CHECK(waits.result->outcome().status == ReadStatus::joined);
  }
  SECTION("for another process's lease") {
    loop.source->attach(std::make_shared<test::TierDouble>(server, loop.clock, 1U << 20U));
    bool taken = false;
    // The lease is asked for on the pool: until the next look there is a pause.
    const auto query = [&] { return loop.query("select n").lease(10s); };
    {
      Told first;
      query().async(asio::bind_executor(loop.io, first.as_handler()));
      loop.run();
      REQUIRE(first.result);
      const std::scoped_lock lock(server->mutex);
      REQUIRE(server->values.size() == 1);
      server->leases[server->values.begin()->first] = "another process";
      server->values.clear();
      taken = true;
    }
    REQUIRE(taken);
    loop.invalidate(query().key());
    const int before = loop.loader.loads;
    begin(query());
    test::await("the call pauses", 10s, [&] {
      loop.poll();
      return loop.cache.stats().lease_waits > 0;
    });
    loop.poll();
    emit();
    CHECK(loop.loader.loads == before);
    const std::scoped_lock lock(server->mutex);
    server->leases.clear();
  }
  loop.go_on();
  loop.run();
  CHECK(cancelled.times == 1);
  test::await("nothing is led any more", 10s, [&] {  // the pool ends what it has under way
    loop.poll();
    return loop.source->flights().size() == 0;
  });
  // Whoever asks next is served.
  Told next;
  loop.query("select n").async(asio::bind_executor(loop.io, next.as_handler()));
  loop.run();
  CHECK(next.result);
}

TEST_CASE("async: a call that waits for its turn to load gives it up when it is cancelled",
          "[async]") {
  auto offload = std::make_shared<Offload>(OffloadOptions{.threads = 2});
  Cache cache{{.memory_bytes = 8U << 20U, .offload = offload}};
  testing::MemoryDatabase db(cache, {.namespace_name = "shop", .load_budget = {.loads = 1}});
  std::promise<void> may;
  std::promise<void> loading;
  db.on_query("select first", [&](const testing::Call&) {
    loading.set_value();
    may.get_future().wait();
    return test::number(1);
  });
  db.on_query("select second", [&](const testing::Call&) { return test::number(2); });
  asio::io_context io;
  asio::cancellation_signal signal;
  Told leads;
  Told cancelled;
  db.query("select first").async(asio::bind_executor(io, leads.as_handler()));
  io.poll();
  loading.get_future().wait();
  db.query("select second")
      .async(asio::bind_cancellation_slot(signal.slot(),
                                          asio::bind_executor(io, cancelled.as_handler())));
  io.restart();
  io.poll();
  CHECK(cache.stats().loads_queued == 1);
  signal.emit(asio::cancellation_type::terminal);
  io.restart();
  io.poll();
  CHECK(cancelled.aborted());
  may.set_value();
  io.restart();
  io.run();
  CHECK(leads.result);
  CHECK(db.query("select second").fetch().size() == 1);  // the permit was not lost
}
