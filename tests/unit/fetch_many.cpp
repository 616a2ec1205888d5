#include <catch2/catch.hpp>
#include <future>
#include <latch>
#include <list>
#include <ranges>
#include <set>

#include "unit/read_machine_fixture.hpp"
#include "unit/shelf.hpp"

// Many keys of one statement at once.

namespace {

using namespace querymark;
using namespace querymark::test;

struct Many : MachineFixture {
  using MachineFixture::MachineFixture;

  template <class T>
  [[nodiscard]] auto prepare_many(const char* sql = kByIds) {
    using Mapper = detail::ByOrdinal<detail::AutoMapper<T>>;
    return Prepared<T, Mapper>(source, shelf, sql, Mapper{});
  }
  [[nodiscard]] auto by_ids() { return prepare_many<Product>().tag(kProductOf).timeout(20s); }
  [[nodiscard]] std::vector<Ids> asked() const { return shelf.asked(); }
  [[nodiscard]] KeyPrefixRef prefix() const {
    using Mapper = detail::ByOrdinal<detail::AutoMapper<Product>>;
    using Tagger = std::remove_const_t<decltype(kProductOf)>;
    return source.prefix(
        detail::stored_type_name<Product, Mapper>() + "/" + detail::type_tag<Tagger>(),
        KeyPrefix::Form::one_of_many, kByIds);
  }
  // What another caller comes to who asks for one key now.
  [[nodiscard]] FlightEntry enter(std::int64_t id) {
    KeyEncoder encoder(*prefix_);
    encoder.add(ParameterView::int64(id));
    return source.flights().enter(encoder.key(), source.marks(), {}, {CallerId{1'000'000}, false});
  }

  Shelf shelf;

 private:
  KeyPrefixRef prefix_ = prefix();
};

}  // namespace

TEST_CASE("fetch_many: one statement loads what memory does not have", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  CHECK(by_ids(2).one().name == "cup");
  CHECK(f.asked() == std::vector<Ids>{{2}});
  const auto first = by_ids.fetch_many(Ids{1, 2, 3});
  CHECK(names_of(first) == Names{"tea", "cup", "pot"});
  CHECK(statuses_of(first) == Statuses{kMiss, kHit, kMiss});
  CHECK(f.asked() == std::vector<Ids>{{2}, {1, 3}});
  CHECK(statuses_of(by_ids.fetch_many(Ids{3, 2, 1})) == Statuses{kHit, kHit, kHit});
  CHECK(by_ids(1).outcome().is_hit());
  CHECK(by_ids.fetch_many(Ids{}).empty());
  CHECK(f.asked().size() == 2);
  CHECK(f.source.flights().size() == 0);
  CHECK(f.cache.stats().misses == 3);
}

TEST_CASE("fetch_many: keys of any range", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  CHECK(names_of(by_ids.fetch_many(std::set<std::int64_t>{3, 1})) == Names{"tea", "pot"});
  const std::vector<Product> products{{.id = 2, .name = "?"}, {.id = 1, .name = "?"}};
  const auto ids = products | std::views::transform(&Product::id);
  CHECK(names_of(by_ids.fetch_many(ids)) == Names{"cup", "tea"});
  const PreparedQuery<Product, std::int64_t> named = by_ids;
  CHECK(statuses_of(named.fetch_many(std::views::iota(std::int64_t{1}, std::int64_t{4}))) ==
        Statuses{kHit, kHit, kHit});
  CHECK(named.fetch_many(std::list<std::int64_t>{}).empty());
  CHECK(f.asked() == std::vector<Ids>{{1, 3}, {2}});
}

TEST_CASE("fetch_many: each key has its own targets, and its own life", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  (void)by_ids.fetch_many(Ids{1, 2, 3});
  f.invalidate(entity("product", 2));
  CHECK(statuses_of(by_ids.fetch_many(Ids{1, 2, 3})) == Statuses{kHit, kMiss, kHit});
  f.invalidate(by_ids.key(3));
  CHECK(statuses_of(by_ids.fetch_many(Ids{1, 2, 3})) == Statuses{kHit, kHit, kMiss});
  CHECK(f.asked().back() == Ids{3});
}

