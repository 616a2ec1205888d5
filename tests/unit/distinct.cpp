#include "querymark/support/distinct.hpp"

#include <catch2/catch.hpp>
#include <new>

namespace {

using namespace querymark;

std::size_t comparisons = 0;
std::size_t hashes = 0;

struct CountedEqual {
  bool operator()(int a, int b) const noexcept {
    ++comparisons;
    return a == b;
  }
};
struct CountedHash {
  std::size_t operator()(int value) const noexcept {
    ++hashes;
    return std::hash<int>()(value);
  }
};
using Counted = Distinct<int, CountedHash, CountedEqual>;

}  // namespace

TEST_CASE("distinct: what is added twice is there once, in the order of its first addition",
          "[distinct]") {
  const int count = GENERATE(1, 15, 16, 17, 40);
  Distinct<int> values;
  for (int round = 0; round < 2; ++round)
    for (int i = count; i > 0; --i) CHECK(values.add(i) == (round == 0));
  CHECK(values.size() == static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) CHECK(values.values()[static_cast<std::size_t>(i)] == count - i);
}

TEST_CASE("distinct: hashes that collide are told apart by their values", "[distinct]") {
  struct Same {
    std::size_t operator()(int /*value*/) const noexcept { return 1; }
  };
  Distinct<int, Same> values;
  for (int i = 0; i < 100; ++i) values.add(i % 50);
  CHECK(values.size() == 50);
}

TEST_CASE("distinct: adding costs the same number of comparisons whatever is there", "[distinct]") {
  constexpr int kMany = 100'000;
  Counted values;
  comparisons = hashes = 0;
  for (int i = 0; i < kMany; ++i) values.add(i);
  for (int i = 0; i < kMany; ++i) values.add(i);
  CHECK(values.size() == kMany);
  CHECK(comparisons < 2 * kMany);
  CHECK(hashes < 3 * kMany);
}

TEST_CASE("distinct: a copy has an index of its own", "[distinct]") {
  Distinct<int> values;
  for (int i = 0; i < 30; ++i) values.add(i);
  Distinct<int> copy = values;
  CHECK(copy.add(30));
  CHECK_FALSE(copy.add(29));
  CHECK(values.size() == 30);
  CHECK(values.add(30));
}
