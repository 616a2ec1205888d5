#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>

#include "querymark/asio/asio.hpp"
#include "unit/async_fixture.hpp"

// Values that a coroutine loads, on the caller's own executor.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::use_awaitable;
using Value = Cached<int>;
using Told = test::ToldOf<Value>;

// A gate that coroutines wait at.
struct Gate {
  explicit Gate(asio::io_context& io) : timer(io, asio::steady_timer::time_point::max()) {}
  asio::awaitable<void> pass() {
    boost::system::error_code cancelled;
    co_await timer.async_wait(asio::redirect_error(use_awaitable, cancelled));
  }
  void open() { timer.cancel(); }
  asio::steady_timer timer;
};

// Values of a source by their names.
struct Named {
  template <class T, class Load>
  [[nodiscard]] detail::BegunRead<Cached<T>> begin_get_or_load(std::string_view name,
                                                               const ReadOptions& options,
                                                               Load load) {
    return detail::begin_get_or_load<T>(source, name, options, std::move(load));
  }
  Source& source;
};

// A cache without any thread of its own, and a loop.
struct Values {
  explicit Values(const Clock* clock = &system_clock())
      : cache{{.memory_bytes = 8U << 20U, .clock = clock}} {}

  template <class Load>
  void ask(std::string_view name, Load load, Told& told) {
    async_get_or_load<int>(cache, name, options, load, asio::bind_executor(io, told.as_handler()));
  }
  template <class Load>
  void ask(std::string_view name, Load load, Told& told, asio::cancellation_signal& signal) {
    async_get_or_load<int>(
        cache, name, options, load,
        asio::bind_cancellation_slot(signal.slot(), asio::bind_executor(io, told.as_handler())));
  }
  auto gated() {
    return [this]() -> asio::awaitable<int> {
      ++loads;
      co_await gate.pass();
      co_return 7;
    };
  }
  void poll() {
    io.restart();
    io.poll();
  }
  template <class Body>
  void spawn(Body body) {
    asio::co_spawn(io, std::move(body), [](const std::exception_ptr& error) {
      if (error) std::rethrow_exception(error);
    });
  }

  Cache cache;
  ReadOptions options{.tags = {tag("a")}, .ttl = 1min};
  asio::io_context io;
  Gate gate{io};
  int loads = 0;
};

// The same of a source in which one may load at a time.
struct OnePermit : Values {
  OnePermit() { source.marks().trust_until(MonotonicTime::max()); }
  template <class Load>
  void ask(std::string_view name, Load load, Told& told) {
    ask(name, std::move(load), told, io);
  }
  template <class Load>
  void ask(std::string_view name, Load load, Told& told, asio::io_context& on) {
    async_get_or_load<int>(values, name, options, std::move(load),
                           asio::bind_executor(on, told.as_handler()));
  }

  Source source{cache, {.mark_cells = 1024, .load_budget = {.loads = 1}}};
  Named values{source};
};

}  // namespace

TEST_CASE("awaited: a coroutine loads on the caller's loop, and needs no other thread", "[async]") {
  Values f;
  bool finished = false;
  f.spawn([&]() -> asio::awaitable<void> {
    const auto load = [&]() -> asio::awaitable<int> {
      ++f.loads;
      co_await asio::post(use_awaitable);
      co_return 7;
    };
    const Value missed =
        co_await async_get_or_load<int>(f.cache, "n", f.options, load, use_awaitable);
    CHECK(*missed == 7);
    CHECK(missed.outcome().status == ReadStatus::miss);
    const Value hit = co_await async_get_or_load<int>(f.cache, "n", f.options, load, use_awaitable);
    CHECK(hit.outcome().is_hit());
    f.cache.invalidate(tag("a"));
    const Value anew =
        co_await async_get_or_load<int>(f.cache, "n", f.options, load, use_awaitable);
    CHECK(anew.outcome().status == ReadStatus::miss);
    finished = true;
  });
  f.io.run();
  CHECK(finished);
  CHECK(f.loads == 2);
}