TEST_CASE("fetch_many: a key that comes twice is asked for once", "[many]") {
  Many f;
  const auto all = f.by_ids().fetch_many(Ids{1, 3, 1, 1, 3});
  CHECK(names_of(all) == Names{"tea", "pot", "tea", "tea", "pot"});
  CHECK(f.asked() == std::vector<Ids>{{1, 3}});
  // Beside some that memory has, and others without a row.
  const auto more = f.by_ids().fetch_many(Ids{9, 1, 2, 9, 1, 3, 2});
  CHECK(names_of(more) == Names{"-", "tea", "cup", "-", "tea", "pot", "cup"});
  CHECK(statuses_of(more) == Statuses{kMiss, kHit, kMiss, kMiss, kHit, kHit, kMiss});
  CHECK(f.asked() == std::vector<Ids>{{1, 3}, {9, 2}});
  CHECK(f.source.flights().size() == 0);
}

TEST_CASE("fetch_many: a key that comes twice is waited for once, when another loads it",
          "[many]") {
  Many f;
  std::optional<FlightLeader> leader(std::get<FlightLeader>(f.enter(2)));
  f.shelf.before = [&](const Ids& ids) {
    if (ids == Ids{1}) leader.reset();  // it has left: whoever waits loads
  };
  CHECK(names_of(f.by_ids().fetch_many(Ids{2, 1, 2, 1})) == Names{"cup", "tea", "cup", "tea"});
  CHECK(f.asked() == std::vector<Ids>{{1}, {2}});
  CHECK(f.source.flights().size() == 0);
}

TEST_CASE("fetch_many: a key without a row is kept as empty, until its row comes", "[many]") {
  Many f;
  f.shelf.names.emplace(3, "kettle");
  const auto by_ids = f.by_ids();
  const auto all = by_ids.fetch_many(Ids{7, 3, 8});
  CHECK(names_of(all) == Names{"-", "pot", "-"});
  CHECK(all[1].size() == 2);
  CHECK(all[1][1].name == "kettle");
  CHECK(by_ids(7).outcome().is_hit());
  f.shelf.names.emplace(7, "new");
  f.invalidate(entity("product", 7));
  CHECK(names_of(by_ids.fetch_many(Ids{7, 8})) == Names{"new", "-"});
  CHECK(f.asked().back() == Ids{7});
}

TEST_CASE("fetch_many: rows without objects, tags from rows, and further parameters", "[many]") {
  Many f;
  using Mapper = detail::ByOrdinal<detail::NoMapper>;
  const auto rows =
      Prepared<ResultSet, Mapper>(f.source, f.shelf, kByIds, Mapper{})
          .tag(tag("any"))
          .tag_rows([](const Row& row) { return entity("row", row["id"].as<std::int64_t>()); });
  const std::vector<Result> all = rows.fetch_many(Ids{1, 2}, "eu", 7);
  CHECK(all[0].set().columns() == 2);
  CHECK(all[1][0]["name"].view() == "cup");
  CHECK(rows.fetch_many(Ids{1}, "us", 7)[0].outcome().status == kMiss);  // others are another key
  f.invalidate(entity("row", 1));
  CHECK_FALSE(rows(1, "eu", 7).outcome().is_hit());
  CHECK(rows(2, "eu", 7).outcome().is_hit());
}

TEST_CASE("fetch_many: its entries are no other statement's", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  (void)by_ids.fetch_many(Ids{1});
  FakeLoader plain;
  const Prepared<Product, detail::AutoMapper<Product>> same_text(f.source, plain, kByIds, {});
  CHECK(same_text.key(1) != by_ids.key(1));
  plain.on_load = [](auto) -> LoadedRows { throw Error("asked"); };
  CHECK_THROWS_AS(same_text(1), Error);
}

