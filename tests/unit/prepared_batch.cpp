#include <catch2/catch.hpp>

#include <algorithm>
#include <list>
#include <ranges>
#include <stdexcept>
#include <tuple>

#include "unit/read_fixture.hpp"

// Many calls of a prepared query at once.

namespace {

using namespace querymark;
using test::number;
using test::ReadFixture;

std::int64_t value_of(const Result& rows) { return rows[0][0].as<std::int64_t>(); }

// A loader that answers with the first parameter, so that a mixed-up key shows.
struct Many : ReadFixture {
  Many() {
    loader.on_load = [this](std::span<const ParameterView> parameters) {
      return LoadedRows{number(parameters[0].as_int64() + offset), std::nullopt, Stored::yes};
    };
  }
  std::int64_t offset = 0;
};

struct Seen {
  std::size_t place;
  std::int64_t value;
  bool hit;
  bool operator==(const Seen&) const = default;
};

template <class Query, class Keys>
std::vector<Seen> seen(const Query& query, const Keys& keys) {
  std::vector<Seen> all;
  query.many(keys, [&](std::size_t place, const auto& rows) {
    all.push_back({place, value_of(rows), rows.outcome().is_hit()});
  });
  return all;
}

std::vector<std::int64_t> numbers(std::int64_t count) {
  std::vector<std::int64_t> all;
  for (std::int64_t i = 0; i < count; ++i) all.push_back(i);
  return all;
}

}  // namespace

TEST_CASE("many: each key has its own rows, in order, from memory or the database", "[many]") {
  Many f;
  const auto query =
      f.prepare("select n where n = ?").tag([](std::int64_t n) { return entity("number", n); });
  for (const std::int64_t odd : {1, 3, 5, 17, 19}) static_cast<void>(query(odd));
  f.loader.loads = 0;
  const std::vector<Seen> all = seen(query, numbers(21));
  REQUIRE(all.size() == 21);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool known = i == 1 || i == 3 || i == 5 || i == 17 || i == 19;
    CHECK(all[i] == Seen{i, static_cast<std::int64_t>(i), known});
  }
  CHECK(f.loader.loads == 16);
  const std::uint64_t hits = f.cache.stats().hits;
  for (const Seen& one : seen(query, numbers(21))) CHECK(one.hit);
  CHECK(f.loader.loads == 16);
  CHECK(f.cache.stats().hits == hits + 21);
}

TEST_CASE("many: ranges of every kind, of nothing, of the same, of tuples, of texts", "[many]") {
  Many f;
  const auto query = f.prepare("select n where n = ?");
  CHECK(seen(query, std::vector<std::int64_t>{}).empty());
  CHECK(f.loader.loads == 0);
  CHECK(seen(query, std::list<int>{4, 4, 4}) ==
        std::vector<Seen>{{0, 4, false}, {1, 4, true}, {2, 4, true}});
  CHECK(f.loader.loads == 1);
  const auto made = std::views::iota(0, 9) | std::views::transform([](int i) { return 2L * i; });
  CHECK(seen(query, made).back() == Seen{8, 16, false});
  const auto pair = f.prepare("select n where n = ? and name = ?");
  const std::vector<std::tuple<std::int64_t, std::string>> keys{{1, "a"}, {1, "b"}, {1, "a"}};
  CHECK(seen(pair, keys) == std::vector<Seen>{{0, 1, false}, {1, 1, false}, {2, 1, true}});
  CHECK(pair(1, "b").outcome().is_hit());
  const std::vector<std::string> long_names{std::string(500, 'x'), std::string(501, 'x')};
  f.loader.on_load = nullptr;
  const auto named = f.prepare("select n where name = ?");
  CHECK(seen(named, long_names).size() == 2);
  for (const Seen& one : seen(named, long_names)) CHECK(one.hit);
}

TEST_CASE("many: what was invalidated is loaded, also by the caller's own code on the way",
          "[many]") {
  Many f;
  const auto query =
      f.prepare("select n where n = ?").tag([](std::int64_t n) { return entity("number", n); });
  static_cast<void>(seen(query, numbers(24)));
  f.offset = 100;
  f.invalidate(entity("number", 2));
  std::vector<std::int64_t> values;
  query.many(numbers(24), [&](std::size_t place, const Result& rows) {
    values.push_back(value_of(rows));
    if (place == 9) f.invalidate(entity("number", 20));  // its rows are not looked for yet
  });
  for (std::int64_t i = 0; i < 24; ++i)
    CHECK(values[static_cast<std::size_t>(i)] == (i == 2 || i == 20 ? i + 100 : i));
}

