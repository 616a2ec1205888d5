#include <algorithm>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <catch2/catch.hpp>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "querymark/asio/asio.hpp"
#include "unit/async_fixture.hpp"
#include "unit/shelf.hpp"

// Many keys at once, on an event loop.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::use_awaitable;
using test::All;
using test::Ids;
using test::kHit;
using test::kMiss;
using test::Loop;
using test::Names;
using test::names_of;
using test::Product;
using test::spawn;
using test::Statuses;
using test::statuses_of;

struct Shop : Loop {
  using Loop::Loop;
  ~Shop() { open(); }

  [[nodiscard]] auto by_ids() {
    using Mapper = detail::ByOrdinal<detail::AutoMapper<Product>>;
    return Prepared<Product, Mapper>(*source, shelf, test::kByIds, Mapper{}).tag(test::kProductOf);
  }
  // Statements wait until they may go on.
  // Loads of this id; zero: all.
  void hold(std::int64_t id = 0) {
    closed = std::promise<void>();
    is_closed = true;
    shelf.before = [this, id, opened = closed.get_future().share()](const Ids& ids) {
      if (id != 0 && std::ranges::find(ids, id) == ids.end()) return;
      ++held_;
      opened.wait();
    };
  }
  void open() {
    if (std::exchange(is_closed, false)) closed.set_value();
  }
  // A call whose handler the loop runs.
  template <class Query>
  void ask_many(const Query& query, const Ids& ids, test::ToldOf<All>& told) {
    query.async_fetch_many(ids, asio::bind_executor(io, told.as_handler()));
  }
  template <class Query>
  void ask_many(const Query& query, const Ids& ids, test::ToldOf<All>& told,
                asio::cancellation_signal& signal) {
    query.async_fetch_many(ids, asio::bind_cancellation_slot(
                                    signal.slot(), asio::bind_executor(io, told.as_handler())));
  }

  test::Shelf shelf;
  std::promise<void> closed;
  bool is_closed = false;
};

}  // namespace

TEST_CASE(
    "async fetch_many: what memory lacks is one statement on the pool, and hits suspend nobody",
    "[async]") {
  Shop shop;
  const auto by_ids = shop.by_ids();
  std::thread::id loaded_on;
  shop.shelf.before = [&](const Ids&) { loaded_on = std::this_thread::get_id(); };
  bool finished = false;
  bool others_ran = false;
  const Ids some{3, 2, 9, 3};
  const Ids both{2, 3};
  const Ids none;
  spawn(shop, [&]() -> asio::awaitable<void> {
    static_cast<void>(co_await by_ids.async(2, use_awaitable));
    const All all = co_await by_ids.async_fetch_many(some, use_awaitable);
    CHECK(names_of(all) == Names{"pot", "cup", "-", "pot"});
    CHECK(statuses_of(all) == Statuses{kMiss, kHit, kMiss, kMiss});
    CHECK(loaded_on != std::this_thread::get_id());
    asio::post(shop.io, [&] { others_ran = true; });
    const All hits = co_await by_ids.async_fetch_many(both, use_awaitable);
    CHECK(statuses_of(hits) == Statuses{kHit, kHit});
    const All nothing = co_await by_ids.async_fetch_many(none, use_awaitable);
    CHECK(nothing.empty());
    CHECK_FALSE(others_ran);
    finished = true;
  });
  shop.run();
  CHECK(finished);
  CHECK(shop.shelf.asked() == std::vector<Ids>{{2}, {3, 9}});
}

