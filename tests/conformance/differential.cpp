// Cached against direct reads, with several threads in two "processes" at once.

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <random>
#include <thread>

#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

constexpr int kProducts = 3;

// The highest version of each product whose write this process has acknowledged or waited for.
struct Known {
  std::array<std::atomic<std::int64_t>, kProducts + 1> version{};
  void learn(std::int64_t id, std::int64_t seen) {
    auto& slot = version[static_cast<std::size_t>(id)];
    std::int64_t known = slot.load();
    while (known < seen && !slot.compare_exchange_weak(known, seen)) {
    }
  }
};

template <class World>
struct Run {
  using Process = typename World::Process;

  World world;
  Process first{world.shop};
  Process second{world.shop};
  Known known_first;
  Known known_second;
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> stale{0};

  // Versions only grow: a read that began after version v was acknowledged in its process must not
  // be older.
  void read(Process& process, Known& known, std::int64_t id) {
    const std::int64_t floor = known.version[static_cast<std::size_t>(id)].load();
    const auto seen = static_cast<std::int64_t>(only(process.price(id)));
    ++reads;
    if (seen < floor) ++stale;
  }

  void write(std::int64_t id) {
    std::int64_t version = 0;
    const auto written = first.db.write([&](auto& tx) {
      const ResultSet row = tx.query(World::kLockPriceOf, id);
      version = static_cast<std::int64_t>(row.row(0)[0].template as<double>()) + 1;
      tx.execute(World::kSetPrice, static_cast<double>(version), id);
      tx.invalidate(entity("product", id));
    });
    known_first.learn(id, version);
    if (second.db.wait(written.receipt, Wait::local(10s)).satisfied())
      known_second.learn(id, version);
    else
      ++stale;
  }
};

}  // namespace

TEMPLATE_TEST_CASE("differential: no read is older than what its process knew when it began",
                   "[differential]", QUERYMARK_WORLDS) {
  const unsigned seed = GENERATE(11U, 12U, 13U);
  CAPTURE(seed);
  Run<TestType> run;
  run.world.shop.execute("update product set price = 0");
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < 2; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(seed * 100 + t);
      while (!stop) run.read(run.first, run.known_first, 1 + random() % kProducts);
    });
    threads.emplace_back([&, t] {
      std::mt19937 random(seed * 200 + t);
      while (!stop) run.read(run.second, run.known_second, 1 + random() % kProducts);
    });
  }
  std::vector<std::thread> writers;
  for (unsigned t = 0; t < 2; ++t)
    writers.emplace_back([&, t] {
      std::mt19937 random(seed * 300 + t);
      for (int i = 0; i < 60; ++i) run.write(1 + random() % kProducts);
    });
  for (std::thread& writer : writers) writer.join();
  stop = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(run.reads > 1000);
  CHECK(run.stale == 0);
  run.first.db.catch_up();
  run.second.db.catch_up();
  for (std::int64_t id = 1; id <= kProducts; ++id) {
    const auto direct =
        run.world.shop.number("select price from product where id = " + std::to_string(id));
    CHECK(static_cast<std::int64_t>(only(run.first.price(id))) == direct);
    CHECK(static_cast<std::int64_t>(only(run.second.price(id))) == direct);
  }
  const CacheStats stats = run.second.cache.stats();
  CHECK(stats.hits > stats.misses);
}
