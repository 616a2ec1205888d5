#include "querymark/read/explanation.hpp"

#include <catch2/catch.hpp>

#include "querymark/key/shown_parameters.hpp"
#include "unit/read_fixture.hpp"

namespace {

using namespace querymark;
using namespace std::chrono_literals;
using test::FakeTier;
using test::number;
using test::ReadFixture;

}  // namespace

TEST_CASE("explain: how a query is keyed, scoped, tagged and cached", "[explain]") {
  ReadFixture f;
  f.source.attach(std::make_shared<FakeTier>());
  const auto by_id = f.prepare("select n from p where id = ?")
                         .name("by id")
                         .scope("tenant 7")
                         .tag(collection("product"))
                         .tag([](std::int64_t id) { return entity("product", id); })
                         .ttl(2min);
  const Explanation cold = by_id.explain(std::int64_t{7});
  CHECK(cold.name == "by id");
  CHECK(cold.text == "select n from p where id = ?");
  CHECK(cold.namespace_name == "shop");
  CHECK(cold.database == "db");
  CHECK(cold.scope == "tenant 7");
  CHECK(cold.targets == std::vector<Target>{collection("product"), entity("product", 7),
                                            by_id.key(std::int64_t{7})});
  CHECK(cold.ttl == 2min);
  CHECK(cold.tiers == std::vector<std::string>{"fake"});
  CHECK(cold.parameter_bytes > 0);
  CHECK_FALSE(cold.not_cached);
  CHECK(cold.presence == Presence::absent);
  CHECK(f.loader.loads == 0);

  static_cast<void>(by_id(std::int64_t{7}));
  f.clock.advance(30s);
  const Explanation warm = by_id.explain(std::int64_t{7});
  CHECK(warm.presence == Presence::fresh);
  CHECK(warm.age >= 30s);
  CHECK(warm.left <= 90s);
  CHECK(by_id.explain(std::int64_t{8}).presence == Presence::absent);
  const std::string text = describe(warm);
  for (const std::string part :
       {"by id", "tenant 7", "collection product, entity product:7, key query:",
        "below memory in fake", "a value that would be served"})
    CHECK(text.find(part) != std::string::npos);
  CHECK(warm.parameters == "7");
  CHECK(warm.served());
  CHECK(warm.marks == std::vector<TargetMark>(3));  // nothing was invalidated
  CHECK(f.cache.stats().hits == 0);                 // nothing was counted
}

TEST_CASE("explain: by which invalidation a value has died, where and when", "[explain]") {
  ReadFixture f;
  const auto by_id =
      f.prepare("select n from p where id = ?").tag(collection("product")).tag([](std::int64_t id) {
        return entity("product", id);
      });
  static_cast<void>(by_id(std::int64_t{7}));
  f.clock.advance(5s);
  const Position position = f.source.marks().cursor().snapshot.limit();
  f.invalidate(entity("product", 7));
  f.clock.advance(3s);
  f.invalidate(entity("product", 8));  // another's
  const Explanation dead = by_id.explain(std::int64_t{7});
  CHECK(dead.presence == Presence::invalidated);
  REQUIRE(dead.death);
  CHECK(dead.death->by == "entity product:7");
  CHECK(dead.death->position == position);
  CHECK(dead.death->ago == 3s);
  CHECK(dead.stamp < dead.generation);
  CHECK_FALSE(dead.served());
  REQUIRE(dead.marks.size() == 3);
  CHECK(dead.marks[0] == TargetMark{});
  CHECK(dead.marks[1] == TargetMark{dead.stamp + 1, position});
  CHECK(describe(dead).find("invalidated by entity product:7 at position") != std::string::npos);
  CHECK(by_id.explain(std::int64_t{7}).presence == Presence::invalidated);  // looking heals nothing

  static_cast<void>(by_id(std::int64_t{7}));
  const Position everything = f.source.marks().cursor().snapshot.limit();
  f.invalidate(flush_all());
  const Explanation told = by_id.explain(std::int64_t{7});
  REQUIRE(told.death);
  CHECK(told.death->by == "everything");
  CHECK(told.death->position == everything);

  // Of both it is the flush, whichever came first: the target alone would not say that all others died, too.
  static_cast<void>(by_id(std::int64_t{7}));
  f.invalidate(entity("product", 7));
  const Position after = f.source.marks().cursor().snapshot.limit();
  f.invalidate(flush_all());
  f.invalidate(entity("product", 7));
  const Explanation both = by_id.explain(std::int64_t{7});
  REQUIRE(both.death);
  CHECK(both.death->by == "everything");
  CHECK(both.death->position == after);

  static_cast<void>(by_id(std::int64_t{7}));
  CHECK_FALSE(by_id.explain(std::int64_t{7}).death);
  f.source.marks().restart(f.source.marks().cursor());
  const Explanation flushed = by_id.explain(std::int64_t{7});
  REQUIRE(flushed.death);
  CHECK(flushed.death->by == "everything");
  CHECK_FALSE(flushed.death->position);
}