TEST_CASE("fetch_many: a query for a class's member", "[many]") {
  Many f;
  const PreparedQuery<Product, std::int64_t> by_ids = f.by_ids();
  CHECK(names_of(by_ids.fetch_many(Ids{1, 2})) == Names{"tea", "cup"});
  CHECK(by_ids(2).outcome().is_hit());
  CHECK(names_of(by_ids.strong().fetch_many(Ids{3})) == Names{"pot"});
  const PreparedQuery<Product, std::int64_t> one = f.prepare<Product>("select 1");
  CHECK_THROWS_AS(one.fetch_many(Ids{1}), ConfigError);
}

TEST_CASE(
    "fetch_many: one read and one store of each shared tier for all that memory does not have",
    "[many]") {
  struct CountingTier : FakeTier {
    std::optional<TierFailure> read(std::string_view name,
                                    std::span<TierRead> wanted) noexcept override {
      reads.push_back(wanted.size());
      return FakeTier::read(name, wanted);
    }
    void put_many(std::string_view name, std::span<TierPut> storing) noexcept override {
      puts.push_back(storing.size());
      FakeTier::put_many(name, storing);
    }
    std::vector<std::size_t> reads;
    std::vector<std::size_t> puts;
  };
  Many f;
  const auto near = std::make_shared<CountingTier>();
  const auto far = std::make_shared<CountingTier>();
  f.source.attach(near);
  f.source.attach(far);
  const auto by_ids = f.by_ids().lease(1min);
  (void)by_ids.fetch_many(Ids{1, 2});
  CHECK(far->values.size() == 2);
  CHECK(near->reads == std::vector<std::size_t>{2});
  CHECK(near->puts == std::vector<std::size_t>{2});  // and what was loaded is stored at once
  CHECK(far->puts == std::vector<std::size_t>{2});
  Cache cold{{.name = "cold", .memory_bytes = 8U << 20U, .clock = &f.clock}};
  Source other(cold, f.source.options());
  other.marks().restart(Many::upto(10));
  other.marks().trust_until(MonotonicTime::max());
  near->values.erase(near->values.begin());
  near->reads.clear();
  far->reads.clear();
  other.attach(near);
  other.attach(far);
  const auto elsewhere_by_ids =
      Prepared<Product, detail::ByOrdinal<detail::AutoMapper<Product>>>(other, f.shelf, kByIds, {})
          .tag(kProductOf);
  const auto all = elsewhere_by_ids.fetch_many(Ids{1, 2, 3});
  CHECK(names_of(all) == Names{"tea", "cup", "pot"});
  CHECK(statuses_of(all) == Statuses{kHit, kHit, kMiss});
  CHECK(near->reads == std::vector<std::size_t>{3});
  CHECK(far->reads == std::vector<std::size_t>{2});
  CHECK(f.asked() == std::vector<Ids>{{1, 2}, {3}});
  CHECK(near->values.size() == 3);
}

TEST_CASE("fetch_many: what is invalidated between load and store is returned, and not kept",
          "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  f.shelf.before = [&](const Ids&) { f.invalidate(entity("product", 1)); };
  const auto all = by_ids.fetch_many(Ids{1, 2});
  CHECK(names_of(all) == Names{"tea", "cup"});
  CHECK(all[0].outcome().stored == Stored::invalidated);
  CHECK(all[1].outcome().stored == Stored::yes);
  f.shelf.before = nullptr;
  CHECK(statuses_of(by_ids.fetch_many(Ids{1, 2})) == Statuses{kMiss, kHit});
}

TEST_CASE("fetch_many: what another loads is waited for, once all others are there", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  std::promise<void> other_loads;
  std::promise<void> others_are_there;
  f.shelf.before = [&](const Ids& ids) {
    if (ids == Ids{2}) {
      other_loads.set_value();
      REQUIRE(others_are_there.get_future().wait_for(20s) == std::future_status::ready);
    } else {
      others_are_there.set_value();
    }
  };
  auto other = std::async(std::launch::async, [&] { return by_ids(2).one().name; });
  other_loads.get_future().wait();
  const auto all = by_ids.fetch_many(Ids{1, 2, 3});
  CHECK(names_of(all) == Names{"tea", "cup", "pot"});
  CHECK(statuses_of(all) == Statuses{kMiss, ReadStatus::joined, kMiss});
  CHECK(other.get() == "cup");
  CHECK(f.asked() == std::vector<Ids>{{2}, {1, 3}});
}