TEST_CASE("awaited: a thousand callers lead to one load", "[async]") {
  Values f;
  int done = 0;
  for (int i = 0; i < 1000; ++i)
    f.spawn([&]() -> asio::awaitable<void> {
      const Value value =
          co_await async_get_or_load<int>(f.cache, "n", f.options, f.gated(), use_awaitable);
      CHECK(*value == 7);
      ++done;
    });
  f.poll();
  CHECK(f.loads == 1);
  CHECK(done == 0);
  f.gate.open();
  f.poll();
  CHECK(done == 1000);
  CHECK(f.cache.stats().joined == 999);
}

TEST_CASE("awaited: what it throws, before or after it has suspended, reaches all callers",
          "[async]") {
  Values f;
  const bool suspends = GENERATE(false, true);
  const auto load = [&]() -> asio::awaitable<int> {
    if (suspends) co_await f.gate.pass();
    throw std::out_of_range("no such value");
  };
  Told first;
  Told second;
  f.ask("n", load, first);
  f.ask("n", load, second);
  f.poll();
  f.gate.open();
  f.poll();
  CHECK(first.message() == "no such value");
  CHECK(second.message() == "no such value");
  CHECK_THROWS_AS(std::rethrow_exception(first.error), std::out_of_range);
  // Nothing of it stays.
  Told third;
  f.ask("n", [&]() -> asio::awaitable<int> { co_return 3; }, third);
  f.poll();
  CHECK(**third.result == 3);
  // One that is no coroutine itself may throw before there is anything to be awaited.
  Told fourth;
  f.ask(
      "m", [&]() -> asio::awaitable<int> { return throw std::out_of_range("at once"), load(); },
      fourth);
  f.poll();
  CHECK(fourth.message() == "at once");
}

TEST_CASE("awaited: a load whose caller is cancelled goes on, for others and for memory",
          "[async]") {
  Values f;
  Told leads;
  Told waits;
  asio::cancellation_signal signal;
  f.ask("n", f.gated(), leads, signal);
  f.poll();
  f.ask("n", f.gated(), waits);
  f.poll();
  signal.emit(asio::cancellation_type::total);
  f.poll();
  CHECK(leads.aborted());
  CHECK(waits.times == 0);
  f.gate.open();
  f.poll();
  CHECK(waits.result->outcome().status == ReadStatus::joined);
  CHECK(leads.times == 1);
  CHECK(f.loads == 1);
  Told after;
  f.ask("n", f.gated(), after);
  f.poll();
  CHECK(after.result->outcome().is_hit());
}

TEST_CASE("awaited: the last caller may be cancelled, and memory has the value all the same",
          "[async]") {
  Values f;
  Told leads;
  asio::cancellation_signal signal;
  f.ask("n", f.gated(), leads, signal);
  f.poll();
  signal.emit(asio::cancellation_type::terminal);
  f.poll();
  f.gate.open();
  f.poll();
  Told after;
  f.ask("n", f.gated(), after);
  f.poll();
  CHECK(after.result->outcome().is_hit());
}

TEST_CASE("awaited: one that never ends holds its waiters for their timeout, and no longer",
          "[async]") {
  Values f;
  Told leads;
  Told waits;
  asio::cancellation_signal signal;
  f.ask("n", f.gated(), leads, signal);
  f.poll();
  f.options.timeout = 1ms;
  f.ask("n", f.gated(), waits);
  f.io.restart();
  while (waits.times == 0) f.io.run_one();
  CHECK_THROWS_AS(std::rethrow_exception(waits.error), Timeout);
  // An invalidation makes the next caller load anew, past the one that hangs.
  f.cache.invalidate(tag("a"));
  Told anew;
  f.ask("n", [&]() -> asio::awaitable<int> { co_return 8; }, anew);
  f.poll();
  CHECK(**anew.result == 8);
  f.gate.open();
  f.poll();
  CHECK(leads.result);  // its own load is its own, and not kept
  Told after;
  f.ask("n", f.gated(), after);
  f.poll();
  CHECK(**after.result == 8);
}

TEST_CASE("awaited: a loop that goes with its load leaves the lead to who waits on another",
          "[async]") {
  Values f;
  Told gone;
  Told waits;
  {
    asio::io_context short_lived;
    Gate never(short_lived);
    const auto load = [&]() -> asio::awaitable<int> {
      co_await never.pass();
      co_return 1;
    };
    async_get_or_load<int>(f.cache, "n", f.options, load,
                           asio::bind_executor(short_lived, gone.as_handler()));
    short_lived.poll();
    f.ask("n", [&]() -> asio::awaitable<int> { co_return 2; }, waits);
    f.poll();
    CHECK(waits.times == 0);
  }
  f.poll();
  CHECK(gone.times == 0);
  REQUIRE(waits.result);
  CHECK(**waits.result == 2);
}

