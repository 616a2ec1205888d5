#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <vector>

#include "unit/read_fixture.hpp"

// This program counts every allocation through operator new.

namespace {

std::atomic<std::size_t> allocations{0};

void* counted(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new[](std::size_t size) { return counted(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return counted(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using namespace querymark;
using test::ReadFixture;

// Allocations of `call`.
template <class Call>
std::size_t allocations_of(Call&& call) {
  const std::size_t before = allocations.load();
  call();
  return allocations.load() - before;
}

}  // namespace

TEST_CASE("prepared hit: it does not allocate", "[no_allocation]") {
  struct Product {
    std::int64_t id;
  };
  ReadFixture f;
  const auto typed = f.prepare<Product>("select id from product where id = ? and name = ?")
                         .tag([](int id, std::string_view) { return entity("product", id); })
                         .tag(collection("product"));
  const auto untyped = f.prepare("select id from product where id = ? and name = ?");
  const std::string_view name = "a name that no small-string buffer could hold in place";
  const Rows<Product> first = typed(7, name);
  (void)untyped(7, name);
  CHECK(allocations_of([] { delete new int; }) == 1);  // the count counts
  CHECK(allocations_of([&] { (void)typed(8, name); }) > 0);
  std::int64_t sum = 0;
  int hits = 0;
  CHECK(allocations_of([&] {
          for (int i = 0; i < 100; ++i) {
            const Rows<Product> rows = typed(7, name);
            sum += rows->id;
            hits += rows.outcome().is_hit() ? 1 : 0;
          }
        }) == 0);
  CHECK(sum == 100);
  CHECK(hits == 100);
  CHECK(allocations_of([&] {
          const Result result = untyped(7, name);
          sum += result[0]["n"].as<std::int64_t>();
        }) == 0);
}

TEST_CASE("prepared hit: many at once do not allocate, more than a thread has hazards for",
          "[no_allocation]") {
  ReadFixture f;
  const auto by_id =
      f.prepare<int>("select 1 where ? = 1").tag([](int id) { return entity("product", id); });
  std::array<int, 30> ids{};
  for (int i = 0; i < 30; ++i) ids[static_cast<std::size_t>(i)] = i;
  int hits = 0;
  const auto count = [&](std::size_t, const Rows<int>& rows) {
    hits += rows.outcome().is_hit() ? 1 : 0;
  };
  by_id.many(ids, count);
  CHECK(hits == 0);
  std::vector<Rows<int>> held;
  for (int id = 0; id < 10; ++id) held.push_back(by_id(id));
  CHECK(allocations_of([&] { by_id.many(ids, count); }) == 0);
  CHECK(hits == 30);
}

TEST_CASE("prepared hit: it does not allocate after an unrelated invalidation either",
          "[no_allocation]") {
  ReadFixture f;
  const auto by_id =
      f.prepare<int>("select 1 where ? = 1").tag([](int id) { return entity("product", id); });
  (void)by_id(1);
  f.invalidate(tag("unrelated"));
  bool hit = false;
  CHECK(allocations_of([&] { hit = by_id(1).outcome().is_hit(); }) == 0);
  CHECK(hit);
}
