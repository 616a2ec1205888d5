// Nothing declared, never stale, still precise: automatic tags on every database, with writers that know nothing
// of the library.

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/rounds.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

TrackReport track(const SqliteWorld& world, const TrackOptions& options) {
  return sqlite::track(world.address(), options);
}
#ifdef QUERYMARK_TEST_POSTGRES
TrackReport track(const PostgresWorld& world, const TrackOptions& options) {
  return postgres::track(world.address(), options);
}
#endif

template <class World>
typename World::Options automatic() {
  typename World::Options options = World::Process::quick();
  options.tags = Tags::automatic;
  return options;
}

// A database whose products are tracked, and a process that declares nothing.
template <class World>
struct Tracked {
  Tracked() { static_cast<void>(track(world, {.tables = {"product"}})); }
  typename World::Process open() const {
    return typename World::Process(world.shop, automatic<World>());
  }
  World world;
};

template <class Process>
auto price_of(Process& process, const char* sql) {
  return process.db.template prepare<double>(sql).ttl(1h);
}

}  // namespace

TEMPLATE_TEST_CASE("automatic: a write by anybody reaches the rows that it changes, and no others",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process process(it.world.shop, automatic<TestType>());
  const auto price = price_of(process, TestType::kPriceOf);
  const auto all = process.db.template prepare<double>("select sum(price) from product").ttl(1h);
  for (int round = 1; round <= 5; ++round) {
    for (const std::int64_t id : {1, 2}) static_cast<void>(price(id));
    static_cast<void>(all());
    REQUIRE(price(std::int64_t{1}).outcome().is_hit());
    REQUIRE(price(std::int64_t{2}).outcome().is_hit());
    REQUIRE(all().outcome().is_hit());
    it.world.shop.execute("update product set price = " + std::to_string(round) + " where id = 1");
    process.db.catch_up();
    CHECK(price.fetch_one(std::int64_t{1}) == round);
    CHECK(price(std::int64_t{2}).outcome().is_hit());
    CHECK_FALSE(all().outcome().is_hit());
  }
}

TEMPLATE_TEST_CASE("automatic: a process sees its own writes, and others those that they wait for",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process one(it.world.shop, automatic<TestType>());
  typename TestType::Process two(it.world.shop, automatic<TestType>());
  const auto ours = price_of(one, TestType::kPriceOf);
  const auto theirs = price_of(two, TestType::kPriceOf);
  for (int round = 1; round <= rounds(50); ++round) {
    static_cast<void>(ours(std::int64_t{1}));
    static_cast<void>(theirs(std::int64_t{1}));
    const Receipt receipt =
        one.db
            .write([&](Transaction& tx) {
              tx.execute(TestType::kSetPrice, static_cast<double>(round), std::int64_t{1});
            })
            .receipt;
    REQUIRE(ours.fetch_one(std::int64_t{1}) == round);
    REQUIRE(two.db.wait(receipt, Wait::local(10s)).satisfied());
    REQUIRE(theirs.fetch_one(std::int64_t{1}) == round);
    REQUIRE(theirs.at_least(receipt).fetch_one(std::int64_t{1}) == round);
  }
}

TEMPLATE_TEST_CASE("automatic: a process asks which routes would help the queries that it runs",
                   "[automatic]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop, automatic<TestType>());
  CHECK(process.db.advise().queries.empty());
  const auto by_id = price_of(process, TestType::kPriceOf);
  const auto named = price_of(process, "select price from product where name = 'tea'");
  const auto look = [&] {
    process.db.catch_up();
    static_cast<void>(by_id(std::int64_t{1}));
    static_cast<void>(named());
    return process.db.advise();
  };
  const Advice first = look();
  CHECK(first.queries.size() == 2);
  CHECK(first.good == 0);
  REQUIRE(first.tables.size() == 1);
  REQUIRE(first.tables[0].routes.size() == 2);
  TrackOptions options{.tables = {first.tables[0].table}};
  for (const RouteAdvice& route : first.tables[0].routes) options.routes.push_back(route.columns);
  static_cast<void>(track(world, options));
  const Advice second = look();
  CHECK(second.good == 2);
  CHECK(second.tables.empty());
  CHECK(second.left.empty());
  // What is promised belongs to the query.
  const Advice promised =
      process.db.advise({{.sql = TestType::kPriceOf, .promises = {.reads = {"product"}}}});
  CHECK(promised.good == 0);
  CHECK(promised.left.size() == 1);
}

TEMPLATE_TEST_CASE("automatic: what is not tracked is not cached, until it is", "[automatic]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop, automatic<TestType>());
  const auto price = price_of(process, TestType::kPriceOf);
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = price(std::int64_t{1}).outcome();
    CHECK(outcome.status == ReadStatus::bypass);
    CHECK(outcome.stored == Stored::unproven);
  }
  CHECK(process.cache.stats().unproven == 2);
  static_cast<void>(track(world, {.tables = {"product"}}));
  process.db.catch_up();
  static_cast<void>(price(std::int64_t{1}));
  CHECK(price(std::int64_t{1}).outcome().is_hit());
}

