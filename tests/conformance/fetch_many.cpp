// Many keys at once, on every database.

#include <catch2/catch.hpp>
#include <stdexcept>
#include <vector>

#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;

namespace {

using Ids = std::vector<std::int64_t>;

struct Product {
  std::int64_t id;
  std::string name;
  std::optional<std::string> note;
};

// Products of a list of keys of the column, with which `type` of PostgreSQL.
template <class World>
std::string products_by(const std::string& column, const std::string& type) {
  return kIsSqlite<World>
             ? "select k.key, p.id, p.name, p.note from json_each(?) as k join product p on p." +
                   column + " = k.value"
             : "select k.ordinality, p.id, p.name, p.note from unnest($1::" + type +
                   "[]) with ordinality as k(value) join product p on p." + column + " = k.value";
}
template <class World>
auto by_ids(typename World::Database& db) {
  return db.template prepare_many<Product>(products_by<World>("id", "bigint"))
      .tag([](std::int64_t id) { return entity("product", id); })
      .timeout(20s);
}

template <class All>
std::vector<std::string> names_of(const All& all) {
  std::vector<std::string> names;
  for (const auto& rows : all) names.push_back(rows.empty() ? "-" : rows[0].name);
  return names;
}
template <class All>
std::vector<ReadStatus> statuses_of(const All& all) {
  std::vector<ReadStatus> statuses;
  for (const auto& rows : all) statuses.push_back(rows.outcome().status);
  return statuses;
}

using Names = std::vector<std::string>;
using Statuses = std::vector<ReadStatus>;

}  // namespace

TEMPLATE_TEST_CASE("fetch_many: one statement for many keys", "[many]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto products = by_ids<TestType>(process.db);
  const auto all = products.fetch_many(Ids{3, 9, 1, 3});
  CHECK(names_of(all) == Names{"pot", "-", "tea", "pot"});
  CHECK(all[0][0].note == "blue");
  CHECK_FALSE(all[2][0].note);
  CHECK(process.cache.stats().misses == 3);
  CHECK(products(9).outcome().is_hit());
  CHECK(statuses_of(products.fetch_many(Ids{1, 2})) == Statuses{ReadStatus::hit, ReadStatus::miss});
  static_cast<void>(process.db.write([&](auto& tx) {
    tx.execute("update product set name = 'mug' where id = 2");
    tx.invalidate(entity("product", 2));
  }));
  CHECK(names_of(products.fetch_many(Ids{1, 2})) == Names{"tea", "mug"});
  CHECK(statuses_of(products.fetch_many(Ids{1, 2})) == Statuses{ReadStatus::hit, ReadStatus::hit});
}

TEMPLATE_TEST_CASE("fetch_many: keys of every kind, and none", "[many]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto by_name =
      process.db.template prepare_many<Product>(products_by<TestType>("name", "text"))
          .tag(collection("product"));
  const Names hostile{"it's \"a\\b\"", "tea", "\x01\n\t", "{tea}", "tea,cup", "", "cup"};
  CHECK(names_of(by_name.fetch_many(hostile)) == Names{"-", "tea", "-", "-", "-", "-", "cup"});
  CHECK(names_of(by_name.fetch_many(
            std::vector<std::optional<std::string>>{std::nullopt, "pot"})) == Names{"-", "pot"});
  CHECK(by_name.fetch_many(Names{}).empty());
  const auto rows = process.db.prepare_many(products_by<TestType>("id", "bigint"));
  CHECK(rows.fetch_many(Ids{2})[0].set().columns() == 3);
  CHECK(rows(7).empty());
  CHECK(rows(7).set().columns() == 3);
}

TEMPLATE_TEST_CASE("fetch_many: names that the database takes for the same (hard case 95)",
                   "[many]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const std::string sql =
      kIsSqlite<TestType>
          ? "select k.key, p.name from json_each(?) as k join product p on p.name = k.value "
            "collate "
            "nocase"
          : "select k.ordinality, p.name from unnest($1::text[]) with ordinality as k(name) join "
            "product p on lower(p.name) = lower(k.name)";
  const auto by_name =
      process.db.template prepare_many<std::string>(sql).tag(collection("product"));
  const auto all = by_name.fetch_many(Names{"TEA", "none", "Tea", "cup"});
  CHECK(all[0].one() == "tea");
  CHECK(all[1].empty());
  CHECK(all[2].one() == "tea");
  CHECK(by_name.fetch_value("TEA") == "tea");
}

