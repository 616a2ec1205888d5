#include <catch2/catch.hpp>

#include "unit/read_machine_fixture.hpp"

// Tags made from parameters, several at a time, and from rows; queries without any.

namespace {

using namespace querymark;
using Catch::Matchers::Contains;
using test::elsewhere;
using test::FakeTier;
using test::ReadFixture;

struct Number {
  std::int64_t n;
};

constexpr auto kEachNumber = [](const Row& row) { return entity("n", row[0].as<std::int64_t>()); };
constexpr auto kTwice = [](const Row& row) {
  return std::vector<Target>{entity("twice", row[0].as<std::int64_t>()), tag("twice")};
};

// Answers with the numbers from `first` to `last`.
LoadedRows numbers(std::int64_t first, std::int64_t last) {
  ResultSetBuilder builder;
  builder.add_column("n", "INTEGER");
  for (std::int64_t n = first; n <= last; ++n) builder.add(ParameterView::int64(n));
  return {std::move(builder).build(), std::nullopt, Stored::yes};
}
void answer(ReadFixture& f, std::int64_t first, std::int64_t last) {
  f.loader.on_load = [=](auto) { return numbers(first, last); };
}

}  // namespace

TEST_CASE("tags: a callable may make several from the parameters", "[tags]") {
  ReadFixture f;
  const auto query =
      f.prepare("select n where id in (?, ?)")
          .tag([](int a, int b) { return std::array{entity("n", a), entity("n", b)}; })
          .tag([](int, int) { return std::vector<Target>(); });
  for (const int id : {7, 8}) {
    (void)query(7, 8);
    CHECK(query(7, 8).outcome().is_hit());
    f.invalidate(entity("n", id));
    CHECK_FALSE(query(7, 8).outcome().is_hit());
  }
  f.invalidate(entity("n", 9));
  CHECK(query(7, 8).outcome().is_hit());
}

TEST_CASE("tags: a query that has a name is given them one by one", "[tags]") {
  ReadFixture f;
  Query query = f.query("select n");
  for (const int id : {7, 8}) query.tag(entity("n", id));
  for (const int id : {7, 8}) {
    (void)query.fetch();
    CHECK(query.fetch().outcome().is_hit());
    f.invalidate(entity("n", id));
    CHECK_FALSE(query.fetch().outcome().is_hit());
  }
}

TEST_CASE("tags: those made from rows make the result stale, in every form of a query", "[tags]") {
  using Read = std::function<Outcome(ReadFixture&)>;
  const Read read = GENERATE(
      Read([](ReadFixture& f) {
        return f.query("select n").tag_rows(kEachNumber).fetch().outcome();
      }),
      Read([](ReadFixture& f) {
        return f.query("select n").tag_rows(kTwice).tag_rows(kEachNumber).fetch_as<int>().outcome();
      }),
      Read([](ReadFixture& f) {
        return f.prepare<Number>("select n").tag_rows(kEachNumber)().outcome();
      }),
      Read([](ReadFixture& f) {
        const int captured = 1;  // asked at each hit
        return f.prepare("select n")
            .tag_rows(kEachNumber)
            .tag([=] { return tag("t", captured); })()
            .outcome();
      }));
  ReadFixture f;
  answer(f, 1, 3);
  CHECK(read(f).stored == Stored::yes);
  CHECK(read(f).is_hit());
  f.invalidate(entity("n", 4));
  CHECK(read(f).is_hit());
  answer(f, 2, 4);
  f.invalidate(entity("n", 3));
  CHECK_FALSE(read(f).is_hit());
  f.invalidate(entity("n", 1));  // no row any more
  CHECK(read(f).is_hit());
  f.invalidate(entity("n", 4));
  CHECK_FALSE(read(f).is_hit());
}