TEMPLATE_TEST_CASE("automatic: a definition that changes ends what was kept by the old one",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  it.world.shop.execute("create view cheap as select id, name from product where price < 10");
  typename TestType::Process process(it.world.shop, automatic<TestType>());
  const auto cheap =
      process.db.template prepare<std::int64_t>("select count(*) from cheap").ttl(1h);
  CHECK(cheap.fetch_one() == 2);
  CHECK(cheap().outcome().is_hit());
  it.world.shop.execute(
      "drop view cheap; create view cheap as select id, name from product where price < 5");
  process.db.catch_up();
  CHECK(cheap.fetch_one() == 1);
  CHECK(cheap().outcome().is_hit());
  it.world.shop.execute("update product set price = 1 where id = 2");
  process.db.catch_up();
  CHECK(cheap.fetch_one() == 2);
}

TEMPLATE_TEST_CASE("automatic: a shared tier's values are judged by what triggers report",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process one(it.world.shop, automatic<TestType>());
  one.db.attach(it.world.tier());
  typename TestType::Process two(it.world.shop, automatic<TestType>());
  two.db.attach(it.world.tier());
  const auto ours = price_of(one, TestType::kPriceOf);
  const auto theirs = price_of(two, TestType::kPriceOf);
  static_cast<void>(ours(std::int64_t{1}));
  static_cast<void>(ours(std::int64_t{2}));
  CHECK(theirs(std::int64_t{1}).outcome().origin == Origin::shared_tier);
  it.world.shop.execute("update product set price = 77 where id in (1, 2)");
  two.db.catch_up();
  CHECK(theirs.fetch_one(std::int64_t{1}) == 77);
  CHECK(theirs.fetch_one(std::int64_t{2}) == 77);
}

namespace {

// SQLite has no settings: there it is the database itself.
template <class World>
decltype(auto) session_of(typename World::Database& db) {
  if constexpr (World::kSettings)
    return db.with({{"app.tenant", "7"}});
  else
    return (db);
}

}  // namespace

TEMPLATE_TEST_CASE("automatic: a session's queries are analysed, and foreign writes reach them",
                   "[automatic]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process process(it.world.shop, automatic<TestType>());
  auto&& session = session_of<TestType>(process.db);
  CHECK(session.analyse(TestType::kPriceOf).verdict == Verdict::cache);
  const auto price = session.template prepare<double>(TestType::kPriceOf).ttl(1h);
  const auto ad_hoc = [&] {
    return session.query(TestType::kPriceOf, std::int64_t{1}).ttl(1h).template fetch_as<double>();
  };
  for (int round = 1; round <= 5; ++round) {
    for (const std::int64_t id : {1, 2}) static_cast<void>(price(id));
    static_cast<void>(ad_hoc());
    REQUIRE(price(std::int64_t{1}).outcome().is_hit());
    REQUIRE(price(std::int64_t{2}).outcome().is_hit());
    REQUIRE(ad_hoc().outcome().is_hit());
    it.world.shop.execute("update product set price = " + std::to_string(round) + " where id = 1");
    process.db.catch_up();
    CHECK(price.fetch_one(std::int64_t{1}) == round);
    CHECK(only(ad_hoc()) == round);
    CHECK(price(std::int64_t{2}).outcome().is_hit());
  }
  it.world.shop.execute("create view dear as select id from product where price > 20");
  const auto dear = session.template prepare<std::int64_t>("select count(*) from dear").ttl(1h);
  const std::int64_t before = dear.fetch_one();
  it.world.shop.execute(
      "drop view dear; create view dear as select id from product union all select 0");
  process.db.catch_up();
  CHECK(dear.fetch_one() != before);
}

namespace {

template <class World>
std::string by_keys() {
  if constexpr (World::kSettings)
    return "select k.ordinality, p.price from unnest($1::bigint[]) with ordinality as k(id) "
           "join product p on p.id = k.id";
  else
    return "select k.key, p.price from json_each(?) as k join product p on p.id = k.value";
}

}  // namespace

