#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <optional>

#include "querymark/key/prefix_table.hpp"
#include "querymark/read/flight.hpp"
#include "unit/log_fixture.hpp"

// This program can make allocations fail.

namespace {

// How many more allocations of this thread succeed; nothing: all.
thread_local std::optional<std::size_t> allowance;

void* limited(std::size_t size) {
  if (allowance) {
    if (*allowance == 0) throw std::bad_alloc();
    --*allowance;
  }
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return limited(size); }
void* operator new[](std::size_t size) { return limited(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace querymark;

constexpr std::size_t kMany = 12;

// Runs `call` with so many allocations left; true if one of its allocations failed.
template <class Call>
bool fails_after(std::size_t allocations, Call&& call) {
  allowance = allocations;
  bool failed = false;
  try {
    call();
  } catch (const std::bad_alloc&) {
    failed = true;
  }
  failed = failed || *allowance == 0;
  allowance.reset();
  return failed;
}

struct Fixture {
  Epoch epoch{7, 7};
  Marks marks{4096};
  std::vector<Target> targets;
  std::vector<MarkUpdate> updates;

  Fixture() {
    // A cursor as on PostgreSQL, with a list of its own to copy.
    marks.restart(cursor({Position{5}}));
    for (std::size_t i = 0; i < kMany; ++i) {
      targets.push_back(entity("product", i));
      updates.push_back({targets.back().id(), {20}});
    }
  }
  [[nodiscard]] Cursor cursor(std::vector<Position> in_progress, std::uint64_t limit = 11) const {
    return {epoch, Snapshot({5}, {limit}, std::move(in_progress)), {}};
  }
  [[nodiscard]] std::size_t missed_since(std::uint64_t stamp) const {
    std::size_t missed = 0;
    for (const Target& target : targets) {
      const TargetId id = target.id();
      if (marks.unchanged_since(stamp, {&id, 1})) ++missed;
    }
    return missed;
  }
};

}  // namespace

TEST_CASE("out of memory: an own write loses no invalidation, wherever an allocation fails",
          "[out_of_memory]") {
  std::size_t failures = 0;
  for (std::size_t allowed = 0; allowed <= 3 * kMany; ++allowed) {
    Fixture f;
    const std::uint64_t before = f.marks.generation();
    if (fails_after(allowed, [&] { f.marks.apply_own(f.epoch, f.updates); })) ++failures;
    CAPTURE(allowed);
    // Whatever the call came to: once the log has shown the write, nothing older is served.
    f.marks.apply_log(f.updates, f.cursor({Position{5}}, 21));
    CHECK(f.missed_since(before) == 0);
    CHECK(f.marks.remembered() == 0);
  }
  CHECK(failures > 0);
}

TEST_CASE("out of memory: a commit in doubt is applied without an allocation", "[out_of_memory]") {
  Fixture f;
  const std::uint64_t before = f.marks.generation();
  fails_after(0, [&] { f.marks.apply_unconfirmed(f.updates); });
  CHECK(f.missed_since(before) == 0);
}

TEST_CASE("out of memory: a page of the log that could not be applied is read again",
          "[out_of_memory]") {
  std::size_t failures = 0;
  for (std::size_t allowed = 0; allowed <= 4; ++allowed) {
    Fixture f;
    f.marks.apply_own(f.epoch, std::span(f.updates).first(kMany / 2));
    const std::uint64_t before = f.marks.generation();
    const Cursor upto = f.cursor({Position{5}}, 21);
    bool applied = false;
    if (fails_after(allowed, [&] {
          f.marks.apply_log(f.updates, upto);
          applied = true;
        }))
      ++failures;
    CAPTURE(allowed);
    CHECK(applied == (f.marks.cursor() == upto));
    if (!applied) f.marks.apply_log(f.updates, upto);
    CHECK(f.missed_since(before) == kMany / 2);  // the own half was applied before
  }
  CHECK(failures > 0);
}

TEST_CASE("out of memory: a load that can't begin leaves nothing in flight", "[memory]") {
  PrefixTable prefixes;
  const KeyPrefixRef prefix = prefixes.intern("int", KeyPrefix::Form::sql, {}, "select 1");
  const std::string parameters(100, 'x');
  const Marks marks(1024);
  const ReadCaller caller = ReadCaller::here();
  FlightTable table;
  int failures = 0;
  bool failed = true;
  for (std::size_t i = 0; failed; ++i) {
    REQUIRE(i < kMany);
    std::size_t in_flight = 1;
    failed = fails_after(i, [&] {
      const FlightEntry entry = table.enter({prefix.get(), parameters}, marks, {}, caller);
      in_flight = table.size();
    });
    failures += failed ? 1 : 0;
    CHECK(in_flight == 1);
    CHECK(table.size() == 0);
  }
  CHECK(failures > 2);
}
