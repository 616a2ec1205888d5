#include <algorithm>
#include <catch2/catch.hpp>
#include <future>
#include <memory>
#include <stdexcept>
#include <vector>

#include "unit/refreshing.hpp"
#include "unit/shelf.hpp"

// Memory that is filled for many keys at once.

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::FakeTier;
using test::Ids;
using test::Refreshing;
using test::Shelf;

// Counts how often it is asked, and for how many keys.
struct CountingTier : FakeTier {
  std::optional<TierFailure> read(std::string_view namespace_name,
                                  std::span<TierRead> wanted) noexcept override {
    sizes.push_back(wanted.size());
    return FakeTier::read(namespace_name, wanted);
  }
  std::vector<std::size_t> sizes;
};

struct Shop : Refreshing {
  using Refreshing::Refreshing;
  [[nodiscard]] auto by_ids() {
    using Mapper = detail::ByOrdinal<detail::AutoMapper<test::Product>>;
    return Prepared<test::Product, Mapper>(*source, shelf, test::kByIds, Mapper{})
        .tag(test::kProductOf);
  }
  Shelf shelf;
};

// Another process has loaded these, so the tier holds them.
void fill(const std::shared_ptr<FakeTier>& tier, const Ids& ids) {
  Shop other;
  other.source->attach(tier);
  static_cast<void>(other.by_ids().fetch_many(ids));
}

Ids up_to(std::int64_t last) {
  Ids ids;
  for (std::int64_t id = 1; id <= last; ++id) ids.push_back(id);
  return ids;
}

}  // namespace

TEST_CASE("prefetch_each: one read of the tier and one statement for all keys", "[ahead]") {
  const auto tier = std::make_shared<CountingTier>();
  fill(tier, {1});
  tier->sizes.clear();
  Shop f;
  f.source->attach(tier);
  const auto by_ids = f.by_ids();
  by_ids.prefetch_each(Ids{1, 2, 3, 2, 9});
  f.settle();
  CHECK(tier->sizes == std::vector<std::size_t>{4});
  CHECK(f.shelf.asked() == std::vector<Ids>{{2, 3, 9}});
  for (const std::int64_t id : {1, 2, 3, 9}) CHECK(by_ids(id).outcome().is_hit());
  CHECK(f.cache.stats().refreshes == 4);
  CHECK(f.offload->stats_by_kind()["refresh"].accepted == 1);
  // What memory has is asked for no more, and nothing is no task.
  by_ids.prefetch_each(Ids{3, 2, 1});
  by_ids.prefetch_each(Ids{});
  CHECK(f.offload->stats_by_kind()["refresh"].accepted == 1);
  const PreparedQuery<test::Product, std::int64_t> named = by_ids;
  f.invalidate(entity("product", 2));
  named.prefetch_each(Ids{1, 2});
  f.settle();
  CHECK(f.shelf.asked().back() == Ids{2});
  CHECK(f.source->flights().size() == 0);
}

TEST_CASE("prefetch_each: of other queries the tier is read once, and the rest loaded key by key",
          "[ahead]") {
  const auto tier = std::make_shared<CountingTier>();
  const char* const sql = "select n where n = ?";
  {
    Refreshing other;
    other.source->attach(tier);
    static_cast<void>(other.prepare(sql).tag(tag("a"))(2));
  }
  tier->sizes.clear();
  Refreshing f;
  f.source->attach(tier);
  const auto query = f.prepare(sql).tag(tag("a"));
  query.prefetch_each(std::vector<int>{1, 2, 3});
  f.settle();
  f.settle();  // and the loads that the first task has asked for
  CHECK(tier->sizes == std::vector<std::size_t>{3});
  CHECK(f.loader.loads == 2);
  for (const int n : {1, 2, 3}) CHECK(query(n).outcome().is_hit());
}

TEST_CASE("prefetch_each: where a tagger throws, what was asked for before it is loaded",
          "[ahead]") {
  Refreshing f;
  const auto query = f.prepare("select n where n = ?").tag([](int n) {
    if (n == 3) throw std::runtime_error("no tag for 3");
    return tag("a");
  });
  CHECK_THROWS_WITH(query.prefetch_each(std::vector<int>{1, 2, 3, 4}), "no tag for 3");
  f.settle();
  CHECK(f.loader.loads == 2);
  for (const int n : {1, 2}) CHECK(query(n).outcome().is_hit());
  CHECK_FALSE(query(4).outcome().is_hit());
}

TEST_CASE("prefetch_each: an invalidation that comes during the load wins", "[ahead]") {
  Shop f;
  const auto by_ids = f.by_ids();
  f.shelf.before = [&](const Ids&) { f.invalidate(entity("product", 2)); };
  by_ids.prefetch_each(Ids{1, 2});
  f.settle();
  f.shelf.before = nullptr;
  CHECK(by_ids(1).outcome().is_hit());
  CHECK(by_ids(2).outcome().status == ReadStatus::miss);
}