TEST_CASE("async fetch_many: other tokens, a named query, and one that must be fresh", "[async]") {
  Shop shop;
  const PreparedQuery<Product, std::int64_t> named = shop.by_ids();
  CHECK(names_of(named.async_fetch_many(Ids{1, 3}, asio::use_future).get()) == Names{"tea", "pot"});
  shop.invalidate(entity("product", 1));
  const All fresh = named.strong().async_fetch_many(Ids{1, 3}, asio::use_future).get();
  CHECK(statuses_of(fresh) == Statuses{kMiss, kHit});
  const std::set<std::int64_t> sorted{3, 1};
  CHECK(names_of(named.async_fetch_many(sorted, asio::use_future).get()) == Names{"tea", "pot"});
  // The keys are copied, and memory is looked into when the operation starts.
  Ids keys{1, 2};
  auto later = named.async_fetch_many(keys, asio::deferred);
  keys = {9, 9};
  shop.invalidate(entity("product", 1));
  CHECK(statuses_of(std::move(later)(asio::use_future).get()) == Statuses{kMiss, kMiss});
  const PreparedQuery<ResultSet, int> one = shop.prepare("select n where n = ?");
  CHECK_THROWS_AS(one.async_fetch_many(std::vector<int>{1}, asio::use_future).get(), ConfigError);
}

TEST_CASE("async fetch_many: texts, also those that may be missing, outlive who gave them",
          "[async]") {
  Loop loop;
  struct Texts : Loader {
    LoadedRows load(std::string_view, std::span<const ParameterView> parameters) override {
      ResultSetBuilder builder;
      for (const char* column : {"key", "text"}) builder.add_column(column);
      std::int64_t place = 0;
      for (const ParameterView text : elements_of_list(parameters[0])) {
        builder.add(ParameterView::int64(place++));
        builder.add(text);
      }
      return {.rows = std::move(builder).build()};
    }
  } texts;
  using Mapper = detail::ByOrdinal<detail::NoMapper>;
  const Prepared<ResultSet, Mapper> echo(*loop.source, texts, "select echo", Mapper{});
  const std::string lengthy = "a text that is too long to lie in the string itself";
  std::optional<std::vector<Result>> told;
  {
    std::string text = lengthy;
    const std::vector<std::string_view> views{text, "tea"};
    const std::vector<std::optional<std::string_view>> some{std::nullopt, text};
    auto later = echo.async_fetch_many(views, asio::deferred);
    auto others = echo.async_fetch_many(some, asio::deferred);
    text.assign(text.size(), 'x');
    CHECK(std::move(later)(asio::use_future).get()[0][0][0].view() == lengthy);
    const std::vector<Result> all = std::move(others)(asio::use_future).get();
    CHECK(all[0][0][0].is_null());
    CHECK(all[1][0][0].view() == lengthy);
  }
  const PreparedQuery<ResultSet, std::string_view> named = echo;
  CHECK(named.async_fetch_many(std::vector<std::string_view>{lengthy}, asio::use_future)
            .get()[0]
            .outcome()
            .is_hit());
}

TEST_CASE("async fetch_many: a thousand callers of the same keys are one statement, and no thread",
          "[async]") {
  Shop shop(std::make_shared<Offload>(OffloadOptions{.threads = 2, .queue = 2000}));
  const auto by_ids = shop.by_ids();
  const Ids ids{1, 2, 3};
  shop.hold();
  int done = 0;
  for (int i = 0; i < 1000; ++i)
    spawn(shop, [&]() -> asio::awaitable<void> {
      const All all = co_await by_ids.async_fetch_many(ids, use_awaitable);
      CHECK(names_of(all) == Names{"tea", "cup", "pot"});
      ++done;
    });
  shop.await_held(1);
  // The second thread has looked at all of them, and is free again.
  test::await("all others wait", 20s, [&] {
    shop.poll();
    return shop.offload->stats().waiting == 0 && shop.offload->stats().running == 1;
  });
  CHECK(done == 0);
  shop.open();
  shop.run();
  CHECK(done == 1000);
  CHECK(shop.shelf.asked().size() == 1);
  CHECK(shop.source->flights().size() == 0);
}

TEST_CASE("async fetch_many: what another loads is waited for once all of one's own is there",
          "[async]") {
  Shop shop(std::make_shared<Offload>(OffloadOptions{.threads = 2}));
  const auto by_ids = shop.by_ids();
  shop.hold(1);
  test::ToldOf<All> first;
  test::ToldOf<All> second;
  shop.ask_many(by_ids, {1, 2}, first);
  shop.await_held(1);
  shop.ask_many(by_ids, {3, 2}, second);
  test::await("the second has its own", 20s, [&] {
    shop.poll();
    return shop.offload->stats().completed == 1;
  });
  CHECK(by_ids(3).outcome().is_hit());
  CHECK(second.times == 0);
  shop.open();
  shop.run();
  CHECK(names_of(*first.result) == Names{"tea", "cup"});
  CHECK(statuses_of(*second.result) == Statuses{kMiss, ReadStatus::joined});
}

