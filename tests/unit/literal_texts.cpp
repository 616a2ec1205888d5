#include <catch2/catch.hpp>
#include <thread>

#include "unit/read_fixture.hpp"

// Programs that write values into their SQL: each text is a prefix of its own, and takes memory.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::FakeLoader;

struct Fixture {
  explicit Fixture(std::size_t memory) : cache({.memory_bytes = memory}) {
    source.marks().trust_until(MonotonicTime::max());
  }
  // What counts against the budget.
  [[nodiscard]] std::size_t taken() const {
    const CacheStats stats = cache.stats();
    return stats.entry_bytes + stats.prefix_bytes + stats.mark_bytes;
  }
  Result ask(const std::string& sql) {
    return Query(source, loader, sql, Parameters()).ttl(1h).fetch();
  }

  Cache cache;
  Source source{cache, {.mark_cells = 1024}};
  FakeLoader loader;
};

std::string text(int i, std::size_t size) {
  std::string sql = "select n from t where id = " + std::to_string(i) + " /*";
  return sql.append(size, 'x') + "*/";
}

}  // namespace

TEST_CASE("literal texts: SQL texts count against the budget, and go with their entries",
          "[literals]") {
  constexpr std::size_t kMemory = 2U << 20U;
  const std::size_t size = GENERATE(10, 300, 5'000, 100'000);
  Fixture f(kMemory);
  const int count = static_cast<int>(std::min<std::size_t>(10'000, 5 * kMemory / size));
  for (int i = 0; i < count; ++i) {
    (void)f.ask(text(i, size));
    if (i % 16 == 0 && f.taken() > kMemory) FAIL("took " << f.taken() << " after " << i);
  }
  CHECK(f.cache.stats().evictions > 0);
  // The room is used, too: most of it, where texts are small against it.
  CHECK(f.taken() > kMemory / (size < 100'000 ? 2 : 4));
  CHECK(f.ask(text(count - 1, size)).outcome().is_hit());
  f.cache.purge();
}

TEST_CASE("literal texts: a text larger than a shard is not kept, and evicts nobody",
          "[literals]") {
  constexpr std::size_t kMemory = 2U << 20U;
  Fixture f(kMemory);
  (void)f.ask("select 1");
  CHECK(f.ask(text(1, kMemory)).outcome().stored == Stored::oversize);
  CHECK(f.ask("select 1").outcome().is_hit());
}

TEST_CASE("literal texts: those that queries hold make the room for entries smaller",
          "[literals]") {
  constexpr std::size_t kMemory = 2U << 20U;
  Fixture f(kMemory);
  using Held = Prepared<ResultSet, detail::NoMapper>;
  std::vector<Held> held;
  for (int i = 0; i < 30; ++i)
    held.emplace_back(f.source, f.loader, text(i, 100'000), detail::NoMapper());
  // More is prepared than there is room for: nothing is kept, everything is answered.
  CHECK(f.ask("select 1").outcome().stored == Stored::oversize);
  CHECK(f.cache.stats().entries == 0);
  held.clear();
  CHECK(f.ask("select 1").outcome().stored == Stored::yes);
}

TEST_CASE("literal texts: entries of one text that fill the cache are not charged for it each",
          "[literals]") {
  constexpr std::size_t kMemory = 2U << 20U;
  Fixture f(kMemory);
  const Prepared<ResultSet, detail::NoMapper> query(f.source, f.loader, text(0, 1'000),
                                                    detail::NoMapper());
  for (int i = 0; i < 20'000; ++i) (void)query(i);
  CHECK(f.taken() <= kMemory);
  CHECK(f.taken() > kMemory / 10 * 9);
}

TEST_CASE("literal texts: threads that bring them keep to the budget together", "[literals]") {
  constexpr std::size_t kMemory = 24U << 20U;
  Fixture f(kMemory);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        FakeLoader loader;
        for (int i = 0; i < 4'000; ++i)
          (void)Query(f.source, loader, text(t * 1'000'000 + i, 4'000), Parameters()).fetch();
      });
  }
  CHECK(f.taken() <= kMemory);
  CHECK(f.taken() > kMemory / 2);
}