namespace overlap {

// Each of two calls has entered its first key before either enters its second.
std::latch* both = nullptr;
thread_local bool begun = false;  // on the thread that enters its keys, whosever that is

constexpr auto kTagger = [](std::int64_t id) {
  if (both != nullptr && std::exchange(begun, !begun)) both->arrive_and_wait();
  return entity("product", id);
};

}  // namespace overlap

TEST_CASE("fetch_many: two whose keys overlap in reverse order wait for no circle (hard case 93)",
          "[many]") {
  Many f;
  const auto by_ids = f.prepare_many<Product>().tag(overlap::kTagger).timeout(20s);
  std::latch both(2);
  overlap::both = &both;
  auto other =
      std::async(std::launch::async, [&] { return names_of(by_ids.fetch_many(Ids{2, 1})); });
  const auto all = by_ids.fetch_many(Ids{1, 2});
  CHECK(names_of(all) == Names{"tea", "cup"});
  CHECK(other.get() == Names{"cup", "tea"});
  overlap::both = nullptr;
  CHECK(statuses_of(all)[0] == kMiss);
  CHECK(statuses_of(all)[1] != kMiss);  // joined, or a hit on what the other was so quick to load
  CHECK(f.asked().size() == 2);
}

TEST_CASE("fetch_many: leads that others have left are taken up at once, and together", "[many]") {
  Many f;
  std::vector<FlightLeader> leaders;
  for (const std::int64_t id : {2, 3}) leaders.push_back(std::get<FlightLeader>(f.enter(id)));
  f.shelf.before = [&](const Ids& ids) {
    if (ids == Ids{1}) leaders.clear();
  };
  CHECK(names_of(f.by_ids().fetch_many(Ids{1, 2, 3})) == Names{"tea", "cup", "pot"});
  CHECK(f.asked() == std::vector<Ids>{{1}, {2, 3}});
  CHECK(f.source.flights().size() == 0);
}

TEST_CASE("fetch_many: who waits for another's load has a deadline", "[many]") {
  Many f;
  const auto leader = std::get<FlightLeader>(f.enter(2));
  const auto by_ids = f.by_ids().timeout(1ms);
  CHECK_THROWS_AS(by_ids.fetch_many(Ids{1, 2}), Timeout);
  CHECK(by_ids(1).outcome().is_hit());
}

TEST_CASE("fetch_many: what others have loaded meanwhile is judged by the marks of now", "[many]") {
  Many f;
  std::optional<FlightLeader> leader(std::get<FlightLeader>(f.enter(2)));
  f.shelf.before = [&](const Ids& ids) {
    if (ids != Ids{1}) return;
    f.invalidate(entity("product", 2));
    EntryInit init{.prefix = f.prefix(), .parameters = {}, .domain = f.source.domain()};
    const auto targets = ids_of(std::vector<Target>{entity("product", 2)});
    init.targets = targets;
    init.expires = MonotonicTime::max();
    leader->complete(make_array_entry(init, std::vector<Product>{{2, "old"}}, 0));
  };
  CHECK(names_of(f.by_ids().fetch_many(Ids{1, 2})) == Names{"tea", "cup"});
  CHECK(f.asked() == std::vector<Ids>{{1}, {2}});
}