TEST_CASE("awaited: an invalidation that comes during the load wins", "[async]") {
  Values f;
  Told first;
  f.ask("n", f.gated(), first);
  f.poll();
  f.cache.invalidate(tag("a"));
  f.gate.open();
  f.poll();
  CHECK(first.result->outcome().stored == Stored::invalidated);
}

TEST_CASE("awaited: what a load reads waits for nobody, however its coroutine hops", "[async]") {
  Values f;
  // Each asks for the other's value after a suspension, when both are under way.
  int under_way = 0;
  const auto asks_for = [&](std::string_view other) {
    return [&f, &under_way, other]() -> asio::awaitable<int> {
      ++under_way;
      co_await f.gate.pass();
      co_await asio::post(use_awaitable);
      const auto own = []() -> asio::awaitable<int> { co_return 1; };
      const Value value =
          co_await async_get_or_load<int>(f.cache, other, f.options, own, use_awaitable);
      co_return 10 + *value;
    };
  };
  Told a;
  Told b;
  f.ask("a", asks_for("b"), a);
  f.ask("b", asks_for("a"), b);
  f.poll();
  CHECK(under_way == 2);
  f.gate.open();
  f.io.restart();
  f.io.run_for(20s);
  REQUIRE(a.result);
  REQUIRE(b.result);
  CHECK(**a.result == 11);
  CHECK(**b.result == 11);
}

TEST_CASE("awaited: on a loop of several threads, with invalidations and cancellations",
          "[async]") {
  Cache cache({.memory_bytes = 8U << 20U});
  const ReadOptions options{.tags = {tag("a")}, .ttl = 1min};
  asio::thread_pool pool(4);
  std::atomic<int> ended = 0;
  std::atomic<int> under_way = 0;
  std::atomic<int> most = 0;
  const auto load = [&]() -> asio::awaitable<int> {
    const int now = ++under_way;
    if (now > most) most = now;
    co_await asio::post(use_awaitable);
    --under_way;
    co_return 7;
  };
  constexpr int kCalls = 400;
  for (int i = 0; i < kCalls; ++i) {
    const auto strand = asio::make_strand(pool);
    const auto signal = std::make_shared<asio::cancellation_signal>();
    asio::post(strand, [&, strand, signal, i] {
      async_get_or_load<int>(
          cache, i % 2 == 0 ? "n" : "m", options, load,
          asio::bind_cancellation_slot(
              signal->slot(),
              asio::bind_executor(strand, [&, signal](std::exception_ptr, Value) { ++ended; })));
    });
    if (i % 3 == 0)
      asio::post(strand, [signal] { signal->emit(asio::cancellation_type::terminal); });
    if (i % 20 == 0) cache.invalidate(tag("a"));
  }
  pool.join();
  CHECK(ended == kCalls);
  CHECK(under_way == 0);
}

TEST_CASE("awaited: what must be fresh looks at the log, which needs an offload", "[async]") {
  test::Loop loop;
  const auto load = []() -> asio::awaitable<int> { co_return 5; };
  ReadOptions options{.tags = {tag("a")}, .consistency = Consistency::strong()};
  const Value value =
      async_get_or_load<int>(loop.cache, "n", options, load, asio::use_future).get();
  CHECK(*value == 5);
}

TEST_CASE("awaited: a load runs on its caller's strand, before and after it has suspended",
          "[async]") {
  Cache cache({.memory_bytes = 8U << 20U});
  asio::thread_pool pool(2);
  const auto strand = asio::make_strand(pool);
  std::atomic<int> strangers = 0;
  const auto look = [&] {
    if (!strand.running_in_this_thread()) ++strangers;
  };
  const auto load = [&]() -> asio::awaitable<int> {
    look();
    for (int i = 0; i < 10; ++i) {
      co_await asio::post(use_awaitable);
      look();
    }
    co_return 7;
  };
  std::promise<int> told;
  async_get_or_load<int>(cache, "n", {.ttl = 1min}, load,
                         asio::bind_executor(strand, [&](std::exception_ptr, Value value) {
                           look();
                           told.set_value(*value);
                         }));
  CHECK(told.get_future().get() == 7);
  pool.join();
  CHECK(strangers == 0);
}