TEST_CASE("async fetch_many: cancelled while it waits, it leaves; while it loads, the load goes on",
          "[async]") {
  Shop shop(std::make_shared<Offload>(OffloadOptions{.threads = 2}));
  const auto by_ids = shop.by_ids();
  shop.hold();
  test::ToldOf<All> loads;
  test::ToldOf<All> waits;
  test::ToldOf<All> stays;
  asio::cancellation_signal load_signal;
  asio::cancellation_signal wait_signal;
  shop.ask_many(by_ids, {1, 2}, loads, load_signal);
  shop.await_held(1);
  shop.ask_many(by_ids, {2, 1}, waits, wait_signal);
  shop.ask_many(by_ids, {2}, stays);
  test::await("both wait", 20s, [&] {
    shop.poll();
    return shop.offload->stats().completed == 2;
  });
  shop.poll();
  wait_signal.emit(asio::cancellation_type::terminal);
  load_signal.emit(asio::cancellation_type::total);
  shop.poll();
  CHECK(waits.aborted());
  CHECK(loads.aborted());
  CHECK(stays.times == 0);
  shop.open();
  shop.run();
  CHECK(statuses_of(*stays.result) == Statuses{ReadStatus::joined});
  CHECK(by_ids(1).outcome().is_hit());
  CHECK(shop.shelf.asked().size() == 1);
  CHECK(loads.times == 1);
  CHECK(waits.times == 1);
  CHECK(shop.source->flights().size() == 0);
}

TEST_CASE("async fetch_many: cancelled before a thread has begun, its keys are another's",
          "[async]") {
  Shop shop;  // of one thread
  const auto by_ids = shop.by_ids();
  shop.hold();
  test::ToldOf<All> holds;
  test::ToldOf<All> queued;
  asio::cancellation_signal signal;
  shop.ask_many(by_ids, {9}, holds);
  shop.await_held(1);
  shop.ask_many(by_ids, {1}, queued, signal);
  shop.poll();
  signal.emit(asio::cancellation_type::terminal);
  shop.poll();
  CHECK(queued.aborted());
  shop.open();
  shop.run();
  CHECK(holds.result);
  CHECK(by_ids(1).one().name == "tea");
  CHECK(shop.source->flights().size() == 0);
}

TEST_CASE(
    "async fetch_many: a statement that fails ends the call, not those who wait for other keys",
    "[async]") {
  Shop shop(std::make_shared<Offload>(OffloadOptions{.threads = 2}));
  const auto by_ids = shop.by_ids();
  std::promise<void> may;
  shop.shelf.before = [&, held = may.get_future().share()](const Ids& ids) {
    if (ids != Ids{1, 2}) return;
    ++shop.held_;
    held.wait();
    throw TypeError("key 1 is no key");
  };
  test::ToldOf<All> bad;
  test::ToldOf<All> good;
  shop.ask_many(by_ids, {1, 2}, bad);
  shop.await_held(1);
  shop.ask_many(by_ids, {2}, good);
  test::await("it waits", 20s, [&] {
    shop.poll();
    return shop.offload->stats().completed == 1;
  });
  may.set_value();
  shop.run();
  CHECK(bad.message() == "key 1 is no key");
  CHECK(names_of(*good.result) == Names{"cup"});
  CHECK(shop.source->flights().size() == 0);
}

TEST_CASE("async fetch_many: an event loop that goes takes its calls out of the flights",
          "[async]") {
  Shop shop(std::make_shared<Offload>(OffloadOptions{.threads = 2}));
  const auto by_ids = shop.by_ids();
  shop.hold();
  test::ToldOf<All> loads;
  test::ToldOf<All> gone;
  shop.ask_many(by_ids, {1, 2}, loads);
  shop.await_held(1);
  {
    asio::io_context short_lived;
    by_ids.async_fetch_many(Ids{2, 1}, asio::bind_executor(short_lived, gone.as_handler()));
    short_lived.poll();
    test::await("it waits", 20s, [&] {
      short_lived.restart();
      short_lived.poll();
      return shop.offload->stats().completed == 1;
    });
  }
  shop.open();
  shop.run();
  CHECK(names_of(*loads.result) == Names{"tea", "cup"});
  CHECK(gone.times == 0);
  CHECK(shop.source->flights().size() == 0);
}

