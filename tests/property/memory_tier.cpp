#include "querymark/memory/memory_tier.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "property/random.hpp"
#include "querymark/key/prefix_table.hpp"

// Random operations against a map. Eviction may drop anything, so a miss is always right; a find is
// right only if it is what was last stored under that key and was not removed since.

namespace {

using namespace querymark;
using test::Choices;

struct Known {
  const Entry* entry;
  int value;
  std::uint64_t generation;
};

class Run {
 public:
  explicit Run(std::uint64_t seed)
      : choices_(seed), tier_(choices_.one_in(2) ? 40'000 : 4U << 20U) {}

  void step() {
    const int key = static_cast<int>(choices_.below(60));
    switch (choices_.below(12)) {
      case 0:
        erase(key);
        break;
      case 1:
        if (choices_.one_in(10)) purge();
        break;
      case 2:
        if (choices_.one_in(20)) tier_.set_capacity(20'000 + choices_.below(4U << 20U));
        break;
      case 3:
      case 4:
      case 5:
      case 6:
      case 7:
        insert(key);
        break;
      default:
        find(key);
    }
    REQUIRE(tier_.bytes() <= tier_.capacity());
    REQUIRE(tier_.entries() <= model_.size());
  }
  // Nothing that was evicted or erased is counted still.
  void finish() {
    std::size_t bytes = 0;
    std::size_t entries = 0;
    for (int key = 0; key < 60; ++key) {
      if (const EntryRef found = look(key)) {
        bytes += found->charge();
        ++entries;
      }
    }
    REQUIRE(tier_.bytes() == bytes);
    REQUIRE(tier_.entries() == entries);
    tier_.purge([](const Entry&) { return true; });
    REQUIRE(tier_.bytes() == 0);
  }

 private:
  [[nodiscard]] EntryRef look(int key) {
    const std::string bytes = std::to_string(key);
    return tier_.find({prefix_.get(), bytes}, process_hash(bytes));
  }

  void insert(int key) {
    const std::string bytes = std::to_string(key);
    const std::uint64_t generation = choices_.below(8);
    const int value = ++last_value_;
    const std::size_t heap = choices_.one_in(30) ? 6U << 20U : choices_.below(4000);
    EntryRef entry = make_entry<int>({.prefix = prefix_,
                                      .parameters = bytes,
                                      .hash = process_hash(bytes),
                                      .generation = generation},
                                     value, heap);
    const Entry* raw = entry.get();
    const std::size_t charge = entry->charge();
    const auto known = model_.find(key);
    switch (tier_.insert(std::move(entry))) {
      case StoreStatus::stored:
        REQUIRE(charge <= tier_.largest());
        model_.insert_or_assign(key, Known{raw, value, generation});
        REQUIRE(look(key).get() == raw);  // what was just stored is not what makes room
        break;
      case StoreStatus::oversize:
        REQUIRE(charge > tier_.largest());
        break;
      case StoreStatus::superseded:
        REQUIRE(known != model_.end());
        REQUIRE(known->second.generation > generation);
        break;
      case StoreStatus::expired:
      case StoreStatus::failed:
        FAIL("memory takes what never expires, and does not fail");
    }
  }
  void find(int key) {
    const EntryRef found = look(key);
    if (!found) return;
    const auto known = model_.find(key);
    REQUIRE(known != model_.end());
    REQUIRE(found.get() == known->second.entry);
    REQUIRE(found.value<int>() == known->second.value);
    held_ = choices_.one_in(3) ? found : held_;
  }
  // Either what is resident, or something that perhaps was once.
  void erase(int key) {
    const EntryRef found = choices_.one_in(2) ? look(key) : held_;
    if (!found) return;
    tier_.erase(*found);
    for (auto at = model_.begin(); at != model_.end(); ++at) {
      if (at->second.entry != found.get()) continue;
      model_.erase(at);
      break;
    }
  }
  void purge() {
    const std::uint64_t generation = choices_.below(8);
    tier_.purge([&](const Entry& entry) { return entry.generation() == generation; });
    std::erase_if(model_, [&](const auto& known) { return known.second.generation == generation; });
  }

  Choices choices_;
  PrefixTable prefixes_;
  KeyPrefixRef prefix_ = prefixes_.intern("int", KeyPrefix::Form::sql, {}, "select ?");
  MemoryTier tier_;
  std::map<int, Known> model_;
  EntryRef held_;
  int last_value_ = 0;
};

}  // namespace

TEST_CASE("memory tier: random operations agree with a map, within the capacity", "[memory_tier]") {
  const std::uint64_t first = Choices::first_seed();
  for (std::uint64_t seed = first; seed < first + 100; ++seed) {
    INFO("QUERYMARK_SEED=" << seed);
    Run run(seed);
    for (int i = 0; i < 1500; ++i) run.step();
    run.finish();
  }
}
