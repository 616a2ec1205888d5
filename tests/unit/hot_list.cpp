#include "querymark/observe/hot_list.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "support/read_metrics.hpp"
#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::ReadFixture;

const HotSpot* spot_of(const std::vector<HotSpot>& spots, std::string_view what) {
  const auto found = std::ranges::find(spots, what, &HotSpot::what);
  return found == spots.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("space saving: who comes often has a place, and no count is too low", "[hot]") {
  SpaceSaving counts;
  std::map<std::uint64_t, std::uint64_t> right;
  std::mt19937_64 random(7);  // NOLINT(bugprone-random-generator-seed): the same stream each time
  constexpr std::size_t kAll = 100'000;
  for (std::size_t i = 0; i < kAll; ++i) {
    // One in three is one of ten ids, the others are hardly ever the same.
    const std::uint64_t id = random() % 3 == 0 ? random() % 10 : random() % 1'000'000;
    ++right[id];
    static_cast<void>(counts.add(id));
  }
  CHECK(counts.size() == SpaceSaving::kPlaces);
  std::uint64_t sum = 0;
  for (const auto& [id, count] : right) {
    const auto place = counts.find(id);
    if (count > kAll / SpaceSaving::kPlaces) REQUIRE(place);
    if (!place) continue;
    sum += counts.count(*place);
    CHECK(counts.count(*place) >= count);
    CHECK(counts.count(*place) - counts.error(*place) <= count);
    CHECK(counts.error(*place) <= kAll / SpaceSaving::kPlaces);
  }
  CHECK(sum == kAll);  // each one that came is counted at one place
}

TEST_CASE("hot list: the hottest come first, by what is sure of them", "[hot]") {
  HotList list;
  for (std::uint64_t id = 1; id <= 3; ++id)
    for (std::uint64_t i = 0; i < 10 * id; ++i) list.add(id, {.bytes = std::string(id, 'x')});
  for (std::uint64_t id = 100; id < 1000; ++id) list.add(id, {.bytes = "noise"});
  const auto top = list.top(3);
  REQUIRE(top.size() == 3);
  CHECK(top[0].bytes == "xxx");
  CHECK(top[0].count == 30);
  CHECK(top[0].error == 0);
  CHECK(top[2].bytes == "x");
  list.clear();
  CHECK(list.top(3).empty());
  list.add(1, {.bytes = std::string(1000, 'y')});
  CHECK(list.top(3)[0].cut);
  CHECK(list.top(3)[0].bytes == std::string(HotList::kLongestName, 'y'));
  list.clear();
  list.add(1, {});
  list.name(2, [] { return std::string("of another"); });
  list.name(1, [] { return std::string("late"); });
  list.name(1, [] { return std::string("later"); });
  CHECK(list.top(3)[0].bytes == "late");
}

TEST_CASE("hot list: threads that count do not wait for each other", "[hot]") {
  HotList list;
  std::atomic<bool> over{false};
  std::vector<std::jthread> threads;
  for (std::uint64_t id = 0; id < 4; ++id)
    threads.emplace_back([&list, &over, id] {
      while (!over) {
        list.add(id, {.bytes = "one"});
        list.name(id, [] { return std::string("two"); });
      }
    });
  for (int i = 0; i < 1000; ++i)
    for (const auto& spot : list.top(10)) REQUIRE(spot.bytes == "one");
  over = true;
}

TEST_CASE("hot: which keys miss and die, and by which tags", "[hot]") {
  ReadFixture f;
  const auto by_id = f.prepare("select n from p where id = ?")
                         .name("by id")
                         .tag(collection("p"))
                         .tag([](std::int64_t id) { return entity("p", id); });
  for (int i = 0; i < 5; ++i) {
    static_cast<void>(by_id(std::int64_t{7}));
    f.invalidate(entity("p", 7));
  }
  const auto named = [&] {
    static_cast<void>(get_or_load<int>(f.source, "a list", {.tags = {tag("l")}}, [] { return 1; }));
  };
  named();
  f.invalidate(tag("l"));
  named();
  f.source.marks().restart(f.source.marks().cursor());
  named();
  const HotStats hot = f.cache.hot();
  REQUIRE_FALSE(hot.misses.empty());
  CHECK(hot.misses[0].query == "by id");
  CHECK(hot.misses[0].what == "7");
  CHECK(hot.misses[0].count == 5);
  REQUIRE(spot_of(hot.misses, "a list") != nullptr);
  CHECK(spot_of(hot.misses, "a list")->query == "(values)");
  CHECK(hot.deaths[0].what == "7");
  CHECK(hot.deaths[0].count == 4);
  CHECK(hot.killers[0].what == "entity p:7");
  CHECK(hot.killers[0].count == 4);
  CHECK(spot_of(hot.killers, "tag l") != nullptr);
  CHECK(spot_of(hot.killers, "everything") != nullptr);
  CHECK(f.cache.hot(1).misses.size() == 1);
  f.cache.forget_hot();
  CHECK(f.cache.hot().misses.empty());
}

TEST_CASE("hot: tags that only rows name are named by the load that follows", "[hot]") {
  ReadFixture f;
  const auto query =
      f.query("select n").tag_rows([](Row row) { return entity("n", row[0].as<std::int64_t>()); });
  static_cast<void>(query.fetch());
  f.invalidate(entity("n", 1));
  static_cast<void>(query.fetch());
  CHECK(f.cache.hot().killers.at(0).what == "entity n:1");
}

TEST_CASE("hot: the most read are found by one hit of a thousand", "[hot]") {
  ReadFixture f;
  const auto by_id = f.prepare("select n from p where id = ?").name("by id").tag(collection("p"));
  constexpr int kTurns = 40'000;
  for (int i = 0; i < kTurns; ++i) {
    static_cast<void>(by_id(std::int64_t{7}));
    if (i % 4 == 0) static_cast<void>(by_id(std::int64_t{8}));
  }
  const HotStats hot = f.cache.hot();
  REQUIRE_FALSE(hot.reads.empty());
  CHECK(hot.reads[0].what == "7");
  CHECK(static_cast<double>(hot.reads[0].count) == Approx(kTurns).epsilon(0.5));
  // Keys that are read in turns, as many as a power of two, all have theirs.
  f.cache.forget_hot();
  for (int i = 0; i < 64 * 2000; ++i) static_cast<void>(by_id(std::int64_t{i % 64}));
  CHECK(f.cache.hot(100).reads.size() > 40);
}

TEST_CASE("hot: pages show them where they are asked for, whatever their names hold", "[hot]") {
  ReadFixture f;
  const auto by_name = f.prepare("select n from p where name = ?").name("by name");
  static_cast<void>(by_name(std::string("a\"b\\c\nd\xFF")));
  for (int i = 0; i < 100; ++i) static_cast<void>(by_name(std::to_string(i)));
  Metrics quiet;
  f.cache.add_metrics(quiet);
  CHECK(quiet.prometheus().find("querymark_hot") == std::string::npos);
  Metrics metrics;
  f.cache.add_hot_metrics(metrics, 20);
  const std::set<std::string> samples = test::samples_of(metrics.prometheus());
  CHECK(samples.size() == 40);  // a count and an error each
  CHECK(test::reread("json", metrics.json()).find("by name") != std::string::npos);
  CHECK(samples.begin()->find(R"("of": "misses")") != std::string::npos);
}