TEMPLATE_TEST_CASE("fetch_many: another process's write reaches what a shared tier has", "[many]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process writer(world.shop);
  typename TestType::Process reader(world.shop);
  writer.db.attach(world.tier());
  reader.db.attach(world.tier());
  (void)by_ids<TestType>(writer.db).fetch_many(Ids{1, 2, 3});
  const auto written = writer.db.write([&](auto& tx) {
    tx.execute("update product set name = 'mug' where id = 2");
    tx.invalidate(entity("product", 2));
  });
  CHECK(reader.db.wait(written.receipt, Wait::local(20s)).satisfied());
  const auto all = by_ids<TestType>(reader.db).at_least(written.receipt).fetch_many(Ids{1, 2, 3});
  CHECK(names_of(all) == Names{"tea", "mug", "pot"});
  CHECK(all[0].outcome().origin == Origin::shared_tier);
  CHECK(all[1].outcome().origin == Origin::database);
  CHECK(names_of(by_ids<TestType>(reader.db).strong().fetch_many(Ids{2})) == Names{"mug"});
}

TEMPLATE_TEST_CASE("fetch_many: one bad key is the call's error, and no stranger's (hard case 96)",
                   "[many]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const std::string sql =
      kIsSqlite<TestType>
          ? "select k.key, abs(k.value) from json_each(?) as k"
          : "select k.ordinality, (k.value / (k.value - 5))::bigint from unnest($1::bigint[]) with "
            "ordinality as k(value)";
  const std::int64_t bad = kIsSqlite<TestType> ? std::numeric_limits<std::int64_t>::min() : 5;
  const auto numbers =
      process.db.template prepare_many<std::int64_t>(sql).tag(collection("product"));
  CHECK_THROWS_AS(numbers.fetch_many(Ids{6, bad}), Error);
  CHECK(process.db.source().flights().size() == 0);
  CHECK(numbers.fetch_value(6) == 6);
  CHECK_THROWS_AS(numbers(bad), Error);
}

TEMPLATE_TEST_CASE(
    "fetch_many: a warm-up takes what the retained log proves, no more (hard case 102)", "[many]",
    QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process writer(world.shop);
  writer.db.attach(world.tier());
  (void)by_ids<TestType>(writer.db).fetch_many(Ids{1, 2, 3});
  static_cast<void>(writer.db.write([&](auto& tx) {
    tx.execute("update product set name = 'mug' where id = 2");
    tx.invalidate(entity("product", 2));
  }));
  const auto loads_of_newcomer = [&] {
    typename TestType::Process newcomer(world.shop);
    newcomer.db.attach(world.tier());
    const auto all = by_ids<TestType>(newcomer.db).fetch_many(Ids{1, 2, 3});
    CHECK(names_of(all) == Names{"tea", "mug", "pot"});
    return newcomer.cache.stats().misses;
  };
  CHECK(loads_of_newcomer() == 1);
  writer.db.write([&](auto& tx) { tx.invalidate(tag("any")); });
  world.prune();  // now nothing proves anything that is older
  CHECK(loads_of_newcomer() == 3);
}