TEST_CASE("awaited: when the load throws, an old value is served as far as the policy goes",
          "[async]") {
  ManualClock clock;
  Values f(&clock);
  f.options.policy = {.stale_if_error = 1h};
  Told first;
  f.ask("n", [&]() -> asio::awaitable<int> { co_return 3; }, first);
  f.poll();
  clock.advance(2min);
  const auto fails = [&]() -> asio::awaitable<int> {
    co_await f.gate.pass();
    throw std::runtime_error("gone");
  };
  Told stale;
  f.ask("n", fails, stale);
  f.poll();
  CHECK(stale.times == 0);
  f.gate.open();
  f.poll();
  REQUIRE(stale.result);
  CHECK(**stale.result == 3);
  CHECK(stale.result->outcome().status == ReadStatus::stale);
  clock.advance(2h);
  Told late;
  f.ask("n", fails, late);
  f.poll();
  f.gate.open();
  f.poll();
  CHECK(late.message() == "gone");
}

TEST_CASE("awaited: a permit to load comes back with the load's end, and with its loop's",
          "[async]") {
  OnePermit f;
  Told gone;
  Told second;
  Told third;
  {
    asio::io_context short_lived;
    Gate never(short_lived);
    f.ask(
        "a",
        [&]() -> asio::awaitable<int> {
          co_await never.pass();
          co_return 1;
        },
        gone, short_lived);
    short_lived.poll();
    f.ask("b", f.gated(), second);
    f.ask("c", f.gated(), third);
    f.poll();
    CHECK(f.source.flights().queued() == 2);
    CHECK(f.loads == 0);
  }
  f.poll();
  CHECK(f.loads == 1);
  CHECK(f.source.flights().queued() == 1);
  f.gate.open();
  f.poll();
  CHECK(second.result);
  f.gate.open();
  f.poll();
  CHECK(third.result);
  CHECK(f.loads == 2);
  CHECK(f.source.flights().size() == 0);
}

TEST_CASE("awaited: a load that throws ends its flight for all who wait, and gives its permit back",
          "[async]") {
  OnePermit f;
  const bool suspends = GENERATE(false, true);
  const auto fails = [&]() -> asio::awaitable<int> {
    ++f.loads;
    if (suspends) co_await f.gate.pass();
    throw std::out_of_range("no such value");
  };
  Told leads;
  Told waits;
  Told other;
  f.ask("a", fails, leads);
  f.ask("a", fails, waits);
  f.ask("b", [&]() -> asio::awaitable<int> { co_return 3; }, other);
  f.poll();
  f.gate.open();
  f.poll();
  CHECK(leads.message() == "no such value");
  CHECK(waits.message() == "no such value");
  CHECK(f.loads == 1);
  CHECK(**other.result == 3);
  CHECK(f.source.flights().size() == 0);
  CHECK(f.source.flights().queued() == 0);
  Told after;
  f.ask("a", [&]() -> asio::awaitable<int> { co_return 4; }, after);
  f.poll();
  CHECK(after.result->outcome().status == ReadStatus::miss);
  CHECK(**after.result == 4);
}

TEST_CASE(
    "awaited: who is told of a load's end is no part of the load, not of one that ends at once",
    "[async]") {
  Values f;
  const bool suspends = GENERATE(false, true);
  bool called = false;
  bool inside = true;
  const auto load = [&]() -> asio::awaitable<int> {
    CHECK(LeadingScope::active());
    if (suspends) co_await f.gate.pass();
    CHECK(LeadingScope::active());
    co_return 7;
  };
  asio::post(f.io, [&] {
    async_get_or_load<int>(f.cache, "n", f.options, load,
                           asio::bind_executor(f.io, [&](const std::exception_ptr&, const Value&) {
                             called = true;
                             inside = LeadingScope::active();
                           }));
    CHECK_FALSE(called);
  });
  f.poll();
  f.gate.open();
  f.poll();
  CHECK(called);
  CHECK_FALSE(inside);
}
