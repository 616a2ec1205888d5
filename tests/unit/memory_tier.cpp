#include "querymark/memory/memory_tier.hpp"

#include <atomic>
#include <barrier>
#include <catch2/catch.hpp>
#include <thread>

#include "querymark/key/prefix_table.hpp"
#include "querymark/support/error.hpp"

namespace {

using namespace querymark;

constexpr std::size_t kSmall = 64 * 1024;  // one shard

struct Fixture {
  PrefixTable prefixes;
  KeyPrefixRef prefix = prefixes.intern("int", KeyPrefix::Form::sql, {}, "select ?");

  [[nodiscard]] static std::string parameters(int key) { return std::to_string(key); }

  // An entry of about `heap_bytes`, whose value is `value`.
  [[nodiscard]] EntryRef entry(int key, int value, std::uint64_t generation = 1,
                               std::size_t heap_bytes = 0, std::vector<TargetId> targets = {},
                               MarkDomain domain = MarkDomain{1}) const {
    const std::string bytes = parameters(key);
    return make_entry<int>({.prefix = prefix,
                            .parameters = bytes,
                            .hash = process_hash(bytes),
                            .domain = domain,
                            .generation = generation,
                            .targets = targets},
                           value, heap_bytes);
  }
  [[nodiscard]] EntryRef find(MemoryTier& tier, int key) const {
    const std::string bytes = parameters(key);
    return tier.find({prefix.get(), bytes}, process_hash(bytes));
  }
  [[nodiscard]] int value(MemoryTier& tier, int key) const {
    const EntryRef found = find(tier, key);
    return found ? found.value<int>() : -1;
  }
};

}  // namespace

TEST_CASE("entry: it keeps its key, targets, stamp and value", "[entry]") {
  Fixture f;
  const std::vector<TargetId> targets{tag("a").id(), tag("b").id()};
  const EntryRef entry = f.entry(7, 42, 5, 1000, targets);
  CHECK(entry->key().prefix == f.prefix.get());
  CHECK(entry->key().parameters == "7");
  CHECK(std::vector<TargetId>(entry->targets().begin(), entry->targets().end()) == targets);
  CHECK(entry->generation() == 5);
  CHECK(entry->domain() == MarkDomain{1});
  CHECK(entry.value<int>() == 42);
  CHECK(entry->charge() > 1000 + sizeof(Entry) + sizeof(int));
}

TEST_CASE("entry: its stamp only grows", "[entry]") {
  Fixture f;
  const EntryRef entry = f.entry(7, 42, 5);
  entry->raise_generation(3);
  CHECK(entry->generation() == 5);
  entry->raise_generation(9);
  CHECK(entry->generation() == 9);
}

TEST_CASE("entry: its value is destroyed with the last reference", "[entry]") {
  Fixture f;
  const auto alive = std::make_shared<int>(1);
  EntryRef first = make_entry<std::shared_ptr<int>>({.prefix = f.prefix}, alive, 0);
  EntryRef second = first;
  CHECK(alive.use_count() == 2);
  first = {};
  CHECK(alive.use_count() == 2);
  second = {};
  CHECK(alive.use_count() == 1);
}

TEST_CASE("entry: the number of its targets is bounded", "[entry]") {
  Fixture f;
  CHECK(f.entry(1, 1, 1, 0, std::vector<TargetId>(kMaxTargets))->targets().size() == kMaxTargets);
  CHECK_THROWS_AS(f.entry(1, 1, 1, 0, std::vector<TargetId>(kMaxTargets + 1)), ConfigError);
}

TEST_CASE("memory tier: what was inserted is found under its key alone", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(kSmall);
  CHECK_FALSE(f.find(tier, 1));
  CHECK(tier.insert(f.entry(1, 10)) == StoreStatus::stored);
  CHECK(tier.insert(f.entry(2, 20)) == StoreStatus::stored);
  CHECK(f.value(tier, 1) == 10);
  CHECK(f.value(tier, 2) == 20);
  CHECK_FALSE(f.find(tier, 3));
  CHECK(tier.entries() == 2);
}

TEST_CASE("memory tier: equal hashes do not make keys equal", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(kSmall);
  const auto with_hash = [&](std::string_view parameters, int value) {
    return make_entry<int>({.prefix = f.prefix, .parameters = parameters, .hash = 1234}, value, 0);
  };
  tier.insert(with_hash("a", 1));
  CHECK_FALSE(tier.find({f.prefix.get(), "b"}, 1234));
  tier.insert(with_hash("b", 2));
  CHECK(tier.find({f.prefix.get(), "a"}, 1234).value<int>() == 1);
  CHECK(tier.find({f.prefix.get(), "b"}, 1234).value<int>() == 2);
  const KeyPrefixRef other = f.prefixes.intern("int", KeyPrefix::Form::sql, {}, "select 2");
  CHECK_FALSE(tier.find({other.get(), "a"}, 1234));
}