TEMPLATE_TEST_CASE("automatic: of many keys those die whose rows are written, and no others",
                   "[automatic][many]", QUERYMARK_WORLDS) {
  const Tracked<TestType> it;
  typename TestType::Process process(it.world.shop, automatic<TestType>());
  const auto prices = process.db.template prepare_many<double>(by_keys<TestType>()).ttl(1h);
  const std::vector<std::int64_t> ids{1, 2, 3, 9};
  const auto hits = [&] {
    std::string text;
    for (const auto& rows : prices.fetch_many(ids)) text += rows.outcome().is_hit() ? '+' : '-';
    return text;
  };
  CHECK(hits() == "----");
  CHECK(hits() == "++++");
  it.world.shop.execute("update product set price = 7 where id = 2");
  process.db.catch_up();
  CHECK(hits() == "+-++");
  CHECK(prices.fetch_one(std::int64_t{2}) == 7);
  CHECK(prices(std::int64_t{2}).outcome().is_hit());
  it.world.shop.execute("insert into product (id, name, price) values (9, 'new', 9)");
  process.db.catch_up();
  CHECK(hits() == "+++-");
  it.world.shop.execute("update product set id = 10 where id = 1");
  process.db.catch_up();
  CHECK(hits() == "-+++");
  CHECK(prices(std::int64_t{1}).empty());
  it.world.shop.execute("delete from product");
  process.db.catch_up();
  for (const auto& rows : prices.fetch_many(ids)) CHECK(rows.empty());
  CHECK(prices.explain(std::int64_t{1}).targets.size() == 4);  // its row, all, definitions, the key
}

namespace {

// Holds nothing, and does what the test wants at the moment at which it is asked: after the text was analysed, and
// before the database is asked for rows.
class HookTier final : public SharedTier {
 public:
  [[nodiscard]] std::string_view label() const noexcept override { return "hook"; }
  [[nodiscard]] std::optional<TierFailure> read(std::string_view /*namespace_name*/,
                                                std::span<TierRead> /*wanted*/) noexcept override {
    if (on_read) std::exchange(on_read, nullptr)();
    return std::nullopt;
  }
  StoreStatus put(std::string_view /*namespace_name*/, const Digest& /*name*/,
                  const SharedValue& /*value*/) noexcept override {
    return StoreStatus::stored;
  }
  std::size_t remove(std::string_view /*namespace_name*/,
                     std::span<const Digest> /*names*/) override {
    return 0;
  }
  std::function<void()> on_read;
};

std::function<void()>& between_load_and_store() {
  static std::function<void()> hook;
  return hook;
}

// A view that is of another table from one moment on, which only another analysis tells.
template <class World>
struct Redefined : Tracked<World> {
  Redefined() {
    this->world.shop.execute(
        "create table item (id int primary key, price double precision);"
        "insert into item values (1, 50);"
        "create view shown as select id, price from product");
    static_cast<void>(track(this->world, {.tables = {"item"}}));
    process.db.attach(tier);
  }
  void redefine() const {
    this->world.shop.execute("drop view shown; create view shown as select id, price from item");
  }
  // Whether reads are right, and stay so when the new table is written.
  void check() {
    process.db.catch_up();
    CHECK(price.fetch_one(std::int64_t{1}) == 50);
    CHECK(price(std::int64_t{1}).outcome().is_hit());
    this->world.shop.execute("update item set price = 51");
    process.db.catch_up();
    CHECK(price.fetch_one(std::int64_t{1}) == 51);
  }
  std::shared_ptr<HookTier> tier = std::make_shared<HookTier>();
  typename World::Process process{this->world.shop, automatic<World>()};
  std::string sql =
      std::string("select price from shown where id = ") + (World::kSettings ? "$1" : "?");
  decltype(price_of(process, "")) price = price_of(process, sql.c_str());
};

}  // namespace

TEMPLATE_TEST_CASE("automatic: a definition that changes between the analysis and the load",
                   "[automatic]", QUERYMARK_WORLDS) {
  Redefined<TestType> it;
  const bool known = GENERATE(false, true);  // by then, to this process
  it.tier->on_read = [&] {
    it.redefine();
    if (known) it.process.db.catch_up();
  };
  const auto rows = it.price(std::int64_t{1});
  CHECK(only(rows) == 50);
  if (known) CHECK(rows.outcome().stored == Stored::invalidated);
  CHECK_FALSE(it.tier->on_read);
  it.check();
}

TEMPLATE_TEST_CASE("automatic: a definition that changes between the load and its store",
                   "[automatic]", QUERYMARK_WORLDS) {
  Redefined<TestType> it;
  const bool known = GENERATE(false, true);
  const auto price = it.price.tag_rows([](Row) {
    if (between_load_and_store()) std::exchange(between_load_and_store(), nullptr)();
    return std::vector<Target>();
  });
  between_load_and_store() = [&] {
    it.redefine();
    if (known) it.process.db.catch_up();
  };
  const auto rows = price(std::int64_t{1});
  CHECK(only(rows) == 2.5);  // from before
  if (known) CHECK(rows.outcome().stored == Stored::invalidated);
  CHECK_FALSE(between_load_and_store());
  it.process.db.catch_up();
  CHECK(price.fetch_one(std::int64_t{1}) == 50);
  it.check();
}
