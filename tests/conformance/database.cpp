// What a database with a cache in front promises, on every database.

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/worlds.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

struct Product {
  std::int64_t id;
  std::string name;
  double price;
  std::optional<std::string> note;
};

}  // namespace

TEMPLATE_TEST_CASE("database: a query is a miss, then a hit with the same rows", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto fetch = [&] {
    return process.db.query("select id, name, price from product where price < 10 order by price")
        .tag(collection("product"))
        .fetch();
  };
  const Result miss = fetch();
  CHECK(miss.outcome().status == ReadStatus::miss);
  CHECK(miss.outcome().stored == Stored::yes);
  const Result hit = fetch();
  CHECK(hit.outcome().origin == Origin::memory);
  CHECK(hit.set() == miss.set());
  REQUIRE(hit.size() == 2);
  CHECK(hit[0]["name"].view() == "tea");
  CHECK(hit.set().column_type(2) == TestType::kPriceType);
  CHECK_THAT(fmt::format("{}", hit.outcome()), Catch::StartsWith("hit from memory, "));
}

TEMPLATE_TEST_CASE("database: a NUL in SQL is refused in queries and writes", "[database]",
                   QUERYMARK_WORLDS) {
  using namespace std::string_literals;
  const TestType world;
  typename TestType::Process process(world.shop);
  const std::string cut = "select id from product\0 where id = 1"s;
  const auto prepared = process.db.prepare(cut);
  CHECK_THROWS_AS(process.db.query(cut).fetch(), ConfigError);
  CHECK_THROWS_AS(process.db.query("select 1\0"s).fetch(), ConfigError);
  CHECK_THROWS_AS(prepared(), ConfigError);
  process.db.write([&](auto& tx) {
    CHECK_THROWS_AS(tx.execute("delete from product\0 where id = 1"s), ConfigError);
    CHECK_THROWS_AS(tx.query(cut), ConfigError);
  });
  CHECK(world.shop.number("select count(*) from product") == 3);
}

TEMPLATE_TEST_CASE("database: typed rows map NULL, '' and text apart", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  auto by_id = process.db.template prepare<Product>(TestType::kProductOf);
  const Rows<Product> tea = by_id(1);
  CHECK(tea->name == "tea");
  CHECK_FALSE(tea->note.has_value());
  const Rows<Product> cup = by_id(2);
  CHECK(cup->note == "");
  const Rows<Product> nobody = by_id(99);
  CHECK(nobody.empty());
  CHECK_THROWS_AS(nobody->name, TypeError);
  const Rows<Product> again = by_id(1);
  CHECK(again.outcome().is_hit());
  CHECK(&again.front() == &tea.front());  // the same object: nothing was decoded
}

TEMPLATE_TEST_CASE("database: data and intents commit together, and roll back together",
                   "[database]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const std::string log = TestType::kLog;
  const Target odd = collection("it's \"{odd}\", \\ and $1 %");
  const std::string sale = "spring 'sale'; drop table product; --";
  const auto written = process.db.write([&](auto& tx) {
    CHECK(tx.execute("update product set price = 3 where id < 3") == 2);
    tx.invalidate(entity("product", 1)).invalidate(entity("product", 1)).invalidate(odd);
    tx.invalidate(tag("product", "1"));  // the same target as the entity
    tx.reason(sale);
    return std::string("done");
  });
  CHECK(written.value == "done");
  CHECK(written.receipt.intents == 2);
  CHECK(world.log_rows() == 2);
  CHECK(world.shop.number("select count(distinct write_id) from " + log) == 1);
  CHECK(world.shop.text("select min(reason) from " + log) == sale);
  CHECK(world.shop.text("select target from " + log + " where kind = 'collection'") == odd.text());

  const auto twice = [](auto& tx) {
    tx.invalidate(entity("product", 2));
    tx.execute("insert into product values (1, 'twice', 1, null)");
  };
  CHECK_THAT(message_of([&] { process.db.write(twice); }), Contains(TestType::kDuplicate));
  CHECK(world.log_rows() == 2);
  process.set_price(2, 1.0);  // the connection is usable afterwards
  CHECK(world.log_rows() == 3);
}

TEMPLATE_TEST_CASE(
    "database: a deferred constraint that fails at commit leaves neither data nor intent",
    "[database]", QUERYMARK_WORLDS) {
  const TestType world;
  world.shop.execute(
      "create table part (product bigint references product (id) deferrable initially deferred)");
  typename TestType::Process process(world.shop);
  const auto orphan = [](auto& tx) {
    tx.execute("insert into part values (77)");
    tx.invalidate(collection("part"));
  };
  CHECK_THROWS_AS(process.db.write(orphan), Error);
  CHECK(world.shop.number("select count(*) from part") == 0);
  CHECK(world.log_rows() == 0);
  CHECK(process.db.stats().in_doubt == 0);
}