TEMPLATE_TEST_CASE("fetch_many: in a read transaction it is one statement of that snapshot",
                   "[many]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto products = by_ids<TestType>(process.db);
  const PreparedQuery<Product, std::int64_t> named = products;
  (void)products.fetch_many(Ids{1, 2});  // memory has them
  process.db.read_transaction([&](ReadTransaction& tx) {
    const auto inside = products.in(tx);
    const auto first = inside.fetch_many(Ids{1, 9, 2, 1});
    CHECK(names_of(first) == Names{"tea", "-", "cup", "tea"});
    CHECK(first[0].outcome().stored == Stored::in_transaction);
    static_cast<void>(process.db.write([&](auto& other) {
      other.execute("update product set name = 'mug' where id = 2");
      other.invalidate(entity("product", 2));
    }));
    CHECK(names_of(products.fetch_many(Ids{1, 2})) == Names{"tea", "mug"});
    CHECK(names_of(inside.fetch_many(Ids{1, 2})) == Names{"tea", "cup"});
    CHECK(names_of(named.in(tx).fetch_many(Ids{2})) == Names{"cup"});
    CHECK(inside.fetch_one(2).name == "cup");
    CHECK(inside.fetch_many(Ids{}).empty());
  });
  const auto after = products.fetch_many(Ids{1, 2});
  CHECK(names_of(after) == Names{"tea", "mug"});
  CHECK(statuses_of(after) == Statuses{ReadStatus::hit, ReadStatus::hit});
  CHECK(process.db.source().flights().size() == 0);
}

TEMPLATE_TEST_CASE("fetch_many: in a write memory answers until the first change", "[many]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto products = by_ids<TestType>(process.db);
  (void)products.fetch_many(Ids{1, 2});
  // SQLite's transactions are serializable: memory answers nothing there.
  const ReadStatus untouched = kIsSqlite<TestType> ? ReadStatus::miss : ReadStatus::hit;
  process.db.write([&](Transaction& tx) {
    const auto inside = products.in(tx);
    const auto before = inside.fetch_many(Ids{1, 2, 3});
    CHECK(names_of(before) == Names{"tea", "cup", "pot"});
    CHECK(statuses_of(before) == Statuses{untouched, untouched, ReadStatus::miss});
    tx.execute("update product set name = 'mug' where id = 2");
    tx.invalidate(entity("product", 2));
    const auto own = inside.fetch_many(Ids{1, 2});
    CHECK(names_of(own) == Names{"tea", "mug"});
    CHECK(own[0].outcome().stored == Stored::in_transaction);
    CHECK(own[1].outcome().stored == Stored::in_transaction);
    CHECK(names_of(products.fetch_many(Ids{1, 2})) ==
          Names{"tea", "cup"});  // others see none of it
  });
  CHECK(names_of(products.fetch_many(Ids{1, 2, 3})) == Names{"tea", "mug", "pot"});
}

TEMPLATE_TEST_CASE("fetch_many: a transaction that has failed, and one of another database",
                   "[many]", QUERYMARK_WORLDS) {
  const TestType world;
  const TestType elsewhere;
  typename TestType::Process process(world.shop);
  typename TestType::Process other(elsewhere.shop);
  const auto products = by_ids<TestType>(process.db);
  const auto theirs = by_ids<TestType>(other.db);
  CHECK_THROWS_AS(process.db.write([&](Transaction& tx) {
    CHECK_THROWS_AS(theirs.in(tx).fetch_many(Ids{1}), ConfigError);
    tx.execute("update product set name = 'mug' where id = 2");
    CHECK(names_of(products.in(tx).fetch_many(Ids{2})) == Names{"mug"});
    try {
      tx.execute("insert into product (id, name, price) values (2, 'again', 1)");
    } catch (const Error&) {  // on PostgreSQL the transaction has failed with it
    }
    if (!kIsSqlite<TestType>) CHECK_THROWS_AS(products.in(tx).fetch_many(Ids{2}), Error);
    throw std::runtime_error("rolled back");
  }),
                  std::runtime_error);
  CHECK(names_of(products.fetch_many(Ids{2})) == Names{"cup"});
  CHECK(process.db.source().flights().size() == 0);
}

TEMPLATE_TEST_CASE("fetch_many: in a write that changes a definition", "[many]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto products = by_ids<TestType>(process.db);
  (void)products.fetch_many(Ids{1, 2});
  process.db.write([&](Transaction& tx) {
    tx.execute("alter table product add column colour text");
    tx.execute("update product set colour = 'red', name = 'mug' where id = 2");
    tx.invalidate(entity("product", 2));
    CHECK(names_of(products.in(tx).fetch_many(Ids{1, 2})) == Names{"tea", "mug"});
  });
  CHECK(names_of(products.fetch_many(Ids{1, 2, 3})) == Names{"tea", "mug", "pot"});
}
