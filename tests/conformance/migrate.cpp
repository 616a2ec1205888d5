// Migrations on every database.

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;

TEMPLATE_TEST_CASE("migrate: applies, then has nothing to do", "[migrate]", QUERYMARK_BARE_WORLDS) {
  const TestType bare;
  const MigrationReport planned = bare.migrate(true);
  CHECK(planned.applied.size() == static_cast<std::size_t>(TestType::newest()));
  CHECK_FALSE(bare.has_schema());
  CHECK(bare.migrate().applied == planned.applied);
  CHECK(bare.has_schema());
  CHECK(bare.migrate().applied.empty());
}

TEMPLATE_TEST_CASE("migrate: refuses a newer schema", "[migrate]", QUERYMARK_WORLDS) {
  const TestType world;
  world.add_future_schema();
  CHECK_THROWS_AS(TestType::migrate(world.address()), SchemaError);
}

TEMPLATE_TEST_CASE("migrate: several at once apply each migration once", "[migrate]",
                   QUERYMARK_BARE_WORLDS) {
  const TestType bare;
  std::atomic<std::size_t> applied{0};
  std::atomic<int> failed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      try {
        applied += bare.migrate().applied.size();
      } catch (const Error&) {
        ++failed;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(failed == 0);
  CHECK(applied == static_cast<std::size_t>(TestType::newest()));
}
