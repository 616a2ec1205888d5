#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <string>
#include <thread>

#include "querymark/asio/asio.hpp"
#include "querymark/querymark.hpp"
#include "querymark/testing/memory_database.hpp"

// Whatever else blocks, from an event loop.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::use_awaitable;

struct Shop {
  std::shared_ptr<Offload> offload = std::make_shared<Offload>(OffloadOptions{.threads = 2});
  Cache cache{{.memory_bytes = 8U << 20U, .offload = offload}};
  testing::MemoryDatabase db{cache, {.namespace_name = "shop"}};
  std::int64_t price = 1;

  Shop() {
    db.on_query("select price", [this](const testing::Call&) {
      return testing::Table({"price"}).row(price).rows();
    });
    db.on_execute("update", [this](const testing::Call& call) {
      price = call[0].as<std::int64_t>();
      return 1;
    });
  }
};

}  // namespace

TEST_CASE("async calls: a write, its receipt and a read that includes it, in one coroutine",
          "[async]") {
  Shop shop;
  const auto price = shop.db.prepare<std::int64_t>("select price").tag(tag("price"));
  asio::io_context io;
  const std::thread::id loop = std::this_thread::get_id();
  bool finished = false;
  asio::co_spawn(
      io,
      [&]() -> asio::awaitable<void> {
        CHECK((co_await price.async(use_awaitable)).one() == 1);
        const Written<std::int64_t> written = co_await async_write(
            shop.db,
            [&](Transaction& tx) {
              CHECK(std::this_thread::get_id() != loop);
              tx.invalidate(tag("price"));
              return tx.execute("update", 5);
            },
            use_awaitable);
        CHECK(written.value == 1);
        const WaitOutcome outcome =
            co_await async_wait(shop.db, written.receipt, Wait::local(1s), use_awaitable);
        CHECK(outcome.satisfied());
        CHECK((co_await price.at_least(written.receipt).async(use_awaitable)).one() == 5);
        CHECK(std::this_thread::get_id() == loop);
        finished = true;
      },
      [](const std::exception_ptr& error) {
        if (error) std::rethrow_exception(error);
      });
  io.run();
  CHECK(finished);
}

TEST_CASE("async calls: anything that blocks, with what it returns or throws", "[async]") {
  Shop shop;
  const auto get = [&] {
    return shop.db.get_or_load<int>("nine", {.ttl = 1min}, [] { return 9; });
  };
  CHECK(*async_run(shop.db, get, asio::use_future).get() == 9);
  CHECK(async_run(
            shop.db, [&] { return shop.db.query("select price").fetch(); }, asio::use_future)
            .get()
            .size() == 1);
  bool ran = false;
  async_run(shop.db, [&] { ran = true; }, asio::use_future).get();
  CHECK(ran);
  CHECK_THROWS_AS(async_run(
                      shop.db, []() -> int { throw TypeError("no"); }, asio::use_future)
                      .get(),
                  TypeError);
  CHECK_THROWS_AS(
      async_run(shop.db, [] { throw TypeError("no"); }, asio::use_future).get(), TypeError);
}

TEST_CASE("async calls: what the pool does not take is an error, and is not run", "[async]") {
  Cache cache{CacheOptions{.memory_bytes = 8U << 20U}};
  testing::MemoryDatabase db(cache, {.namespace_name = "shop"});
  bool ran = false;
  CHECK_THROWS_AS(async_run(db, [&] { ran = true; }, asio::use_future).get(), ConfigError);
  Shop shop;
  static_cast<void>(shop.offload->drain(0s));
  CHECK_THROWS_WITH(async_run(
                        shop.db, [&] { ran = true; }, asio::use_future)
                        .get(),
                    Catch::Matchers::Contains("stopped"));
  CHECK_FALSE(ran);
}

TEST_CASE("async calls: who is refused is told once, behind whoever has asked", "[async]") {
  Shop shop;
  static_cast<void>(shop.offload->drain(0s));
  asio::io_context io;
  int told = 0;
  asio::post(io, [&] {
    async_run(
        shop.db, [] {}, asio::bind_executor(io, [&](const std::exception_ptr& error) {
          CHECK(error);
          ++told;
        }));
    CHECK(told == 0);
  });
  io.run();
  CHECK(told == 1);
}

TEST_CASE("async calls: what memory has, and a caller's mistake, is told behind whoever has asked",
          "[async]") {
  Shop shop;
  asio::io_context io;
  int told = 0;
  const auto ask = [&](auto options) {
    async_get_or_load<int>(
        shop.db, "nine", options, [] { return 9; },
        asio::bind_executor(io, [&](const std::exception_ptr&, const Cached<int>&) { ++told; }));
  };
  ReadOptions options{.ttl = 1min};
  SECTION("memory") {
    static_cast<void>(shop.db.get_or_load<int>("nine", options, [] { return 9; }));
  }
  SECTION("mistake") { options.ttl = -1min; }
  asio::post(io, [&] {
    ask(options);
    CHECK(told == 0);
  });
  io.run();
  CHECK(told == 1);
}

TEST_CASE("async calls: the function may hold the last reference to its database", "[async]") {
  auto offload = std::make_shared<Offload>(OffloadOptions{.threads = 1});
  Cache cache{{.memory_bytes = 8U << 20U, .offload = offload}};
  auto db = std::make_shared<testing::MemoryDatabase>(
      cache, testing::MemoryOptions{.namespace_name = "shop"});
  const std::weak_ptr<testing::MemoryDatabase> lives = db;
  std::promise<void> may;
  std::future<void> done =
      async_run(*db, [db, &may] { may.get_future().wait(); }, asio::use_future);
  db.reset();
  may.set_value();
  done.get();
  CHECK(offload->drain(10s).empty());
  CHECK(lives.expired());
}
