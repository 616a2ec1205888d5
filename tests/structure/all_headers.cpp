#include <catch2/catch.hpp>

#include "querymark/read/cache.hpp"

// That this program links is the test: see CMakeLists.txt.
TEST_CASE("a program may include every public header, in any order and in several sources") {
  querymark::Cache cache;
  CHECK(cache.stats().entries == 0);
}
