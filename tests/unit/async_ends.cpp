#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <optional>

#include "querymark/asio/asio.hpp"
#include "querymark/querymark.hpp"
#include "querymark/testing/memory_database.hpp"
#include "unit/loop_door.hpp"

// Event loops that go as soon as they have nothing to do.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using test::Door;
using test::DoorExecutor;

struct Shop {
  std::shared_ptr<Offload> offload = std::make_shared<Offload>(OffloadOptions{.threads = 1});
  Cache cache{{.memory_bytes = 8U << 20U, .offload = offload}};
  testing::MemoryDatabase db{cache, {.namespace_name = "shop"}};
};

// A thread of the pool, whose work closes the door, has handed its end to the loop and stops there, before
// it has let go of the loop: no loop may have nothing to do then.
void no_end_before_the_pools(const std::function<void(Shop&, Door&, DoorExecutor, int&)>& call) {
  Shop shop;
  Door door;
  int told = 0;
  std::optional<asio::io_context> io(std::in_place);
  call(shop, door, DoorExecutor(io->get_executor(), {.behind = &door}), told);
  std::future<void> runs = std::async(std::launch::async, [&] {
    io->run();
    io.reset();
  });
  door.reached.get_future().wait();
  // (Who does not wait has told the caller by then, and destroyed the loop.)
  CHECK(runs.wait_for(100ms) == std::future_status::timeout);
  CHECK(told == 0);
  door.may.set_value();
  runs.get();
  CHECK(told == 1);
}

}  // namespace

TEST_CASE("async: a read is not over before the pool's thread has let go of the loop", "[async]") {
  no_end_before_the_pools([](Shop& shop, Door& door, DoorExecutor executor, int& told) {
    shop.db.on_query("select price", [&door](const testing::Call&) {
      door.closed = true;
      return testing::Table({"price"}).row(std::int64_t{1}).rows();
    });
    shop.db.prepare<std::int64_t>("select price")
        .tag(tag("price"))
        .async(asio::bind_executor(executor,
                                   [&told](const std::exception_ptr&, const auto&) { ++told; }));
  });
}

TEST_CASE("async: nor is anything else that the pool does", "[async]") {
  no_end_before_the_pools([](Shop& shop, Door& door, DoorExecutor executor, int& told) {
    async_run(
        shop.db, [&door] { door.closed = true; },
        asio::bind_executor(executor, [&told](const std::exception_ptr&) { ++told; }));
  });
  no_end_before_the_pools([](Shop& shop, Door& door, DoorExecutor executor, int& told) {
    async_run(
        shop.db,
        [&door] {
          door.closed = true;
          return 1;
        },
        asio::bind_executor(executor, [&told](const std::exception_ptr&, int) { ++told; }));
  });
}
