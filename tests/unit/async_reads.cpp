#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "querymark/asio/asio.hpp"
#include "unit/async_fixture.hpp"

// Reads on an event loop.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::use_awaitable;
using test::Loop;
using test::number;
using test::spawn;
using test::Told;

}  // namespace

TEST_CASE("async: a hit does not suspend, a miss loads on the pool and completes on the loop",
          "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  std::thread::id loaded_on;
  loop.loader.on_load = [&](auto) {
    loaded_on = std::this_thread::get_id();
    return LoadedRows{number(7)};
  };
  bool finished = false;
  bool others_ran = false;
  spawn(loop, [&]() -> asio::awaitable<void> {
    const Result missed = co_await query.async(use_awaitable);
    CHECK(missed.outcome().status == ReadStatus::miss);
    CHECK(Loop::value(missed) == 7);
    CHECK(std::this_thread::get_id() != loaded_on);
    asio::post(loop.io, [&] { others_ran = true; });
    const Result hit = co_await query.async(use_awaitable);
    CHECK(hit.outcome().status == ReadStatus::hit);
    CHECK_FALSE(others_ran);
    finished = true;
  });
  loop.run();
  CHECK(finished);
  CHECK(loop.loader.loads == 1);
}

TEST_CASE("async: callbacks and futures get the rows, never before the call has returned",
          "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  Told missed;
  loop.ask(query, missed);
  CHECK(missed.times == 0);
  loop.run();
  REQUIRE(missed.times == 1);
  CHECK(missed.result->outcome().status == ReadStatus::miss);
  Told hit;
  loop.ask(query, hit);
  CHECK(hit.times == 0);
  loop.run();
  CHECK(hit.result->outcome().status == ReadStatus::hit);
  const Result future = query.async(asio::use_future).get();
  CHECK(future.outcome().is_hit());
  loop.invalidate(query.key());
  CHECK(query.async(asio::use_future).get().outcome().status == ReadStatus::miss);
}

TEST_CASE("async: a thousand callers of a cold key lead to one load, and one thread", "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  loop.hold_loads();
  int done = 0;
  for (int i = 0; i < 1000; ++i)
    spawn(loop, [&]() -> asio::awaitable<void> {
      CHECK(Loop::value(co_await query.async(use_awaitable)) == 1);
      ++done;
    });
  loop.await_held(1);
  CHECK(done == 0);
  loop.go_on();
  loop.run();
  CHECK(done == 1000);
  CHECK(loop.loader.loads == 1);
  CHECK(loop.cache.stats().joined == 999);
  CHECK(loop.offload->stats().accepted == 1);
}

TEST_CASE("async: the same on several threads, with invalidations in between", "[async]") {
  Loop loop;  // its loader is one thread's; what is several are the loop's
  const auto query = loop.prepare("select n").tag(tag("a"));
  std::atomic<int> done = 0;
  constexpr int kCalls = 400;
  for (int i = 0; i < kCalls; ++i)
    asio::co_spawn(
        loop.io,
        [&]() -> asio::awaitable<void> {
          for (int round = 0; round < 5; ++round)
            static_cast<void>(co_await query.async(use_awaitable));
          ++done;
        },
        asio::detached);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { loop.io.run(); });
  for (int i = 0; i < 50; ++i) {
    loop.invalidate(tag("a"));
    std::this_thread::yield();
  }
  threads.clear();
  CHECK(done == kCalls);
  CHECK(loop.source->flights().size() == 0);
}

TEST_CASE("async: an error is everybody's, and of the same type", "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  loop.loader.on_load = [](auto) -> LoadedRows { throw TypeError("no such thing"); };
  int caught = 0;
  for (int i = 0; i < 3; ++i)
    spawn(loop, [&]() -> asio::awaitable<void> {
      try {
        static_cast<void>(co_await query.async(use_awaitable));
      } catch (const TypeError&) {
        ++caught;
      }
    });
  loop.run();
  CHECK(caught == 3);
  CHECK(loop.source->flights().size() == 0);
}

