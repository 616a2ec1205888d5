#include <catch2/catch.hpp>
#include <vector>

#include "admission.hpp"
#include "querymark/key/prefix_table.hpp"
#include "querymark/memory/memory_tier.hpp"

using namespace querymark;

namespace {

constexpr std::size_t kEntryBytes = 2000;

// A tier with room for about as many entries as it is told, and what a program does that loads
// whatever it misses.
struct Shop {
  explicit Shop(std::size_t entries) : tier(entries * (kEntryBytes + 200)) {}

  bool asks_for(int key) {
    const std::string parameters = std::to_string(key);
    const std::uint64_t hash = process_hash(parameters);
    if (tier.find({prefix.get(), parameters}, hash)) return true;
    const EntryRef entry = make_entry<int>(
        {.prefix = prefix, .parameters = parameters, .hash = hash, .domain = MarkDomain{1}}, key,
        kEntryBytes);
    CHECK(tier.insert(entry) == StoreStatus::stored);
    return false;
  }
  int hits_of(int first, int last) {
    int hits = 0;
    for (int key = first; key < last; ++key) hits += asks_for(key) ? 1 : 0;
    return hits;
  }

  PrefixTable prefixes;
  KeyPrefixRef prefix = prefixes.intern("int", KeyPrefix::Form::sql, {}, "select ?");
  MemoryTier tier;
};

}  // namespace

TEST_CASE("memory admission: a shard that fills for the first time keeps what came first",
          "[memory_admission]") {
  Shop shop(500);
  shop.hits_of(0, 400);
  shop.hits_of(1000, 1150);  // overfills it
  CHECK(shop.hits_of(0, 400) > 350);
}

TEST_CASE("memory admission: a loop longer than the cache is partly kept", "[memory_admission]") {
  Shop shop(500);
  for (int i = 0; i < 3'000; ++i) shop.asks_for(100'000 + i);  // full once, of something else
  for (int round = 0; round < 60; ++round) shop.hits_of(0, 1000);
  CHECK(shop.hits_of(0, 1000) > 200);
}

TEST_CASE("memory admission: one in 32 passes by lot, and none while ghosts do better",
          "[memory_admission]") {
  constexpr std::size_t kEntries = 1000;
  Admission admission;
  const auto passed_of = [&](int count, int ghost_every) {
    int passed = 0;
    for (int i = 0; i < count; ++i) {
      admission.inserted(ghost_every > 0 && i % ghost_every == 0, kEntries);
      passed += admission.lets_pass() ? 1 : 0;
    }
    return passed;
  };
  const int passed = passed_of(32'000, 0);
  CHECK(passed > 800);
  CHECK(passed < 1200);
  passed_of(10'000, 10);
  CHECK(passed_of(1000, 10) == 0);
  passed_of(10'000, 0);  // forgotten
  CHECK(passed_of(1000, 40) > 0);
}