TEMPLATE_TEST_CASE("database: intents that the log refuses roll the data back", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  world.close_log();
  CHECK_THAT(message_of([&] { process.set_price(1, 77.0); }), Contains("log is closed"));
  CHECK(world.shop.number("select count(*) from product where price = 77") == 0);
  CHECK(process.db.stats().in_doubt == 0);
}

TEMPLATE_TEST_CASE(
    "database: writes without intents are counted, and refused under require_intents", "[database]",
    QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  const auto priced = [](int price) {
    return [price](auto& tx) {
      tx.execute("update product set price = " + std::to_string(price) + " where id = 2");
    };
  };
  const Receipt receipt = process.db.write(priced(8)).receipt;
  CHECK(process.db.stats().writes_without_intents == 1);
  CHECK(process.db.wait(receipt, Wait::local(0s)).satisfied());
  auto strict = TestType::Process::quick();
  strict.require_intents = true;
  typename TestType::Process careful(world.shop, strict);
  CHECK_THROWS_AS(careful.db.write(priced(9)), ConfigError);
  CHECK(world.shop.number("select count(*) from product where id = 2 and price = 8") == 1);
}

TEMPLATE_TEST_CASE("database: receipts wait in another process, and foreign ones are refused",
                   "[database]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process writer(world.shop);
  typename TestType::Process reader(world.shop);
  const Receipt receipt = *Receipt::parse(writer.set_price(1, 5.0).str());
  CHECK(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  Receipt foreign = receipt;
  foreign.epoch = Epoch::random();
  CHECK(reader.db.wait(foreign, Wait::local(10s)).status == WaitStatus::refused);
  Receipt ahead = receipt;
  ahead.position.value += 1000;
  CHECK(reader.db.wait(ahead, Wait::local(10s)).status == WaitStatus::refused);
  Receipt elsewhere = receipt;
  elsewhere.namespace_name = "other";
  CHECK(reader.db.wait(elsewhere, Wait::local(10s)).status == WaitStatus::refused);
}

TEMPLATE_TEST_CASE("database: every database tells what became of a write", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  querymark::Database& db = process.db;
  const Receipt receipt = process.set_price(1, 7.0);
  CHECK(db.resolve(receipt) == WriteFate::committed);
  Receipt foreign = receipt;
  foreign.namespace_name = "elsewhere";
  CHECK(db.resolve(foreign) == WriteFate::unknown);
  foreign = receipt;
  foreign.epoch = Epoch::random();
  CHECK(db.resolve(foreign) == WriteFate::unknown);
  static_cast<void>(process.set_price(1, 8.0));  // SQLite keeps the newest row
  world.prune();
  CHECK(db.resolve(receipt) == WriteFate::unknown);
}

TEMPLATE_TEST_CASE("database: code that knows only the base reads, writes and waits", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  querymark::Database& db = process.db;
  const auto cheap = [&db] {
    return db.query("select count(*) from product where price < 3")
        .tag(collection("product"))
        .template fetch_as<std::int64_t>();
  };
  CHECK(only(cheap()) == 1);
  CHECK(cheap().outcome().is_hit());
  const auto written = db.write([](Transaction& tx) {
    tx.invalidate(collection("product"));
    CHECK(tx.intents().size() == 1);
    return tx.execute("update product set price = 1");
  });
  CHECK(written.value == 3);
  CHECK(db.wait(written.receipt, Wait::local(5s)).satisfied());
  CHECK(only(cheap()) == 3);
  CHECK(db.stats().writes == 1);
  db.flush_local();
  CHECK_FALSE(cheap().outcome().is_hit());
}

TEST_CASE("database: where sessions have no settings, with() says what to do instead",
          "[database]") {
  const SqliteWorld world;
  Process process(world.shop);
  querymark::Database& db = process.db;
  CHECK_THAT(message_of([&] { static_cast<void>(db.with({{"app.tenant", "1"}})); }),
             Contains("as a parameter") && Contains(".scope()"));
  DatabaseSession plain = db.with({});
  CHECK(plain.query("select id from product").fetch().size() == 3);
  CHECK(db.query("select id from product").fetch().outcome().is_hit());
}

TEMPLATE_TEST_CASE("database: namespaces do not see each other's invalidations or entries",
                   "[database]", QUERYMARK_WORLDS) {
  const TestType world;
  auto other = TestType::Process::quick();
  other.namespace_name = "other";
  typename TestType::Process mine(world.shop);
  typename TestType::Process theirs(world.shop, other);
  static_cast<void>(mine.price(1));
  const Receipt receipt = theirs.set_price(1, 6.0);  // its intents are its own namespace's
  mine.db.catch_up();
  CHECK(mine.price(1).outcome().is_hit());
  CHECK(theirs.db.wait(receipt, Wait::local(10s)).satisfied());
}

TEMPLATE_TEST_CASE("database: a malformed log row flushes, and blocks nobody", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  static_cast<void>(process.price(1));
  world.shop.execute(std::string("insert into ") + TestType::kLog +
                     " (namespace, kind, target, write_id) values ('shop', 'tag', '%zz', 1)");
  const Receipt after = process.set_price(2, 6.5);
  CHECK(process.db.wait(after, Wait::local(10s)).satisfied());
  process.db.catch_up();
  CHECK_FALSE(process.price(1).outcome().is_hit());
  CHECK(process.db.stats().malformed_rows == 1);
}

TEMPLATE_TEST_CASE("database: oversize results are returned and not stored", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  Cache cache{{.memory_bytes = 2U << 20U}};
  auto options = TestType::Process::quick();
  options.mark_cells = 4096;
  typename TestType::Database db(world.address(), cache, options);
  const auto big = [&] { return db.query(TestType::kThreeMegabytes).fetch(); };
  CHECK(big().outcome().stored == Stored::oversize);
  CHECK_FALSE(big().outcome().is_hit());
  CHECK(cache.stats().oversize == 2);
}

TEMPLATE_TEST_CASE("database: concurrent callers share one load", "[database]", QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process process(world.shop);
  std::atomic<int> loads{0};
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      ++inside;
      const auto value = process.db.template get_or_load<int>("once", {}, [&] {
        ++loads;
        while (inside < 4) std::this_thread::yield();
        return 7;
      });
      if (*value != 7) ++loads;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(loads == 1);
}

TEMPLATE_TEST_CASE("database: opening refuses a schema that is newer, and names both versions",
                   "[database]", QUERYMARK_WORLDS) {
  const TestType world;
  world.add_future_schema();
  Cache cache;
  const auto open = [&] { typename TestType::Database db(world.address(), cache); };
  CHECK_THROWS_AS(open(), SchemaError);
  CHECK_THAT(message_of(open), Contains("newer") && Contains("99"));
}

TEMPLATE_TEST_CASE("explain: by the position of its death the log tells why", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process writer(world.shop);
  typename TestType::Process reader(world.shop);
  const auto price =
      reader.db.template prepare<double>(TestType::kPriceOf).tag([](std::int64_t id) {
        return entity("product", id);
      });
  static_cast<void>(price(std::int64_t{1}));
  const auto written = writer.db.write([&](auto& tx) {
    tx.execute(TestType::kSetPrice, 9.0, std::int64_t{1});
    tx.reason("price import").invalidate(entity("product", 1)).invalidate(entity("product", 2));
  });
  reader.db.catch_up();
  const Explanation dead = price.explain(std::int64_t{1});
  REQUIRE(dead.death);
  REQUIRE(dead.death->position);
  using Reasons = std::vector<std::string>;
  CHECK(reader.db.reasons_at(*dead.death->position) == Reasons{"price import"});
  CHECK(reader.db.reasons_at(Position{dead.death->position->value + 1'000'000}).empty());
  const auto silent = writer.db.write([&](auto& tx) { tx.invalidate(entity("product", 1)); });
  CHECK(reader.db.reasons_at(silent.receipt.position).empty());
  static_cast<void>(written);
  world.prune();
  CHECK(reader.db.reasons_at(*dead.death->position).empty());
}

TEMPLATE_TEST_CASE("explain: a flush has its place in the log, and its reasons there", "[database]",
                   QUERYMARK_WORLDS) {
  const TestType world;
  typename TestType::Process writer(world.shop);
  typename TestType::Process reader(world.shop);
  const auto read = [](auto& process) {
    const auto price =
        process.db.template prepare<double>(TestType::kPriceOf).tag([](std::int64_t id) {
          return entity("product", id);
        });
    static_cast<void>(price(std::int64_t{1}));
    return price;
  };
  const auto price = read(reader);
  const auto own = read(writer);
  const auto written = writer.db.write([&](auto& tx) {
    tx.reason("new price list").invalidate(flush_all()).invalidate(entity("product", 2));
  });
  reader.db.catch_up();
  using Reasons = std::vector<std::string>;
  for (const Explanation& dead : {price.explain(std::int64_t{1}), own.explain(std::int64_t{1})}) {
    REQUIRE(dead.death);
    CHECK(dead.death->by == "everything");
    REQUIRE(dead.death->position);
    CHECK(*dead.death->position <= written.receipt.position);
    CHECK(reader.db.reasons_at(*dead.death->position) == Reasons{"new price list"});
    CHECK_THAT(describe(dead), Contains("invalidated by everything at position"));
  }
  static_cast<void>(price(std::int64_t{1}));
  reader.db.flush_local();  // which the log knows nothing of
  const Explanation local = price.explain(std::int64_t{1});
  REQUIRE(local.death);
  CHECK(local.death->by == "everything");
  CHECK_FALSE(local.death->position);
}