TEST_CASE("explain: a target that only the rows name is told apart", "[explain]") {
  ReadFixture f;
  const auto query = f.query("select n").tag_rows([](Row row) {
    return entity("number", row[0].as<std::int64_t>());
  });
  static_cast<void>(query.fetch());
  f.invalidate(entity("number", 1));
  const Explanation found = query.explain();
  CHECK(found.tagged_by_rows);
  REQUIRE(found.death);
  CHECK(found.death->by == "a tag of its rows");
  CHECK(found.death->position);
}

TEST_CASE("explain: why nothing would be kept, or served", "[explain]") {
  ReadFixture f;
  auto query = f.prepare("select n").ttl(1min);
  static_cast<void>(query());
  f.clock.advance(2min);
  CHECK(query.explain().presence == Presence::expired);
  CHECK(query.explain().left < 0s);
  static_cast<void>(query());
  f.source.marks().trust_until(MonotonicTime::min());
  CHECK(query.explain().presence == Presence::untrusted);
  CHECK(query.explain().not_cached == Stored::lagging);
  f.source.marks().trust_until(MonotonicTime::max());
  query.set_enabled(false);
  CHECK(query.explain().not_cached == Stored::disabled);
  query.set_enabled(true);
  CHECK_FALSE(query.explain().not_cached);
  f.cache.set_enabled(false);
  CHECK(query.explain().not_cached == Stored::disabled);
  f.cache.set_enabled(true);
  CHECK(f.query("select n").uncached().explain().not_cached == Stored::disabled);
  CHECK(f.prepare("select n").ttl(0s).explain().not_cached == Stored::disabled);
  CHECK(f.query("select n")
            .policy({.cache_if = [](std::string_view,
                                    std::span<const ParameterView>) { return false; }})
            .explain()
            .not_cached == Stored::unwanted);
}

TEST_CASE("explain: an entry that was kept for fewer targets is told", "[explain]") {
  ReadFixture f;
  static_cast<void>(f.query("select n").tag(tag("a")).fetch());
  CHECK(f.query("select n").tag(tag("a")).explain().presence == Presence::fresh);
  CHECK(f.query("select n").tag(tag("b")).explain().presence == Presence::targets_differ);
}

TEST_CASE("explain: a value of get_or_load, too", "[explain]") {
  ReadFixture f;
  const ReadOptions options{.tags = {tag("prices")}, .ttl = 1min};
  const auto get = [&] {
    return get_or_load<int>(f.source, "price list", options, [] { return 7; });
  };
  const auto look = [&] { return explain<int>(f.source, "price list", options); };
  CHECK(look().presence == Presence::absent);
  static_cast<void>(get());
  const Explanation warm = look();
  CHECK(warm.text == "price list");
  CHECK(warm.parameters.empty());
  CHECK(warm.served());
  CHECK(warm.targets == std::vector<Target>{tag("prices"), key_named("price list")});
  CHECK(explain<long>(f.source, "price list", options).presence == Presence::absent);
  f.invalidate(key_named("price list"));
  const Explanation dead = look();
  REQUIRE(dead.death);
  CHECK(dead.death->by == "key name:price list");
  CHECK(get().outcome().refused == Refused::invalidated);

  static_cast<void>(f.cache.get_or_load<int>("local", options, [] { return 8; }));
  CHECK(f.cache.explain<int>("local", options).served());
  f.cache.invalidate(tag("prices"));
  CHECK(f.cache.explain<int>("local", options).death->by == "tag prices");
}

TEST_CASE("explain: parameters are shown as far as they go", "[explain]") {
  ReadFixture f;
  const auto shown = [&](const auto&... args) {
    return f.query("?", args...).explain().parameters;
  };
  CHECK(shown().empty());
  CHECK(shown(7, "it's", 2.5, true, std::optional<int>()) == "7, 'it's', 2.5, true, null");
  CHECK(shown(std::vector<int>{1, 2}, std::vector<std::byte>(3)) == "[1, 2], 3 bytes");
  CHECK(shown(std::chrono::sys_seconds(0s)) == "1970-01-01 00:00:00");
  const std::string text = shown(std::string(1000, 'x'), 8);
  CHECK(text.size() < 100);
  CHECK(text.ends_with("x...', 8"));
  const std::string many = shown(std::string(50, 'a'), std::string(50, 'b'), std::string(50, 'c'),
                                 std::string(50, 'd'), std::string(50, 'e'));
  CHECK(many.ends_with("ddd', ..."));
  // What is cut off anywhere is no reason to fail.
  const auto encoded = [](const auto&... args) {
    const KeyPrefix prefix("", KeyPrefix::Form::sql, {}, "");
    KeyEncoder encoder(prefix);
    (encoder.add_argument(args), ...);
    return std::string(encoder.key().parameters);
  };
  const std::string all =
      encoded(7, "text", 2.5, true, std::vector<int>{1, 2}, std::chrono::sys_seconds(0s));
  for (std::size_t size = 0; size < all.size(); ++size) {
    CAPTURE(size);
    const std::string cut = shown_parameters(ByteView(all).substr(0, size));
    CHECK(cut.size() < 100);
  }
  CHECK(shown_parameters(ByteView("\x63garbage")) == "...");
}
