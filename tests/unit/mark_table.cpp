#include "querymark/mark/mark_table.hpp"

#include <catch2/catch.hpp>

#include "querymark/support/error.hpp"

namespace {

using namespace querymark;

TargetId numbered(std::string_view kind, int number) { return entity(kind, number).id(); }

}  // namespace

TEST_CASE("mark table: a mark is never lower than what was raised", "[mark_table]") {
  MarkTable table(64);  // small, so that all collide
  for (int i = 1; i <= 500; ++i)
    table.raise(numbered("p", i), static_cast<std::uint64_t>(i),
                {static_cast<std::uint64_t>(2 * i)});
  for (int i = 1; i <= 500; ++i) {
    CHECK(table.generation(numbered("p", i)) >= static_cast<std::uint64_t>(i));
    CHECK(table.position(numbered("p", i)).value >= static_cast<std::uint64_t>(2 * i));
  }
}

TEST_CASE("mark table: a mark does not go back", "[mark_table]") {
  MarkTable table;
  const TargetId target = tag("a").id();
  CHECK(table.generation(target) == 0);
  CHECK(table.position(target) == Position{0});
  table.raise(target, 5, {50});
  table.raise(target, 3, {70});
  CHECK(table.generation(target) == 5);
  CHECK(table.position(target) == Position{70});
  table.raise_position(target, {60});
  CHECK(table.position(target) == Position{70});
  table.raise_position(target, {80});
  CHECK(table.position(target) == Position{80});
  CHECK(table.generation(target) == 5);
}

TEST_CASE("mark table: clearing positions keeps generations", "[mark_table]") {
  MarkTable table(1000);
  for (int i = 0; i < 1000; ++i) table.raise(numbered("p", i), 9, {90});
  table.clear_positions();
  for (int i = 0; i < 1000; ++i) {
    CHECK(table.position(numbered("p", i)) == Position{0});
    CHECK(table.generation(numbered("p", i)) == 9);
  }
}

TEST_CASE("mark table: its size is bounded from below", "[mark_table]") {
  CHECK_THROWS_AS(MarkTable(63), ConfigError);
  CHECK_THROWS_AS(MarkTable(std::size_t{1} << 32U), ConfigError);
  const MarkTable table(64);
  CHECK(table.cells() == 64);
  CHECK(table.bytes() == 1024);
}

TEST_CASE("mark table: 100,000 targets leave 99 of 100 unrelated ones alone, as predicted",
          "[mark_table]") {
  constexpr int kTargets = 100'000;
  constexpr int kProbes = 200'000;
  MarkTable table;
  for (int i = 0; i < kTargets; ++i) table.raise(numbered("written", i), 2, {2});
  int later = 0;
  for (int i = 0; i < kProbes; ++i)
    if (table.generation(numbered("unrelated", i)) > 1) ++later;
  const double measured = static_cast<double>(later) / kProbes;
  const double expected = MarkTable::expected_false_rate(table.cells(), kTargets);
  CHECK(expected > 0.002);
  CHECK(expected < 0.003);
  CHECK(measured <= 0.01);
  // 500 events are expected: six standard deviations are 27 %; the secret differs in each process.
  CHECK(measured == Approx(expected).epsilon(0.3));
  // The estimate samples 4,096 cells and takes the fourth power: a coarse gauge.
  CHECK(table.false_rate(1) == Approx(expected).epsilon(0.6));
  CHECK(table.false_rate(2) == 0);
  // An entry with a key and two tags looks at three marks.
  int any_of_three = 0;
  for (int i = 0; i < kProbes; i += 3)
    if (table.generation(numbered("unrelated", i)) > 1 ||
        table.generation(numbered("unrelated", i + 1)) > 1 ||
        table.generation(numbered("unrelated", i + 2)) > 1)
      ++any_of_three;
  CHECK(any_of_three * 3.0 / kProbes <= 0.01);
}