TEST_CASE("tags: a query that does not tag its rows leaves nothing to one that does", "[tags]") {
  ReadFixture f;
  (void)f.query("select n").fetch();
  CHECK_FALSE(f.query("select n").tag_rows(kEachNumber).fetch().outcome().is_hit());
  f.invalidate(entity("n", 1));
  CHECK(f.query("select n").fetch().outcome().is_hit());
  CHECK_FALSE(f.query("select n").tag_rows(kEachNumber).fetch().outcome().is_hit());
  CHECK_FALSE(f.query("select n").tag_rows(kTwice).fetch().outcome().is_hit());
  CHECK(f.query("select n").tag_rows(kEachNumber).key() == f.query("select n").key());
}

TEST_CASE("tags: a load that an invalidation of a row's tag overtakes is not kept", "[tags]") {
  ReadFixture f;
  f.loader.on_load = [&](auto) {
    LoadedRows rows = numbers(1, 2);
    if (f.loader.loads == 1) f.invalidate(entity("n", 2));  // after the rows were read
    return rows;
  };
  const auto read = [&] { return f.query("select n").tag_rows(kEachNumber).fetch().outcome(); };
  CHECK(read().stored == Stored::invalidated);
  CHECK(read().stored == Stored::yes);
  CHECK(read().is_hit());
}

TEST_CASE("tags: who shares a load that a row's tag has made stale loads anew", "[tags]") {
  test::MachineFixture f;
  const KeyPrefixRef prefix = f.source.prefix("rows", KeyPrefix::Form::sql, "select n");
  const ReadOptions options{.row_tags = {kEachNumber}};
  const detail::NoMapper mapper;
  const auto no_more = [](std::vector<Target>& /*targets*/) {};
  const Route route(f.source, f.loader);
  detail::QueryRequest<ResultSet, detail::NoMapper, decltype(no_more)> request(
      KeyEncoder(*prefix).call(), options, route, {}, mapper, no_more);
  const bool stale = GENERATE(false, true);
  ReadMachine leader(f.source, request);
  ReadMachine joiner(f.source, request);
  const test::Action load = leader.start();
  test::Action wait = joiner.start();
  REQUIRE(test::is<ReadMachine::Await>(wait));
  Loaded loaded = request.load(std::get<ReadMachine::Load>(load).init);
  if (stale) f.invalidate(entity("n", 1));
  (void)leader.resume(std::move(loaded));
  CHECK(leader.take_result().outcome.stored == (stale ? Stored::invalidated : Stored::yes));
  CHECK(test::is<ReadMachine::Done>(joiner.resume(test::waited(wait))) == !stale);
}

TEST_CASE("tags: what a shared tier holds is tagged anew before it is judged", "[tags]") {
  ReadFixture f;
  const auto tier = std::make_shared<FakeTier>();
  f.source.attach(tier);
  answer(f, 1, 3);
  const auto read = [&] { return f.query("select n").tag_rows(kEachNumber).fetch().outcome(); };
  SECTION("what was tagged so carries its rows' tags") {
    (void)read();
    REQUIRE(tier->values.size() == 1);
    const std::vector<Target>& targets = tier->values.begin()->second.targets;
    for (const int n : {1, 2, 3})
      CHECK(std::ranges::find(targets, entity("n", n)) != targets.end());
  }
  SECTION("what was stored without them is judged by them") {
    (void)f.query("select n").fetch();
    REQUIRE(tier->values.size() == 1);
    tier->values.begin()->second.stamp.horizon = {51};
    f.source.marks().restart(ReadFixture::upto(50));
    CHECK(read().origin == Origin::shared_tier);
    CHECK(read().origin == Origin::memory);
    f.invalidate(entity("n", 2));
    tier->values.begin()->second.stamp.horizon = {f.source.marks().cursor().snapshot.limit().value -
                                                  1};
    CHECK(read().origin == Origin::database);
  }
  SECTION("rows that can't be tagged are as good as stale") {
    (void)f.query("select n").fetch();
    ResultSetBuilder builder;
    builder.add_column("n");
    builder.add(ParameterView::text("not a number"));
    tier->values.begin()->second.rows = std::move(builder).build();
    CHECK(read().origin == Origin::database);
  }
}

