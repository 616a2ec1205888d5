#include <catch2/catch.hpp>

#include "querymark/memory/memory_tier.hpp"

namespace {

using namespace querymark;

struct Counted {
  explicit Counted(int* count) : living(count) { ++*living; }
  Counted(Counted&& other) noexcept : living(other.living) { ++*living; }
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --*living; }
  int* living;
};

// For the length of a test the kernel answers as told.
struct Kernel {
  explicit Kernel(bool (*answer)() noexcept) : before(detail::process_barrier) {
    detail::process_barrier = answer;
  }
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;
  ~Kernel() {
    detail::process_barrier = before;
    detail::process_barrier_works.store(works);
  }
  bool (*before)() noexcept;
  bool works = detail::process_barrier_works.load();
};

int barriers = 0;

}  // namespace

TEST_CASE("barrier: when the kernel refuses, nothing is freed in that pass, and readers fence",
          "[hazard]") {
  if (!detail::process_barrier_works.load()) {
    WARN("this kernel has no membarrier: what the test is about is what all others do here");
    return;
  }
  int living = 0;
  PrefixTable prefixes;
  const KeyPrefixRef prefix = prefixes.intern("counted", KeyPrefix::Form::sql, {}, "select 1");
  MemoryTier tier(1U << 20U);
  const auto insert = [&] {
    (void)tier.insert(
        make_entry<Counted>({.prefix = prefix, .parameters = "", .hash = 1}, Counted(&living), 0));
  };
  const Kernel kernel([]() noexcept {
    ++barriers;
    return false;
  });
  insert();
  REQUIRE(living == 1);
  const auto everything = [](const Entry& /*entry*/) { return true; };
  CHECK(tier.purge(everything) == 1);
  CHECK(barriers == 1);
  CHECK_FALSE(detail::process_barrier_works.load());
  CHECK(living == 1);  // a reader without a fence might still use it
  // From now on hazards are exchanged, so later passes need no barrier, and free both.
  insert();
  {
    const EntryRef held = tier.find({prefix.get(), ""}, 1);
    REQUIRE(held);
    tier.purge(everything);
    CHECK(living == 1);  // the one that is held
  }
  tier.purge(everything);
  CHECK(living == 0);
  CHECK(barriers == 1);
}