TEST_CASE("many: handles outlive the call, however many are kept", "[many]") {
  Many f;
  const auto query = f.prepare("select n where n = ?");
  static_cast<void>(seen(query, numbers(40)));
  std::vector<Result> kept;
  query.many(numbers(40), [&](std::size_t, Result rows) { kept.push_back(std::move(rows)); });
  f.invalidate(flush_all());
  for (std::int64_t i = 0; i < 40; ++i) CHECK(value_of(kept[static_cast<std::size_t>(i)]) == i);
}

TEST_CASE("many: what the caller's code or a load throws ends it", "[many]") {
  Many f;
  const auto query = f.prepare("select n where n = ?");
  int taken = 0;
  CHECK_THROWS_AS(query.many(numbers(20),
                             [&](std::size_t, const Result&) {
                               if (++taken == 3) throw std::runtime_error("enough");
                             }),
                  std::runtime_error);
  CHECK(taken == 3);
  f.loader.on_load = [](std::span<const ParameterView> parameters) -> LoadedRows {
    if (parameters[0].as_int64() == 10) throw Error("no such table");
    return {number(1), std::nullopt, Stored::yes};
  };
  taken = 0;
  CHECK_THROWS_AS(query.many(numbers(20), [&](std::size_t, const Result&) { ++taken; }), Error);
  CHECK(taken == 8);
  f.loader.on_load = nullptr;
  CHECK(seen(query, numbers(20)).size() == 20);  // no key is left blocked
}

TEST_CASE("many: a query that is switched off, or has rules, or tags with a state", "[many]") {
  Many f;
  auto query = f.prepare("select n where n = ?");
  static_cast<void>(seen(query, numbers(3)));
  query.set_enabled(false);
  for (const Seen& one : seen(query, numbers(3))) CHECK_FALSE(one.hit);
  query.set_enabled(true);
  for (const Seen& one : seen(query, numbers(3))) CHECK(one.hit);

  std::string kind = "a";
  const auto tagged =
      f.prepare("select n where n = ?").tag([&kind](std::int64_t n) { return entity(kind, n); });
  static_cast<void>(seen(tagged, numbers(3)));
  for (const Seen& one : seen(tagged, numbers(3))) CHECK(one.hit);
  kind = "b";  // what they carry is another now
  for (const Seen& one : seen(tagged, numbers(3))) CHECK_FALSE(one.hit);
  f.offset = 7;
  f.invalidate(entity("b", 1));
  CHECK(seen(tagged, numbers(3)) == std::vector<Seen>{{0, 0, true}, {1, 8, false}, {2, 2, true}});
}

TEST_CASE("many: a ttl, trust and the cache's switch end hits as they end single ones", "[many]") {
  Many f;
  const auto query = f.prepare("select n where n = ?").ttl(std::chrono::seconds(10));
  static_cast<void>(seen(query, numbers(3)));
  const auto hits = [&] {
    const std::vector<Seen> all = seen(query, numbers(3));
    return std::ranges::count_if(all, &Seen::hit);
  };
  REQUIRE(hits() == 3);
  SECTION("a ttl") {
    f.clock.advance(std::chrono::seconds(11));
    CHECK(hits() == 0);
    CHECK(hits() == 3);
  }
  SECTION("trust") {
    f.source.marks().trust_until(f.clock.now() + std::chrono::seconds(1));
    f.clock.advance(std::chrono::seconds(2));
    CHECK(hits() == 0);
    f.source.marks().trust_until(MonotonicTime::max());
    CHECK(hits() == 3);
  }
  SECTION("the switch") {
    f.cache.set_enabled(false);
    CHECK(hits() == 0);
    f.cache.set_enabled(true);
    CHECK(hits() == 3);
  }
}

TEST_CASE("many: of a query whose type is named", "[many]") {
  Many f;
  const PreparedQuery<ResultSet, std::int64_t> one = f.prepare("select n where n = ?");
  const PreparedQuery<ResultSet, std::int64_t, std::string> two =
      f.prepare("select n where n = ? and name = ?");
  CHECK(seen(one, numbers(9)).size() == 9);
  for (const Seen& each : seen(one, numbers(9))) CHECK(each.hit);
  const std::vector<std::tuple<std::int64_t, std::string>> keys{{1, "a"}};
  CHECK(seen(two, keys) == std::vector<Seen>{{0, 1, false}});
  CHECK(seen(two, keys) == std::vector<Seen>{{0, 1, true}});
}