TEST_CASE("async: who waits longer than its timeout ends with Timeout", "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  loop.hold_loads();
  Told first;
  loop.ask(query, first);
  loop.await_held(1);
  Told second;
  loop.ask(query.timeout(1ms), second);
  loop.io.restart();
  while (second.times == 0) loop.io.run_one();
  CHECK_THROWS_AS(std::rethrow_exception(second.error), Timeout);
  CHECK(first.times == 0);
  loop.go_on();
  loop.run();
  CHECK(first.result->outcome().status == ReadStatus::miss);
}

TEST_CASE("async: a waiter that is cancelled leaves the others alone", "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  loop.hold_loads();
  Told leads;
  Told waits;
  Told stays;
  asio::cancellation_signal signal;
  loop.ask(query, leads);
  loop.await_held(1);
  loop.ask(query, waits, signal);
  loop.ask(query, stays);
  loop.poll();
  signal.emit(asio::cancellation_type::terminal);
  loop.poll();
  CHECK(waits.aborted());
  CHECK(stays.times == 0);
  loop.go_on();
  loop.run();
  CHECK(leads.result);
  CHECK(stays.result->outcome().status == ReadStatus::joined);
  CHECK(waits.times == 1);
}

TEST_CASE("async: a load whose caller is cancelled goes on, for others and for memory", "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  loop.hold_loads();
  Told leads;
  Told waits;
  asio::cancellation_signal signal;
  loop.ask(query, leads, signal);
  loop.await_held(1);
  loop.ask(query, waits);
  loop.poll();
  signal.emit(asio::cancellation_type::total);
  loop.poll();
  CHECK(leads.aborted());
  CHECK(waits.times == 0);
  loop.go_on();
  loop.run();
  CHECK(waits.result->outcome().status == ReadStatus::joined);
  CHECK(query().outcome().status == ReadStatus::hit);
  CHECK(loop.loader.loads == 1);
  CHECK(leads.times == 1);
}

TEST_CASE("async: a loop goes on for as long as the pool works for a caller who waits, no longer",
          "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  loop.hold_loads();
  Told leads;
  asio::cancellation_signal signal;
  loop.ask(query, leads, signal);
  loop.await_held(1);
  CHECK_FALSE(loop.io.stopped());
  signal.emit(asio::cancellation_type::terminal);
  signal.emit(asio::cancellation_type::terminal);
  loop.poll();
  CHECK(leads.aborted());
  CHECK(loop.io.stopped());
  loop.go_on();
  loop.offload->drain(10s);
  loop.poll();
  CHECK(leads.times == 1);
}

TEST_CASE("async: whom the pool refuses is told once, and nothing is left to be run", "[async]") {
  Loop loop;
  static_cast<void>(loop.offload->drain(0s));
  Told told;
  loop.ask(loop.prepare("select n"), told);
  CHECK(told.times == 0);
  loop.io.restart();
  while (told.times == 0) REQUIRE(loop.io.poll_one() == 1);
  CHECK(loop.io.poll() == 0);
  CHECK(told.times == 1);
}

TEST_CASE("async: what the pool drops, or has no room for, ends the call, and a waiter leads",
          "[async]") {
  Loop loop(std::make_shared<Offload>(OffloadOptions{.threads = 1, .queue = 1}));
  const auto other = loop.prepare("select other");
  const auto query = loop.prepare("select n");
  loop.hold_loads();
  Told holds;
  loop.ask(other, holds);
  loop.await_held(1);
  Told leads;
  Told waits;
  loop.ask(query, leads);  // in the queue
  loop.ask(query, waits);
  loop.poll();
  SECTION("dropped") {
    CHECK(loop.offload->cancel_all() == 1);
    loop.poll();
    CHECK(leads.message() ==
          "no thread of the cache's offload takes a call on an event loop: stopped");
    loop.go_on();
    loop.run();
    CHECK(waits.result->outcome().status == ReadStatus::miss);
  }
  SECTION("full") {
    Told refused;
    loop.ask(loop.prepare("select third"), refused);
    loop.poll();
    CHECK(refused.message() ==
          "no thread of the cache's offload takes a call on an event loop: the queue is full");
    loop.go_on();
    loop.run();
    CHECK(leads.result);
    CHECK(waits.result);
  }
  CHECK(loop.source->flights().size() == 0);
}