TEST_CASE("tags: rows that imply more than a value can carry are returned and not kept", "[tags]") {
  ReadFixture f;
  const auto read = [&] { return f.query("select n").tag_rows(kEachNumber).fetch(); };
  answer(f, 1, kMaxTargets);  // and the query's own
  const Result all = read();
  CHECK(all.size() == kMaxTargets);
  CHECK(all.outcome().stored == Stored::too_many_targets);
  CHECK_THAT(describe(all.outcome()), Contains("more targets than a value can carry"));
  CHECK_FALSE(read().outcome().is_hit());
  answer(f, 2, kMaxTargets);
  CHECK(read().outcome().stored == Stored::yes);
  CHECK(read().outcome().is_hit());
  f.loader.on_load = [](auto) {  // many rows, few tags
    ResultSetBuilder builder;
    builder.add_column("n", "INTEGER");
    for (std::size_t i = 0; i < 5 * kMaxTargets; ++i)
      builder.add(ParameterView::int64(static_cast<std::int64_t>(i % 7)));
    return LoadedRows{std::move(builder).build(), std::nullopt, Stored::yes};
  };
  f.invalidate(entity("n", 2));
  CHECK(read().outcome().stored == Stored::yes);
}

TEST_CASE("tags: a tagger that can't read a row fails the read", "[tags]") {
  ReadFixture f;
  const auto wrong = [](const Row& row) { return entity("n", row["m"].as<std::int64_t>()); };
  CHECK_THROWS_AS(f.query("select n").tag_rows(wrong).fetch(), TypeError);
  CHECK(f.cache.stats().entries == 0);
  CHECK_THROWS_AS(get_or_load<int>(f.source, "n", {.row_tags = {kEachNumber}}, [] { return 1; }),
                  ConfigError);
}

TEST_CASE("tags: a query without any is counted, and refused where they are required", "[tags]") {
  ReadFixture f;
  (void)f.query("select n").fetch();
  (void)f.query("select n").fetch();
  (void)f.query("select m").tag(tag("a")).fetch();
  (void)f.query("select o").uncached().fetch();
  (void)f.query("select p").ttl(TimeSpan()).fetch();
  (void)f.prepare("select q").tag_rows(kEachNumber)();
  (void)get_or_load<int>(f.source, "named", {}, [] { return 1; });
  CHECK(f.cache.stats().untagged == 1);

  Source strict(f.cache, {.mark_cells = 1024, .require_tags = true});
  strict.marks().trust_until(MonotonicTime::max());
  const auto query = [&](std::string sql) {
    return Query(strict, f.loader, std::move(sql), Parameters());
  };
  const std::string sql = "select n from t where " + std::string(200, 'x');
  CHECK_THROWS_WITH(query(sql).fetch(), Contains("declares no tags") && Contains(".uncached()") &&
                                            Contains(sql.substr(0, 100) + "..."));
  CHECK_THROWS_AS((Prepared<ResultSet, detail::NoMapper>(strict, f.loader, "select n", {})()),
                  ConfigError);
  const auto loads = f.loader.loads.load();
  (void)query("select n").tag(tag("a")).fetch();
  CHECK_THROWS_AS(query("select n").fetch(), ConfigError);  // though memory holds it
  (void)query("select n").uncached().fetch();
  (void)query("select n").tag_rows(kEachNumber).fetch();
  CHECK(f.loader.loads == loads + 3);
  CHECK(*get_or_load<int>(strict, "n", {}, [] { return 1; }) == 1);
}

TEST_CASE("tags: a thing and its collection are two names", "[tags]") {
  ReadFixture f;
  const auto one = [&] { return f.query("select 1").tag(entity("n", 7)).fetch().outcome(); };
  const auto all = [&] { return f.query("select 2").tag(collection("n")).fetch().outcome(); };
  const auto both = entity_and_collection("n", 7);
  CHECK(both[0] == entity("n", 7));
  CHECK(both[1] == collection("n"));
  for (const Target& target : both) {
    (void)one();
    (void)all();
    f.invalidate(target);
    CHECK(one().is_hit() == (target == collection("n")));
    CHECK(all().is_hit() == (target == entity("n", 7)));
  }
}