TEST_CASE("prefetch_each: who needs one of the keys meanwhile waits for that load", "[ahead]") {
  Shop f;
  const auto by_ids = f.by_ids();
  std::promise<void> may;
  std::promise<void> begun;
  f.shelf.before = [&, held = may.get_future().share()](const Ids&) {
    begun.set_value();
    held.wait();
  };
  by_ids.prefetch_each(Ids{1, 2, 3});
  begun.get_future().wait();
  auto reader = std::async(std::launch::async, [&] { return by_ids(2).outcome().status; });
  may.set_value();
  const ReadStatus status = reader.get();
  CHECK((status == ReadStatus::joined || status == ReadStatus::hit));
  f.settle();
  CHECK(f.shelf.asked().size() == 1);
}

TEST_CASE("prefetch_each: what others load already is left to them, and not waited for",
          "[ahead]") {
  Shop f;
  const auto by_ids = f.by_ids();
  std::promise<void> may;
  std::promise<void> begun;
  f.shelf.before = [&, held = may.get_future().share()](const Ids& ids) {
    if (ids != Ids{2}) return;
    begun.set_value();
    held.wait();
  };
  auto reader = std::async(std::launch::async, [&] { return by_ids(2).outcome().status; });
  begun.get_future().wait();
  by_ids.prefetch_each(Ids{1, 2, 3, 2});
  f.settle();  // on the one thread, behind the prefetch
  CHECK(f.shelf.asked() == std::vector<Ids>{{2}, {1, 3}});
  CHECK(by_ids(1).outcome().is_hit());
  CHECK(by_ids(3).outcome().is_hit());
  may.set_value();
  CHECK(reader.get() == ReadStatus::miss);
  CHECK(by_ids(2).outcome().is_hit());
  CHECK(f.offload->stats().failed == 0);
  CHECK(f.source->flights().size() == 0);
}

TEST_CASE("prefetch_each: a key whose rows can't be used keeps none of the others out", "[ahead]") {
  Shop f;
  struct Strict {
    std::int64_t id;
    std::optional<std::int64_t> name;
  };
  using Mapper = detail::ByOrdinal<detail::AutoMapper<Strict>>;
  const auto by_ids =
      Prepared<Strict, Mapper>(*f.source, f.shelf, test::kByIds, Mapper{}).tag(test::kProductOf);
  f.shelf.names.erase(1);
  f.shelf.names.erase(3);
  by_ids.prefetch_each(Ids{1, 2, 3});
  f.settle();
  CHECK(by_ids(1).outcome().is_hit());
  CHECK(by_ids(3).outcome().is_hit());
  CHECK_THROWS_AS(by_ids(2), TypeError);
  const std::size_t asked = f.shelf.asked().size();
  by_ids.prefetch_each(
      Ids{1, 2, 3, 4});  // it is not tried again at once, and what is new is loaded
  f.settle();
  CHECK(f.shelf.asked().size() == asked + 1);
  CHECK(f.shelf.asked().back() == Ids{4});
}

TEST_CASE("prefetch_each: keys that the database refuses keep none of the others out", "[ahead]") {
  Shop f;
  const auto by_ids = f.by_ids();
  const auto refused = GENERATE(Ids{77}, Ids{1, 500});
  f.shelf.before = [&](const Ids& asked) {
    for (const std::int64_t id : refused)
      if (std::ranges::find(asked, id) != asked.end()) throw Error("out of range");
  };
  by_ids.prefetch_each(up_to(500));
  f.settle();
  CHECK(f.shelf.asked().size() < 40);
  const std::size_t asked = f.shelf.asked().size();
  for (std::int64_t id = 1; id <= 500; ++id)
    if (std::ranges::find(refused, id) == refused.end()) CHECK(by_ids(id).outcome().is_hit());
  CHECK(f.shelf.asked().size() == asked);
  by_ids.prefetch_each(up_to(500));  // those are not tried again at once
  f.settle();
  CHECK(f.shelf.asked().size() == asked);
}

TEST_CASE("prefetch_each: a statement that fails for every key is not tried for each of them",
          "[ahead]") {
  Shop f;
  const auto by_ids = f.by_ids();
  f.shelf.before = [](const Ids&) { throw Error("no such table"); };
  by_ids.prefetch_each(up_to(500));
  f.settle();
  CHECK(f.shelf.asked().size() < 50);
  const std::size_t asked = f.shelf.asked().size();
  by_ids.prefetch_each(up_to(500));
  f.settle();
  CHECK(f.shelf.asked().size() == asked);
  CHECK(f.source->flights().size() == 0);
}

