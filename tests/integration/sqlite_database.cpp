#include "querymark/sqlite/database.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <thread>

#include "support/rows.hpp"
#include "support/shop.hpp"

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

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& failure) {
    return failure.what();
  }
  return "nothing was thrown";
}

}  // namespace

TEST_CASE("sqlite: a query is a miss, then a hit with the same rows", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  const auto fetch = [&] {
    return process.db
        .query("select id, name, price from product where price < ? order by price", 10.0)
        .tag(collection("product"))
        .fetch();
  };
  const Result miss = fetch();
  CHECK(miss.outcome().status == ReadStatus::miss);
  CHECK(miss.outcome().stored == Stored::yes);
  const Result hit = fetch();
  CHECK(hit.outcome().source == ReadSource::memory);
  CHECK(hit.set() == miss.set());
  REQUIRE(hit.size() == 2);
  CHECK(hit[0]["name"].view() == "tea");
  CHECK(hit.set().column_type(2) == "REAL");
  CHECK_THAT(fmt::format("{}", hit.outcome()), Catch::StartsWith("hit from memory, "));
}

TEST_CASE("sqlite: typed rows map NULL, '' and text apart", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  auto by_id =
      process.db.prepare<Product>("select id, name, price, note from product where id = ?");
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

TEST_CASE("sqlite: every type of parameter and cell goes round", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  const std::string text("a\0b", 3);
  const Result row = process.db
                         .query("select ?, ?, ?, ?, ?, ?", nullptr, true, std::int64_t{-5}, 2.5,
                                text, Bytes{std::string("\0\xff", 2)})
                         .fetch();
  CHECK(row[0][0].is_null());
  CHECK(row[0][1].as<bool>());
  CHECK(row[0][2].as<int>() == -5);
  CHECK(row[0][3].as<double>() == 2.5);
  CHECK(row[0][4].as<std::string>() == text);
  CHECK(row[0][5].as<Bytes>().data == std::string("\0\xff", 2));
  const Result empty = process.db.query("select ?", Bytes{}).fetch();
  CHECK(empty[0][0].type() == ValueType::bytes);
  const ParameterView array = ParameterView::array(ValueType::int64, "{1}");
  CHECK_THROWS_WITH(process.db.query("select ?", array).fetch(), Contains("no arrays"));
}

TEST_CASE("sqlite: bad SQL and bad parameters get a clear error", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  sqlite::Database& db = process.db;
  const auto said = [&](const std::string& sql, auto... args) {
    return message_of([&] { static_cast<void>(db.query(sql, args...).fetch()); });
  };
  CHECK_THAT(said("selec 1"), Contains("bad SQL"));
  CHECK_THAT(said(""), Contains("holds no statement"));
  CHECK_THAT(said("select 1; delete from product"), Contains("more than one statement"));
  CHECK_THAT(said("select ?"), Contains("has 1 parameters, 0 were given"));
  CHECK_THAT(said("select 1", 5), Contains("has 0 parameters, 1 were given"));
  CHECK_THAT(said("delete from product"), Contains("must only read"));
  CHECK_THAT(said("insert into product values (9, 'x', 1, null) returning id"),
             Contains("must only read"));
  CHECK_THAT(said("attach '/tmp/other.db' as other"), Contains("ATTACH is refused"));
  CHECK(shop.number("select count(*) from product") == 3);
  CHECK(said("select 1; -- and a comment\n /* another */ ;") == "nothing was thrown");
  CHECK_THROWS_AS(db.query("select name from product where id = 1").fetch_as<std::int64_t>(),
                  TypeError);
  CHECK_THROWS_AS(db.query("select 1, 2").fetch_as<std::int64_t>(), TypeError);
}

TEST_CASE("sqlite: data and intents commit together, and roll back together", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  const auto written = process.db.write([](sqlite::Transaction& tx) {
    tx.execute("update product set price = 3 where id = 1");
    tx.invalidate(entity("product", 1))
        .invalidate(entity("product", 1))
        .invalidate(collection("product"));
    tx.invalidate(tag("product", "1"));  // the same target as the entity
    tx.reason("spring sale");
    return std::string("done");
  });
  CHECK(written.value == "done");
  CHECK(written.receipt.intents == 2);
  CHECK(shop.number("select count(*) from querymark_log where reason = 'spring sale'") == 2);
  CHECK(shop.number("select count(distinct write_id) from querymark_log") == 1);

  const std::string reason = message_of([&] {
    process.db.write([](sqlite::Transaction& tx) {
      tx.invalidate(entity("product", 2));
      tx.execute("insert into product values (1, 'twice', 1, null)");
    });
  });
  CHECK_THAT(reason, Contains("UNIQUE constraint failed"));
  CHECK(shop.number("select count(*) from querymark_log") == 2);
  process.set_price(2, 1.0);  // the connection is usable afterwards
  CHECK(shop.number("select count(*) from querymark_log") == 3);
}

TEST_CASE("sqlite: a deferred constraint that fails at commit leaves neither data nor intent",
          "[sqlite]") {
  const Shop shop;
  shop.execute(
      "create table part (product integer references product (id) deferrable initially deferred)");
  Process process(shop);
  CHECK_THROWS_AS(process.db.write([](sqlite::Transaction& tx) {
    tx.execute("insert into part values (77)");
    tx.invalidate(collection("part"));
  }),
                  Error);
  CHECK(shop.number("select count(*) from part") == 0);
  CHECK(shop.number("select count(*) from querymark_log") == 0);
  CHECK(process.db.stats().in_doubt == 0);
}

TEST_CASE("sqlite: a failing enqueue rolls the data back", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  shop.execute(
      "create trigger refuse before insert on querymark_log begin select raise(abort, 'log is "
      "closed'); end");
  CHECK_THAT(message_of([&] { process.set_price(1, 77.0); }), Contains("log is closed"));
  CHECK(shop.number("select price from product where id = 1") == 2);
}

TEST_CASE("sqlite: writes without intents are counted, and refused under require_intents",
          "[sqlite]") {
  const Shop shop;
  Process process(shop);
  const auto plain = [](sqlite::Transaction& tx) {
    tx.execute("update product set price = 8 where id = 2");
  };
  const Receipt receipt = process.db.write(plain).receipt;
  CHECK(process.db.stats().writes_without_intents == 1);
  CHECK(process.db.wait(receipt, Wait::local(0s)).satisfied());
  sqlite::Options strict = Process::quick();
  strict.require_intents = true;
  Process careful(shop, strict);
  CHECK_THROWS_AS(careful.db.write([](sqlite::Transaction& tx) {
    tx.execute("update product set price = 9 where id = 2");
  }),
                  ConfigError);
  CHECK(shop.number("select price from product where id = 2") == 8);
}

TEST_CASE("sqlite: write() inside write() is refused instead of waiting for itself", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  CHECK_THAT(message_of([&] {
               process.db.write([&](sqlite::Transaction&) { process.set_price(1, 1.0); });
             }),
             Contains("write() inside write()"));
}

TEST_CASE("sqlite: a database locked by another writer is a retryable error after busy_timeout",
          "[sqlite]") {
  const Shop shop;
  sqlite::Options options = Process::quick();
  options.busy_timeout = 20ms;
  Process process(shop, options);
  SQLite::Database other(shop.path(), SQLite::OPEN_READWRITE);
  other.exec("begin immediate");
  try {
    process.set_price(1, 1.0);
    FAIL("the write went through a held lock");
  } catch (const Error& failure) {
    CHECK(failure.retryable());
    CHECK(failure.native_code() == "SQLITE_BUSY");
  }
  CHECK(only(process.price(1)) == 2.5);  // reads go on
  other.exec("rollback");
  process.set_price(1, 1.0);
  CHECK(only(process.price(1)) == 1.0);
}

TEST_CASE("sqlite: a COMMIT that answers BUSY is still open, not in doubt (hard case 27)",
          "[sqlite]") {
  const Shop shop;
  shop.execute("pragma journal_mode = delete");
  sqlite::Options options = Process::quick();
  options.write_ahead_log = false;
  options.busy_timeout = 50ms;
  Process process(shop, options);
  REQUIRE(shop.number("select count(*) from product") == 3);
  SQLite::Database reader(shop.path(), SQLite::OPEN_READONLY);
  auto hold = std::make_unique<SQLite::Statement>(reader, "select * from product");
  hold->executeStep();  // a SHARED lock: COMMIT can't get its EXCLUSIVE one
  try {
    process.set_price(1, 1.0);
    FAIL("the commit went through a held SHARED lock");
  } catch (const CommitInDoubt&) {
    FAIL("a busy COMMIT was taken for one in doubt");
  } catch (const Error& failure) {
    CHECK(failure.retryable());
  }
  hold.reset();
  CHECK(shop.number("select count(*) from querymark_log") == 0);
  process.set_price(1, 1.5);
  CHECK(only(process.price(1)) == 1.5);
}

TEST_CASE("sqlite: opening says which command mends the schema", "[sqlite]") {
  TempDir dir;
  Cache cache;
  const std::string bare = dir.file("bare.db");
  SQLite::Database(bare, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec("create table t (x)");
  CHECK_THAT(message_of([&] { sqlite::Database(bare, cache); }),
             Contains("no querymark schema") && Contains("querymark migrate --db sqlite:" + bare));
  const Shop shop;
  shop.execute("insert into querymark_schema (version, name) values (99, 'future')");
  CHECK_THAT(message_of([&] { sqlite::Database(shop.path(), cache); }),
             Contains("newer") && Contains("99"));
  CHECK_THROWS_AS(sqlite::Database(shop.path(), cache), SchemaError);
  try {
    sqlite::Database(dir.file("missing.db"), cache);
    FAIL("a missing file was opened");
  } catch (const Error& failure) {
    CHECK(failure.connection_lost());
  }
  CHECK_THROWS_AS(sqlite::Database("mysql://root:secret@host/db", cache), ConfigError);
  CHECK_THAT(message_of([&] { sqlite::Database("mysql://root:secret@host/db", cache); }),
             !Contains("secret"));
  CHECK_THROWS_AS(sqlite::Database(":memory:", cache), ConfigError);
  sqlite::Options endless = Process::quick();
  endless.space = std::string(201, 'x');
  const Shop migrated;
  CHECK_THROWS_AS(sqlite::Database(migrated.path(), cache, endless), ConfigError);
  const std::string text = dir.file("text.db");
  std::ofstream(text) << "this is no database, but it is longer than a header, which counts";
  CHECK_THAT(message_of([&] { sqlite::Database(text, cache); }), Contains("no SQLite database"));
}

TEST_CASE("sqlite: receipts wait in another process, and foreign ones are refused", "[sqlite]") {
  const Shop shop;
  Process writer(shop);
  Process reader(shop);
  const Receipt receipt = *Receipt::parse(writer.set_price(1, 5.0).str());
  CHECK(reader.db.wait(receipt, Wait::local(10s)).satisfied());
  Receipt foreign = receipt;
  foreign.epoch = Epoch::random();
  CHECK(reader.db.wait(foreign, Wait::local(10s)).status == WaitStatus::refused);
  Receipt ahead = receipt;
  ahead.position.value += 1000;
  CHECK(reader.db.wait(ahead, Wait::local(10s)).status == WaitStatus::refused);
  Receipt elsewhere = receipt;
  elsewhere.space = "other";
  CHECK(reader.db.wait(elsewhere, Wait::local(10s)).status == WaitStatus::refused);
}

TEST_CASE("sqlite: namespaces do not see each other's invalidations or entries", "[sqlite]") {
  const Shop shop;
  sqlite::Options other = Process::quick();
  other.space = "other";
  Process mine(shop);
  Process theirs(shop, other);
  static_cast<void>(mine.price(1));
  const Receipt receipt = theirs.set_price(1, 6.0);  // its intents are its own namespace's
  mine.db.catch_up();
  CHECK(mine.price(1).outcome().is_hit());
  CHECK(theirs.db.wait(receipt, Wait::local(10s)).satisfied());
}

TEST_CASE("sqlite: a malformed log row flushes, and blocks nobody", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  static_cast<void>(process.price(1));
  shop.execute(
      "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'tag', '%zz', "
      "1)");
  const Receipt after = process.set_price(2, 6.5);
  CHECK(process.db.wait(after, Wait::local(10s)).satisfied());
  CHECK_FALSE(process.price(1).outcome().is_hit());
  CHECK(process.db.stats().malformed_rows == 1);
}

TEST_CASE("sqlite: oversize results are returned and not stored", "[sqlite]") {
  const Shop shop;
  Cache cache{{.memory_bytes = 2U << 20U}};
  sqlite::Options options = Process::quick();
  options.mark_cells = 4096;
  sqlite::Database db(shop.path(), cache, options);
  const auto big = [&] { return db.query("select zeroblob(3000000)").fetch(); };
  CHECK(big().outcome().stored == Stored::oversize);
  CHECK_FALSE(big().outcome().is_hit());
  CHECK(cache.stats().oversize == 2);
}

TEST_CASE("sqlite: concurrent callers share one load", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  std::atomic<int> loads{0};
  std::atomic<int> inside{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      ++inside;
      const auto value = process.db.get_or_load<int>("once", {}, [&] {
        ++loads;
        while (inside < 4) std::this_thread::yield();
        return 7;
      });
      if (*value != 7) ++loads;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(loads == 1);
}