TEST_CASE("async fetch_many: overlapping lists on several threads, with invalidations in between",
          "[async]") {
  Shop shop(std::make_shared<Offload>(OffloadOptions{.threads = 4, .queue = 10'000}));
  const auto by_ids = shop.by_ids();
  std::atomic<int> done = 0;
  const Ids up{1, 2, 3};
  const Ids down{3, 2, 1};
  const Names up_names{"tea", "cup", "pot"};
  const Names down_names{"pot", "cup", "tea"};
  constexpr int kCalls = 200;
  for (int i = 0; i < kCalls; ++i)
    asio::co_spawn(
        shop.io,
        [&, i]() -> asio::awaitable<void> {
          for (int round = 0; round < 5; ++round) {
            const All all = co_await by_ids.async_fetch_many(i % 2 == 0 ? up : down, use_awaitable);
            if (names_of(all) == (i % 2 == 0 ? up_names : down_names)) ++done;
          }
        },
        asio::detached);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back([&] { shop.io.run(); });
  for (int i = 0; i < 50; ++i) {
    shop.invalidate(entity("product", 1 + i % 3));
    std::this_thread::yield();
  }
  threads.clear();
  CHECK(done == kCalls * 5);
  CHECK(shop.source->flights().size() == 0);
}

TEST_CASE("async fetch_many: a hundred thousand keys", "[async]") {
  Shop shop;
  Ids ids;
  for (std::int64_t id = 0; id < 100'000; ++id) ids.push_back(id);
  const All all = shop.by_ids().async_fetch_many(ids, asio::use_future).get();
  CHECK(all.size() == ids.size());
  CHECK(all[3].one().name == "pot");
  CHECK(shop.shelf.asked().size() == 1);
}

TEST_CASE(
    "async fetch_many: it waits for its turn to load on no thread, and gives it up when cancelled",
    "[async]") {
  Shop shop(std::make_shared<Offload>(OffloadOptions{.threads = 2}));
  Source source(
      shop.cache,
      {.scope = {.namespace_name = "shop"}, .mark_cells = 1024, .load_budget = {.loads = 1}});
  source.marks().restart(test::ReadFixture::upto(10));
  source.marks().trust_until(MonotonicTime::max());
  using Mapper = detail::ByOrdinal<detail::AutoMapper<Product>>;
  const auto by_ids =
      Prepared<Product, Mapper>(source, shop.shelf, test::kByIds, Mapper{}).tag(test::kProductOf);
  shop.hold();
  test::ToldOf<All> loads;
  test::ToldOf<All> cancelled;
  test::ToldOf<All> late;
  test::ToldOf<All> next;
  asio::cancellation_signal signal;
  shop.ask_many(by_ids, {1}, loads);
  shop.await_held(1);
  shop.ask_many(by_ids, {2}, cancelled, signal);
  shop.ask_many(by_ids, {3}, next);
  shop.poll();
  CHECK(source.flights().queued() == 2);
  CHECK(shop.offload->stats().running == 1);
  signal.emit(asio::cancellation_type::terminal);
  shop.poll();
  CHECK(cancelled.aborted());
  CHECK(source.flights().queued() == 1);
  shop.ask_many(by_ids.timeout(1ms), {9}, late);
  shop.io.restart();
  while (late.times == 0) shop.io.run_one();
  CHECK_THROWS_AS(std::rethrow_exception(late.error), Timeout);
  shop.open();
  shop.run();
  CHECK(names_of(*loads.result) == Names{"tea"});
  CHECK(names_of(*next.result) == Names{"pot"});
  CHECK(source.flights().queued() == 0);
  CHECK(source.flights().size() == 0);
  shop.offload->drain(10s);  // before the source goes
}
