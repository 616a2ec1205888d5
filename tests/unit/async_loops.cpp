#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <optional>

#include "unit/async_fixture.hpp"
#include "unit/loop_door.hpp"

// Event loops that go while what their calls wait for happens on others.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using Value = Cached<int>;
using Told = test::ToldOf<Value>;
using test::Door;
using test::DoorExecutor;

struct Loops {
  // A load of this thread's own: it has begun when `during` runs.
  template <class During>
  int load_here(During&& during) {
    return *cache.get_or_load<int>("n", options, [&] {
      during();
      return 7;
    });
  }
  // Somebody on another loop who waits for that load: not a part of it, so begun on another thread.
  void wait_on(const asio::any_io_executor& executor, Told& told) {
    std::async(std::launch::async, [&] {
      async_get_or_load<int>(
          cache, "n", options, [] { return 1; }, asio::bind_executor(executor, told.as_handler()));
    }).get();
  }

  Cache cache{{.memory_bytes = 8U << 20U}};
  ReadOptions options{.tags = {tag("a")}, .ttl = 1min};
};

}  // namespace

TEST_CASE("async: whoever waits on a loop that has gone is not told of the load's end", "[async]") {
  Loops f;
  Told gone;
  Told stays;
  asio::io_context io;
  const int loaded = f.load_here([&] {
    asio::io_context short_lived;
    f.wait_on(short_lived.get_executor(), gone);
    f.wait_on(io.get_executor(), stays);
    short_lived.poll();
    io.poll();
  });
  CHECK(loaded == 7);
  io.restart();
  io.poll();
  CHECK(gone.times == 0);
  REQUIRE(stays.result);
  CHECK(**stays.result == 7);
}

TEST_CASE("async: a loop that goes waits for who is about to wake one of its calls", "[async]") {
  Loops f;
  Told gone;
  Door door;
  std::optional<asio::io_context> io(std::in_place);
  std::atomic<bool> destroyed = false;
  std::future<int> loads = std::async(std::launch::async, [&] {
    return f.load_here([&] {
      f.wait_on(DoorExecutor(io->get_executor(), {.before = &door}), gone);
      io->poll();
      door.closed = true;  // the end of this load comes there
    });
  });
  door.reached.get_future().wait();
  std::future<void> ends = std::async(std::launch::async, [&] {
    io.reset();
    destroyed = true;
  });
  // (Who does not wait has destroyed it by then, and the load's end comes to a loop that is no more.)
  CHECK(ends.wait_for(100ms) == std::future_status::timeout);
  CHECK_FALSE(destroyed);
  door.may.set_value();
  CHECK(loads.get() == 7);
  ends.get();
  CHECK(gone.times == 0);
}