// More than a bucket's count of what went on can tell (255), so that the count's end is seen too.
TEST_CASE("memory tier: thousands of keys with one hash are all found, and others beside them",
          "[memory_tier]") {
  const Fixture f;
  MemoryTier tier(8U << 20U);
  constexpr std::uint64_t kHash = 1234;
  constexpr int kKeys = 3000;
  const auto find = [&](int key) -> int {
    const std::string bytes = Fixture::parameters(key);
    const EntryRef found = tier.find({f.prefix.get(), bytes}, kHash);
    return found ? found.value<int>() : -1;
  };
  const auto insert = [&](int key, int value) {
    const std::string bytes = Fixture::parameters(key);
    tier.insert(
        make_entry<int>({.prefix = f.prefix, .parameters = bytes, .hash = kHash}, value, 0));
  };
  for (int key = 0; key < kKeys; ++key) {
    insert(key, key);
    tier.insert(f.entry(kKeys + key, key));  // with a hash of its own
  }
  int wrong = 0;
  for (int key = 0; key < kKeys; ++key)
    wrong +=
        static_cast<int>(find(key) != key) + static_cast<int>(f.value(tier, kKeys + key) != key);
  CHECK(wrong == 0);
  for (int key = 0; key < kKeys; key += 2) {
    const std::string bytes = Fixture::parameters(key);
    const EntryRef found = tier.find({f.prefix.get(), bytes}, kHash);
    REQUIRE(found);
    tier.erase(*found);
  }
  for (int key = 1; key < kKeys; key += 4) insert(key, -2);
  for (int key = 0; key < kKeys; ++key)
    wrong += static_cast<int>(find(key) != (key % 2 == 0   ? -1
                                            : key % 4 == 1 ? -2
                                                           : key)) +
             static_cast<int>(f.value(tier, kKeys + key) != key);
  CHECK(wrong == 0);
  CHECK(tier.entries() == kKeys + kKeys / 2);
}

TEST_CASE("memory tier: a later value replaces an earlier one and its bytes", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(kSmall);
  tier.insert(f.entry(1, 10, 1, 5000));
  CHECK(tier.insert(f.entry(1, 11, 1)) == StoreStatus::stored);
  CHECK(f.value(tier, 1) == 11);
  CHECK(tier.entries() == 1);
  CHECK(tier.bytes() < 5000);
}

TEST_CASE("memory tier: a value with an earlier stamp does not replace a later one",
          "[memory_tier]") {
  Fixture f;
  MemoryTier tier(kSmall);
  tier.insert(f.entry(1, 10, 5));
  CHECK(tier.insert(f.entry(1, 9, 4)) == StoreStatus::superseded);
  CHECK(f.value(tier, 1) == 10);
  // Generations of two domains can't be compared.
  CHECK(tier.insert(f.entry(1, 11, 4, 0, {}, MarkDomain{2})) == StoreStatus::stored);
  CHECK(f.value(tier, 1) == 11);
}

TEST_CASE(
    "memory tier: a value with targets that the resident lacks replaces it, whatever the stamp",
    "[memory_tier]") {
  // Or a call site with more targets would miss for ever beside one that keeps raising the stamp.
  Fixture f;
  MemoryTier tier(kSmall);
  const TargetId a = tag("a").id();
  const TargetId b = tag("b").id();
  tier.insert(f.entry(1, 10, 5, 0, {a}));
  CHECK(tier.insert(f.entry(1, 9, 4, 0, {b, a})) == StoreStatus::stored);
  CHECK(f.value(tier, 1) == 9);
  CHECK(tier.insert(f.entry(1, 8, 3, 0, {a})) == StoreStatus::superseded);
}

TEST_CASE("memory tier: an oversize value is refused and evicts nothing", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(kSmall);
  tier.insert(f.entry(1, 10));
  CHECK(tier.insert(f.entry(2, 20, 1, kSmall)) == StoreStatus::oversize);
  CHECK(f.value(tier, 1) == 10);
  CHECK(tier.insert(f.entry(1, 11, 1, kSmall)) == StoreStatus::oversize);
  CHECK(tier.evictions() == 0);
  const EntryRef largest = f.entry(3, 30);
  const std::size_t overhead = largest->charge();
  CHECK(tier.insert(f.entry(4, 40, 1, tier.largest() - overhead)) == StoreStatus::stored);
  CHECK(f.value(tier, 4) == 40);
}

