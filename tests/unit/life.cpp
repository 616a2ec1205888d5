#include "querymark/support/life.hpp"

#include <catch2/catch.hpp>
#include <optional>
#include <vector>

using namespace querymark;

TEST_CASE("life: a watch tells the end of its own life, whoever has the place now", "[life]") {
  std::optional<Life> first(std::in_place);
  const Life other;
  const Life::Watch of_first = first->watch();
  const Life::Watch of_other = other.watch();
  CHECK_FALSE(of_first.over());
  first.reset();
  CHECK(of_first.over());
  CHECK_FALSE(of_other.over());
  const Life second;
  CHECK(of_first.over());
  CHECK_FALSE(second.watch().over());
}

TEST_CASE("life: many lives, one after another", "[life]") {
  std::vector<Life::Watch> watches;
  for (int i = 0; i < 1000; ++i) {
    const Life life;
    watches.push_back(life.watch());
    CHECK_FALSE(watches.back().over());
  }
  for (const Life::Watch& watch : watches) CHECK(watch.over());
}