TEST_CASE("prefetch_each: a key without a tag is the caller's error, and nothing hangs on it",
          "[ahead]") {
  Shop f;
  using Mapper = detail::ByOrdinal<detail::AutoMapper<test::Product>>;
  const auto by_ids = Prepared<test::Product, Mapper>(*f.source, f.shelf, test::kByIds, Mapper{})
                          .tag([](std::int64_t id) {
                            if (id == 2) throw std::runtime_error("two has no tag");
                            return entity("product", id);
                          });
  CHECK_THROWS_AS(by_ids.prefetch_each(Ids{1, 2, 3}), std::runtime_error);
  f.settle();
  CHECK(by_ids(1).one().name == "tea");
  CHECK(f.source->flights().size() == 0);
}

TEST_CASE("prefetch_each: a database that fails is not asked again at once", "[ahead]") {
  Shop f;
  const auto by_ids = f.by_ids();
  f.shelf.before = [](const Ids&) { throw Error("the database is gone", {.retryable = true}); };
  by_ids.prefetch_each(Ids{1, 2});
  f.settle();
  CHECK(f.shelf.asked().size() == 1);
  CHECK(f.offload->stats().failed == 1);
  f.shelf.before = nullptr;
  by_ids.prefetch_each(Ids{1, 2});
  f.settle();
  CHECK(f.shelf.asked().size() == 1);
  CHECK(by_ids(1).outcome().status == ReadStatus::miss);  // who needs it asks
  CHECK(f.source->flights().size() == 0);
}

TEST_CASE("prefetch_each: a hundred thousand keys are a few tasks, and memory's bound holds",
          "[ahead]") {
  auto offload = std::make_shared<Offload>(OffloadOptions{.threads = 1, .queue = 1000});
  Shop f(offload);
  const std::int64_t many = 100'000;
  f.by_ids().prefetch_each(up_to(many));
  f.settle();
  std::size_t asked = 0;
  for (const Ids& ids : f.shelf.asked()) asked += ids.size();
  CHECK(asked == static_cast<std::size_t>(many));
  CHECK(f.shelf.asked().size() == 200);
  CHECK(f.cache.stats().refreshes_refused == 0);
}

TEST_CASE("warm_up: one read of the tier for as many calls as its progress is told after",
          "[ahead]") {
  const auto tier = std::make_shared<CountingTier>();
  fill(tier, up_to(7));
  tier->sizes.clear();
  Shop f;
  f.source->attach(tier);
  const auto by_ids = f.by_ids();
  std::vector<std::size_t> told;
  const WarmUp warm = by_ids.warm_up(
      up_to(8),
      {.progress = [&](const WarmUp& so_far) { told.push_back(so_far.looked); }, .every = 3});
  CHECK(tier->sizes == std::vector<std::size_t>{3, 3, 2});
  CHECK(told == std::vector<std::size_t>{3, 6, 8});
  CHECK(warm.found == 7);
  CHECK(warm.missing == 1);
  CHECK(f.shelf.asked().empty());
  CHECK(f.source->flights().size() == 0);
  const WarmUp again = by_ids.warm_up(Ids{1, 8, 1});
  CHECK(again.already == 2);
  CHECK(again.missing == 1);
}

TEST_CASE("warm_up: a call that comes twice is found once", "[ahead]") {
  const auto tier = std::make_shared<CountingTier>();
  fill(tier, {1, 2});
  tier->sizes.clear();
  Shop f;
  f.source->attach(tier);
  const auto by_ids = f.by_ids();
  const WarmUp warm = by_ids.warm_up(Ids{1, 9, 1, 2, 9, 1});
  CHECK(warm.wanted == 6);
  CHECK(warm.looked == 6);
  CHECK(warm.found + warm.already == 4);
  CHECK(warm.found >= 2);
  CHECK(warm.missing == 2);
  CHECK(warm.failed == 0);
  CHECK(tier->sizes.size() == 1);
  CHECK(by_ids(1).outcome().is_hit());
  CHECK(by_ids(2).outcome().is_hit());
  CHECK(f.shelf.asked().empty());
}

TEST_CASE("warm_up: a budget of loads does not hold it, since it loads nothing", "[ahead]") {
  const auto tier = std::make_shared<CountingTier>();
  fill(tier, up_to(3));
  ManualClock clock;  // as of who has filled the tier
  Cache cache({.memory_bytes = 8U << 20U, .clock = &clock});
  Source source(cache,
                {.scope = {.namespace_name = "shop"}, .load_budget = {.loads = 1, .queue = 1}});
  source.marks().restart(test::ReadFixture::upto(10));
  source.marks().trust_until(MonotonicTime::max());
  Shelf shelf;
  source.attach(tier);
  using Mapper = detail::ByOrdinal<detail::AutoMapper<test::Product>>;
  const auto by_ids =
      Prepared<test::Product, Mapper>(source, shelf, test::kByIds, Mapper{}).tag(test::kProductOf);
  WarmUp warm;
  shelf.before = [&](const Ids&) { warm = by_ids.warm_up(up_to(3)); };
  static_cast<void>(by_ids(9));  // has the only permit
  CHECK(warm.found == 3);
}