TEST_CASE("memory tier: erase drops this very entry, not its successor", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(kSmall);
  tier.insert(f.entry(1, 10));
  const EntryRef old = f.find(tier, 1);
  tier.insert(f.entry(1, 11));
  tier.erase(*old);
  CHECK(f.value(tier, 1) == 11);
  const EntryRef current = f.find(tier, 1);
  tier.erase(*current);
  CHECK_FALSE(f.find(tier, 1));
  CHECK(tier.bytes() == 0);
  tier.erase(*current);
  CHECK(old.value<int>() == 10);  // holders keep what they hold
}

TEST_CASE("memory tier: purge drops what is dead and counts it", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(8 << 20);  // several shards
  for (int i = 0; i < 100; ++i) tier.insert(f.entry(i, i, static_cast<std::uint64_t>(i)));
  CHECK(tier.purge([](const Entry& entry) { return entry.generation() % 2 == 0; }) == 50);
  CHECK(tier.entries() == 50);
  for (int i = 0; i < 100; ++i) CHECK(f.value(tier, i) == (i % 2 == 0 ? -1 : i));
  CHECK(tier.purge([](const Entry&) { return true; }) == 50);
  CHECK(tier.bytes() == 0);
}

TEST_CASE("memory tier: eviction spares what was visited since, and takes the oldest otherwise",
          "[memory_tier]") {
  Fixture f;
  MemoryTier tier(10'000);
  for (int i = 0; i < 4; ++i) tier.insert(f.entry(i, i, 1, 2000));
  CHECK(tier.entries() == 4);
  CHECK(f.value(tier, 0) == 0);  // visited
  tier.insert(f.entry(4, 4, 1, 2000));
  CHECK(tier.evictions() == 1);
  CHECK(f.value(tier, 0) == 0);
  CHECK_FALSE(f.find(tier, 1));
}

TEST_CASE("memory tier: a dead entry gets no second chance", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(10'000);
  tier.set_dead_test([](const Entry& entry) { return entry.generation() == 99; });
  for (int i = 0; i < 4; ++i) tier.insert(f.entry(i, i, i == 2 ? 99 : 1, 2000));
  for (int i = 0; i < 4; ++i) CHECK(f.value(tier, i) == i);  // all visited
  tier.insert(f.entry(4, 4, 1, 2000));
  for (int i = 0; i < 5; ++i) CHECK(f.value(tier, i) == (i == 2 ? -1 : i));
}

TEST_CASE("memory tier: a smaller capacity takes effect at once", "[memory_tier]") {
  Fixture f;
  MemoryTier tier(4 << 20);
  for (int i = 0; i < 200; ++i) tier.insert(f.entry(i, i, 1, 10'000));
  CHECK(tier.bytes() > 1 << 20);
  tier.set_capacity(1 << 20);
  CHECK(tier.capacity() == 1 << 20);
  CHECK(tier.bytes() <= 1 << 20);
  CHECK(tier.entries() > 0);
  tier.set_capacity(0);
  CHECK(tier.entries() == 0);
  CHECK(tier.insert(f.entry(1, 1)) == StoreStatus::oversize);
}

TEST_CASE("memory tier: the bound holds at every moment under concurrent writers",
          "[memory_tier]") {
  constexpr std::size_t kCapacity = 4 << 20;
  constexpr int kWriters = 3;
  Fixture f;
  MemoryTier tier(kCapacity);
  std::atomic<int> running{kWriters};
  std::barrier start(kWriters + 1);
  std::atomic<int> wrong_values{0};
  std::vector<std::jthread> writers;
  for (int w = 0; w < kWriters; ++w) {
    writers.emplace_back([&, w] {
      start.arrive_and_wait();
      for (int i = 0; i < 40'000; ++i) {
        const int key = (i * 7 + w) % 900;
        tier.insert(f.entry(key, key, static_cast<std::uint64_t>(i),
                            static_cast<std::size_t>((i * 131) % 30'000)));
        const EntryRef found = f.find(tier, (key + 300) % 900);
        if (found && found.value<int>() != (key + 300) % 900) wrong_values.fetch_add(1);
        if (found && i % 5 == 0) tier.erase(*found);
      }
      running.fetch_sub(1);
    });
  }
  start.arrive_and_wait();
  std::size_t most = 0;
  while (running.load() > 0) most = std::max(most, tier.bytes());
  writers.clear();
  CHECK(most <= kCapacity);
  CHECK(most > kCapacity / 2);
  CHECK(tier.bytes() <= kCapacity);
  CHECK(wrong_values == 0);
  CHECK(tier.evictions() > 0);
  tier.purge([](const Entry&) { return true; });
  CHECK(tier.bytes() == 0);
}