TEST_CASE("async: an event loop that goes takes its waiters out of the flight", "[async]") {
  Loop loop;
  const auto query = loop.prepare("select n");
  loop.hold_loads();
  Told leads;
  Told gone;
  loop.ask(query, leads);
  loop.await_held(1);
  {
    asio::io_context short_lived;
    query.async(asio::bind_executor(short_lived, gone.as_handler()));
    short_lived.poll();
  }
  // Were it still there, the lead could go to it, and nobody would load.
  loop.go_on();
  loop.run();
  CHECK(leads.result);
  CHECK(gone.times == 0);
  CHECK(loop.source->flights().size() == 0);
}

TEST_CASE("async: without threads for what blocks a miss is an error that says so", "[async]") {
  test::ReadFixture f;
  const auto query = f.prepare("select n");
  CHECK_THROWS_WITH(query.async(asio::use_future).get(),
                    Catch::Matchers::Contains("CacheOptions::offload"));
  static_cast<void>(query());
  CHECK(query.async(asio::use_future).get().outcome().is_hit());
  // By coroutine, too.
  f.invalidate(query.key());
  asio::io_context io;
  std::string said;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> { static_cast<void>(co_await query.async(use_awaitable)); },
      [&](const std::exception_ptr& error) {
        try {
          if (error) std::rethrow_exception(error);
        } catch (const ConfigError& failure) {
          said = failure.what();
        }
      });
  io.run();
  CHECK(said.find("offload") != std::string::npos);
}

TEST_CASE("async: a query in a caller's own transaction is refused", "[async]") {
  Loop loop;
  loop.loader.alone = true;
  CHECK_THROWS_WITH(loop.prepare("select n").async(asio::use_future).get(),
                    Catch::Matchers::Contains("transaction"));
}

TEST_CASE("async: parameters outlive who gave them", "[async]") {
  Loop loop;
  std::string seen;
  loop.loader.on_load = [&](std::span<const ParameterView> parameters) {
    seen = std::string(parameters[1].as_view());
    return LoadedRows{number(parameters[0].as_int64())};
  };
  const auto query = loop.prepare("select n from t where a = ? and b = ?");
  std::optional<Result> result;
  {
    std::string text = "a text that is too long to lie in the string itself";
    auto later = query.async(5, std::string_view(text), asio::deferred);
    text.assign(text.size(), 'x');
    std::move(later)(asio::bind_executor(
        loop.io, [&](const std::exception_ptr&, Result rows) { result.emplace(std::move(rows)); }));
  }
  loop.run();
  CHECK(seen == "a text that is too long to lie in the string itself");
  CHECK(Loop::value(*result) == 5);
  CHECK(query(5, seen).outcome().is_hit());
}

TEST_CASE("async: a query under a name, and one that must be fresh", "[async]") {
  Loop loop;
  const PreparedQuery<ResultSet, int> query = loop.prepare("select n where n = ?").tag(tag("a"));
  CHECK(query.async(1, asio::use_future).get().outcome().status == ReadStatus::miss);
  CHECK(query.async(1, asio::use_future).get().outcome().is_hit());
  CHECK(query(1).outcome().is_hit());
  loop.invalidate(tag("a"));
  CHECK(query.strong().async(1, asio::use_future).get().outcome().status == ReadStatus::miss);
}