TEST_CASE("fetch_many: rows go to their keys by ordinal, whatever they are called (hard case 95)",
          "[many]") {
  // A database that takes `bob` and `Bob` for the same.
  FakeLoader loader;
  loader.on_load = [](std::span<const ParameterView> parameters) -> LoadedRows {
    ResultSetBuilder builder;
    for (const char* column : {"ordinality", "name"}) builder.add_column(column);
    std::int64_t at = 0;
    for (const ParameterView name : elements_of_list(parameters[0])) {
      ++at;
      if (name.as_view() == "eve") continue;
      builder.add(ParameterView::int64(at));
      builder.add(ParameterView::text("Bob"));
    }
    return {.rows = std::move(builder).build()};
  };
  Many f;
  using Mapper = detail::ByOrdinal<detail::AutoMapper<std::string>>;
  const Prepared<std::string, Mapper> by_name(f.source, loader, "select ...", Mapper{});
  const auto all = by_name.fetch_many(std::vector<std::string>{"bob", "eve", "BOB"});
  CHECK(all[0].one() == "Bob");
  CHECK(all[1].empty());
  CHECK(all[2].one() == "Bob");
  CHECK(by_name.fetch_value("bob") == "Bob");
  CHECK(loader.loads == 1);
}

TEST_CASE("fetch_many: a key that the database refuses fails no stranger (hard case 96)",
          "[many]") {
  const bool outage = GENERATE(false, true);
  Many f;
  const auto by_ids = f.by_ids();
  std::optional<FlightWaiter> stranger;
  f.shelf.before = [&](const Ids&) {
    stranger.emplace(std::get<FlightWaiter>(f.enter(1)));
    if (outage) throw Error("the server is gone", {.connection_lost = true});
    throw Error("no such id: -1");
  };
  CHECK_THROWS_AS(by_ids.fetch_many(Ids{1, -1}), Error);
  std::optional<FlightResult> result = stranger->take(nullptr);
  REQUIRE(result);
  CHECK(std::holds_alternative<FlightLeader>(*result) == !outage);
  result.reset();
  stranger.reset();
  CHECK(f.source.flights().size() == 0);
  f.shelf.before = nullptr;
  CHECK(by_ids(1).one().name == "tea");
}

TEST_CASE("fetch_many: rows that can't be mapped fail their own key alone", "[many]") {
  Many f;
  struct Strict {
    std::int64_t id;
    std::optional<std::int64_t> name;  // NULL, for who has none
  };
  const auto by_ids = f.prepare_many<Strict>().tag(kProductOf);
  f.shelf.names.erase(1);
  CHECK_THROWS_AS(by_ids.fetch_many(Ids{1, 2}), TypeError);
  CHECK(by_ids(1).outcome().is_hit());
  CHECK_THROWS_AS(by_ids(2), TypeError);
}

TEST_CASE("fetch_many: rows that don't tell whose they are are refused", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  SECTION("ordinals from one") {
    f.shelf.ordinal = "ordinality";
    CHECK(names_of(by_ids.fetch_many(Ids{3, 9, 1})) == Names{"pot", "-", "tea"});
  }
  SECTION("a column that is no ordinal") {
    f.shelf.ordinal = "id";
    CHECK_THROWS_WITH(by_ids.fetch_many(Ids{1, 2}),
                      Catch::Contains("with ordinality") && Catch::Contains("select k.key"));
    CHECK_THROWS_AS(by_ids(1), ConfigError);
  }
  const auto splits = [](ParameterView ordinal) {
    ResultSetBuilder builder;
    builder.add_column("key");
    builder.add(ordinal);
    return detail::split_by_ordinal(std::move(builder).build(), 2, "select 1");
  };
  SECTION("ordinals of nobody") {
    CHECK(splits(ParameterView::int64(1))[1].size() == 1);
    CHECK(splits(ParameterView::int64(1))[0].empty());
    for (const ParameterView ordinal :
         {ParameterView::int64(2), ParameterView::int64(-1), ParameterView(),
          ParameterView::text("1"), ParameterView::int64(std::numeric_limits<std::int64_t>::min())})
      CHECK_THROWS_AS(splits(ordinal), ConfigError);
    CHECK_THROWS_AS(detail::split_by_ordinal(ResultSet(), 1, "select 1"), ConfigError);
  }
  CHECK(f.source.flights().size() == 0);
}

