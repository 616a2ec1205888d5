#include <atomic>
#include <catch2/catch.hpp>
#include <deque>
#include <mutex>
#include <thread>

#include "querymark/key/prefix_table.hpp"
#include "querymark/memory/memory_tier.hpp"
#include "support/rounds.hpp"

// Readers and writers on a tier that is far too small, so that entries are evicted, replaced and
// freed while they are read: run it under thread sanitizer and address sanitizer.

namespace {

using namespace querymark;

std::atomic<int> alive{0};

// Tells when it is used after its end.
struct Value {
  explicit Value(int number) : first(number), second(~number) { alive.fetch_add(1); }
  Value(Value&& other) noexcept : first(other.first), second(other.second) { alive.fetch_add(1); }
  ~Value() {
    first = second = 0;
    alive.fetch_sub(1);
  }
  [[nodiscard]] bool intact(int number) const { return first == number && second == ~number; }
  int first;
  int second;
};

struct Stress {
  PrefixTable prefixes;
  KeyPrefixRef prefix = prefixes.intern("value", KeyPrefix::Form::sql, {}, "select ?");

  [[nodiscard]] EntryRef entry(int key, std::uint64_t generation, std::size_t heap) const {
    const std::string bytes = std::to_string(key);
    const TargetId targets[] = {TargetId{1}, TargetId{2}, TargetId{3}};
    return make_entry<Value>({.prefix = prefix,
                              .parameters = bytes,
                              .hash = process_hash(bytes),
                              .domain = MarkDomain{1},
                              .generation = generation,
                              .targets = targets},
                             Value(key), heap);
  }
  [[nodiscard]] EntryRef find(MemoryTier& tier, int key) const {
    const std::string bytes = std::to_string(key);
    return tier.find({prefix.get(), bytes}, process_hash(bytes));
  }
};

}  // namespace

TEST_CASE("memory tier: readers keep what they found, whatever writers do", "[memory_tier]") {
  constexpr int kReaders = 3;
  constexpr int kWriters = 2;
  constexpr int kKeys = 400;
  constexpr int kRounds = test::rounds(30'000);
  std::atomic<int> damaged{0};
  std::atomic<int> writing{kWriters};
  {
    Stress s;
    MemoryTier tier(64 * 1024);  // a third of the keys, one shard
    std::mutex handed_mutex;
    std::deque<std::pair<int, EntryRef>> handed;  // references that another thread drops
    std::vector<std::jthread> threads;
    for (int w = 0; w < kWriters; ++w)
      threads.emplace_back([&, w] {
        for (int i = 0; i < kRounds; ++i) {
          const int key = (i * 7 + w * 13) % kKeys;
          tier.insert(
              s.entry(key, static_cast<std::uint64_t>(i), static_cast<std::size_t>(i % 300)));
          if (i % 11 == 0)
            if (const EntryRef found = s.find(tier, (key * 5) % kKeys)) tier.erase(*found);
          if (i % 5000 == 0) tier.purge([](const Entry& entry) { return entry.hash() % 2 == 0; });
          if (i % 7000 == 0) tier.set_capacity((i % 14'000 == 0 ? 64U : 32U) * 1024U);
        }
        writing.fetch_sub(1);
      });
    for (int r = 0; r < kReaders; ++r)
      threads.emplace_back([&, r] {
        // More than a thread has hazards, so that some are counted.
        std::deque<std::pair<int, EntryRef>> held;
        for (int i = r; writing.load() > 0; ++i) {
          const int key = i % 3 == 0 ? 1 : i % kKeys;  // one key that all want
          if (EntryRef found = s.find(tier, key)) {
            if (!found.value<Value>().intact(key)) damaged.fetch_add(1);
            const EntryRef copy = i % 4 == 0 ? found : EntryRef();
            held.emplace_back(key, std::move(found));
          }
          if (held.size() > 12) {
            if (!held.front().second.value<Value>().intact(held.front().first))
              damaged.fetch_add(1);
            const std::lock_guard lock(handed_mutex);
            handed.push_back(std::move(held.front()));
            held.pop_front();
            if (handed.size() > 20) {
              if (!handed.front().second.value<Value>().intact(handed.front().first))
                damaged.fetch_add(1);
              handed.pop_front();
            }
          }
        }
      });
    threads.clear();
    handed.clear();
    CHECK(tier.evictions() > 1000);
  }
  CHECK(damaged == 0);
  CHECK(alive == 0);
}

TEST_CASE("memory tier: the index grows under readers without losing an entry", "[memory_tier]") {
  constexpr int kResident = 500;
  constexpr int kKeys = 60'000;
  Stress s;
  MemoryTier tier(64U << 20U);
  for (int key = 0; key < kResident; ++key) tier.insert(s.entry(key, 1, 0));
  std::atomic<bool> growing{true};
  std::atomic<int> lost{0};
  std::vector<std::jthread> readers;
  for (int r = 0; r < 2; ++r)
    readers.emplace_back([&, r] {
      for (int i = r; growing.load(); ++i) {
        const EntryRef found = s.find(tier, i % kResident);
        if (!found || !found.value<Value>().intact(i % kResident)) lost.fetch_add(1);
      }
    });
  for (int key = kResident; key < kKeys; ++key) tier.insert(s.entry(key, 1, 0));
  growing.store(false);
  readers.clear();
  CHECK(lost == 0);
  CHECK(tier.entries() == kKeys);
}

TEST_CASE("memory tier: what was found outlives the tier and is destroyed after", "[memory_tier]") {
  Stress s;
  const int before = alive.load();
  std::vector<EntryRef> held;
  {
    MemoryTier tier(64U << 10U);
    for (int key = 0; key < 20; ++key) tier.insert(s.entry(key, 1, 0));
    for (int key = 0; key < 20; ++key) held.push_back(s.find(tier, key));
  }
  CHECK(alive == before + 20);
  for (int key = 0; key < 20; ++key)
    CHECK(held[static_cast<std::size_t>(key)].value<Value>().intact(key));
  held.clear();
  CHECK(alive == before);
}

TEST_CASE("memory tier: a scan does not push out what is in use", "[memory_tier]") {
  Stress s;
  MemoryTier tier(64U << 10U);
  const auto fits = static_cast<int>((64U << 10U) / s.entry(0, 1, 0)->charge());
  for (int round = 0; round < 3; ++round)
    for (int key = 0; key < fits / 2; ++key)
      if (!s.find(tier, key)) tier.insert(s.entry(key, 1, 0));
  for (int key = 10'000; key < 10'000 + fits * 10; ++key) tier.insert(s.entry(key, 1, 0));
  int kept = 0;
  for (int key = 0; key < fits / 2; ++key) kept += s.find(tier, key) ? 1 : 0;
  CHECK(kept == fits / 2);
}