TEST_CASE("fetch_many: cells of every type come through", "[many]") {
  ResultSetBuilder builder;
  for (const char* column : {"key", "a", "b", "c", "d", "e", "f"}) builder.add_column(column, "T");
  builder.add(ParameterView::int64(0));
  builder.add(ParameterView());
  builder.add(ParameterView::boolean(true));
  builder.add(ParameterView::int64(-7));
  builder.add(ParameterView::float64(0.5));
  builder.add(ParameterView::text("é\0x"));
  builder.add(ParameterView::bytes(std::string_view("\0\xff", 2)));
  const ResultSet rows = std::move(builder).build();
  const ResultSet one = detail::split_by_ordinal(rows, 1, "")[0];
  REQUIRE(one.columns() == 6);
  CHECK(one.column_type(3) == "T");
  for (std::size_t column = 0; column < 6; ++column) {
    CHECK(one[0][column].type() == rows[0][column + 1].type());
    CHECK(one.column_name(column) == rows.column_name(column + 1));
  }
  CHECK(one[0]["b"].as<bool>());
  CHECK(one[0]["c"].as<int>() == -7);
  CHECK(one[0]["d"].as<double>() == 0.5);
  CHECK(one[0]["f"].view() == std::string_view("\0\xff", 2));
}

TEST_CASE("fetch_many: what is passed by or alone is asked for at once, too", "[many]") {
  Many f;
  auto by_ids = f.by_ids();
  by_ids.set_enabled(false);
  CHECK(statuses_of(by_ids.fetch_many(Ids{1, 2})) ==
        Statuses{ReadStatus::bypass, ReadStatus::bypass});
  by_ids.set_enabled(true);
  f.shelf.keep = Stored::in_transaction;
  CHECK(by_ids.fetch_many(Ids{1, 2})[0].outcome().stored == Stored::in_transaction);
  CHECK(f.asked() == std::vector<Ids>{{1, 2}, {1, 2}});
}

TEST_CASE("fetch_many: inside a load it joins nobody", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  const auto other = get_or_load<std::string>(
      f.source, "outer", {}, [&] { return names_of(by_ids.fetch_many(Ids{1, 2}))[1]; });
  CHECK(*other == "cup");
  CHECK(by_ids(1).outcome().is_hit());
}

TEST_CASE("fetch_many: what its statement reads in turn joins none of what it leads", "[many]") {
  Many f;
  const auto by_ids = f.by_ids();
  Names inner;
  f.shelf.before = [&](const Ids& ids) {
    if (ids == Ids{1, 2}) inner = names_of(by_ids.fetch_many(Ids{2, 3}));
  };
  CHECK(names_of(by_ids.fetch_many(Ids{1, 2})) == Names{"tea", "cup"});
  CHECK(inner == Names{"cup", "pot"});
  CHECK(f.asked() == std::vector<Ids>{{1, 2}, {2, 3}});
}

TEST_CASE("fetch_many: by the policy, key by key", "[many]") {
  Many f;
  SECTION("rules see the key") {
    const auto by_ids =
        f.by_ids().policy({.cache_if = [](std::string_view, std::span<const ParameterView> values) {
          return values[0].as_int64() != 2;
        }});
    (void)by_ids.fetch_many(Ids{1, 2});
    CHECK(statuses_of(by_ids.fetch_many(Ids{1, 2})) == Statuses{kHit, ReadStatus::bypass});
    CHECK(f.asked() == std::vector<Ids>{{1, 2}, {2}});
  }
  SECTION("old values in need") {
    const auto by_ids = f.by_ids().ttl(1min).policy({.stale_if_error = 1h});
    (void)by_ids.fetch_many(Ids{1, 2});
    f.clock.advance(2min);
    f.shelf.before = [](const Ids&) { throw std::runtime_error("gone"); };
    CHECK(statuses_of(by_ids.fetch_many(Ids{1, 2})) ==
          Statuses{ReadStatus::stale, ReadStatus::stale});
    CHECK_THROWS_AS(by_ids.fetch_many(Ids{1, 3}), std::runtime_error);
  }
}
