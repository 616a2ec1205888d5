// Data commits together with its intents or not at all, whatever the function given to write()
// does.

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <thread>

#include "support/errors.hpp"
#include "support/file_size_limit.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

using Body = std::function<void(sqlite::Transaction&)>;

// What the write throws, in words; empty when it commits. CommitInDoubt says so first.
std::string failure_of(Process& process, const Body& body) {
  try {
    process.db.write([&](sqlite::Transaction& tx) { body(tx); });
  } catch (const CommitInDoubt& failure) {
    return std::string("IN DOUBT: ") + failure.what();
  } catch (const std::exception& failure) {
    return failure.what();
  }
  return {};
}

void swallowed(sqlite::Transaction& tx, const std::string& sql) {
  CHECK_THROWS_AS(tx.execute(sql), Error);
}

}  // namespace

TEST_CASE("sqlite: a write whose transaction SQLite has ended fails as a whole (hard case 37)",
          "[sqlite]") {
  const Shop shop;
  shop.execute(
      "create trigger stop before update on product when new.price < 0 begin "
      "select raise(rollback, 'below zero'); end");
  Process process(shop);
  REQUIRE(only(process.price(2)) == 7.0);
  const std::string breaking =
      GENERATE(as<std::string>{}, "update product set price = -1 where id = 1",
               "insert or rollback into product values (1, 'again', 1, null)",
               "update or rollback product set id = 1 where id = 2");
  const Body first = GENERATE(Body([](sqlite::Transaction&) {}), Body([](sqlite::Transaction& tx) {
                                tx.execute("update product set price = 55 where id = 3");
                              }));
  CAPTURE(breaking);
  std::string said;
  SECTION("caught, then given up") {
    said = failure_of(process, [&](sqlite::Transaction& tx) {
      first(tx);
      swallowed(tx, breaking);
      swallowed(tx, "update product set price = 999 where id = 2");
      throw std::runtime_error("the caller gives up");
    });
    CHECK(said == "the caller gives up");
  }
  SECTION("caught, then committed") {
    said = failure_of(process, [&](sqlite::Transaction& tx) {
      first(tx);
      swallowed(tx, breaking);
      CHECK_THAT(message_of([&] { tx.execute("update product set price = 999 where id = 2"); }),
                 Contains(breaking));
      CHECK_THAT(message_of([&] { static_cast<void>(tx.query("select 1")); }), Contains(breaking));
      CHECK_THAT(message_of([&] { tx.invalidate(collection("product")); }), Contains(breaking));
    });
    CHECK_THAT(said, Contains("rolled back, by SQLite itself") && Contains(breaking) &&
                         !Contains("IN DOUBT"));
  }
  SECTION("caught, and that was all") {
    said = failure_of(process, [&](sqlite::Transaction& tx) {
      tx.invalidate(collection("product"));
      first(tx);
      swallowed(tx, breaking);
    });
    CHECK_THAT(said, Contains(breaking) && !Contains("IN DOUBT"));
  }
  CHECK(shop.number("select count(*) from product where price in (55, 999)") == 0);
  CHECK(shop.number("select count(*) from querymark_log") == 0);
  CHECK(process.price(2).outcome().is_hit());
  CHECK(process.db.stats().in_doubt == 0);
  process.set_price(1, 3.0);  // the next write is another one
  CHECK(only(process.price(1)) == 3.0);
}

TEST_CASE("sqlite: a disk that takes no more ends the write, not its intents alone", "[sqlite]") {
  const Shop shop;
  shop.execute("create table big (x)");
  Process process(shop);
  const std::string said = failure_of(process, [&](sqlite::Transaction& tx) {
    const FileSizeLimit limit(1U << 20U);
    tx.execute("update product set price = 55 where id = 3");
    // More than SQLite's cache holds, so it writes before the commit.
    swallowed(tx, "insert into big select zeroblob(3000000) from product");
    swallowed(tx, "delete from product");
    CHECK_THROWS_AS(tx.invalidate(collection("product")), Error);
  });
  CHECK_THAT(said, !Contains("IN DOUBT") && Contains("insert into big"));
  CHECK(shop.number("select count(*) from product where price <> 55") == 3);
  CHECK(shop.number("select count(*) from querymark_log") == 0);
  process.set_price(1, 3.0);
  CHECK(only(process.price(1)) == 3.0);
}

TEST_CASE("sqlite: what begins or ends a transaction is refused inside a write", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  const std::string sql = GENERATE(
      as<std::string>{}, "commit", "COMMIT TRANSACTION", ";commit", "/**/ end -- x", "\r\ncommit",
      "rollback", "begin", "begin immediate", "begin exclusive", "attach ':memory:' as other",
      "detach main", "pragma query_only = on", "pragma locking_mode = exclusive",
      "pragma foreign_keys = off", "pragma writable_schema = 1", "pragma journal_mode = delete");
  CAPTURE(sql);
  const std::string said = failure_of(process, [&](sqlite::Transaction& tx) {
    tx.execute("update product set price = 66 where id = 1");
    CHECK_THROWS_AS(tx.execute(sql), ConfigError);
    CHECK_THROWS_AS(tx.query(sql), ConfigError);
    throw std::runtime_error("business rule failed");
  });
  CHECK(said == "business rule failed");
  CHECK(shop.number("select count(*) from product where price = 66") == 0);
  process.db.write([&](sqlite::Transaction& tx) {  // refused, the transaction goes on
    CHECK_THROWS_AS(tx.execute(sql), ConfigError);
    tx.execute("update product set price = 66 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  CHECK(only(process.price(1)) == 66.0);
  CHECK(shop.number("select count(*) from querymark_log") == 1);
}

TEST_CASE("sqlite: begin inside a write is told what to do instead", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  CHECK_THAT(failure_of(process, [](sqlite::Transaction& tx) { tx.execute("begin"); }),
             Contains("write() begins and ends the transaction itself") && Contains("savepoints"));
}

TEST_CASE("sqlite: savepoints work inside a write", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  process.db.write([](sqlite::Transaction& tx) {
    tx.execute("savepoint a");
    tx.execute("update product set price = 8 where id = 1");
    tx.execute("rollback to a");
    tx.execute("release a");
    tx.execute("savepoint b");
    tx.execute("update product set price = 9 where id = 2");
    tx.invalidate(collection("product"));
  });
  CHECK(only(process.price(1)) == 2.5);
  CHECK(only(process.price(2)) == 9.0);
  CHECK(shop.number("select count(*) from querymark_log") == 1);
}

TEST_CASE("sqlite: what a write leaves in its session does not meet the next (hard case 36)",
          "[sqlite]") {
  const Shop shop;
  Process process(shop);
  const std::string leaving = GENERATE(
      as<std::string>{}, "create temp table product as select 1 as id, 'x' as name, 0.5 as price",
      "create temp view product as select 1 as id, 'x' as name, 0.5 as price",
      "pragma recursive_triggers = on", "pragma case_sensitive_like = on",
      "create virtual table temp.words using fts5(word)");
  CAPTURE(leaving);
  const bool fails = GENERATE(false, true);
  const std::string said = failure_of(process, [&](sqlite::Transaction& tx) {
    tx.execute(leaving);
    if (fails) throw std::runtime_error("no");
  });
  CHECK(said == (fails ? "no" : ""));
  process.db.write([](sqlite::Transaction& tx) {
    CHECK(tx.query("select name from temp.sqlite_master").empty());
    const ResultSet found = tx.query(
        "select price, 'a' like 'A', (select recursive_triggers from pragma_recursive_triggers) "
        "from product where id = 1");
    REQUIRE(found.size() == 1);
    const Row row = found.row(0);
    CHECK(row[0].as<double>() == 2.5);
    CHECK(row[1].as<bool>());
    CHECK_FALSE(row[2].as<bool>());
  });
}

TEST_CASE("sqlite: temporary tables can't stand in for the log", "[sqlite]") {
  const Shop shop;
  Process process(shop);
  process.db.write([](sqlite::Transaction& tx) {
    tx.execute(
        "create temp table querymark_log as select namespace, kind, target, reason, write_id from "
        "querymark_log");
    tx.execute("create temp table querymark_meta as select * from main.querymark_meta");
    tx.execute("update product set price = 6 where id = 1");
    tx.invalidate(entity("product", 1));
  });
  CHECK(shop.number("select count(*) from querymark_log") == 1);
}

TEST_CASE("sqlite: what is part of the transaction may be set inside a write", "[sqlite]") {
  const Shop shop;
  shop.execute("create table part (id integer primary key, of_id int references product (id))");
  Process process(shop);
  process.db.write([](sqlite::Transaction& tx) {
    tx.execute("pragma user_version = 7");
    tx.execute("pragma defer_foreign_keys = on");
    tx.execute("insert into part values (1, 50)");
    tx.execute("insert into product values (50, 'lid', 1, null)");
    tx.invalidate(collection("product"));
  });
  CHECK(shop.number("pragma user_version") == 7);
  const std::string said = failure_of(process, [](sqlite::Transaction& tx) {
    tx.execute("pragma user_version = 8");
    tx.execute("pragma defer_foreign_keys = on");
    tx.execute("insert into part values (2, 51)");
  });
  CHECK_THAT(said, Contains("SQLITE_CONSTRAINT_FOREIGNKEY"));
  CHECK(shop.number("pragma user_version") == 7);
}

TEST_CASE("sqlite: a file that is replaced during a write takes the write with it", "[sqlite]") {
  const Shop shop;
  const std::string copy = shop.file("copy.db");
  shop.execute("vacuum into '" + copy + "'");
  SQLite::Database(copy, SQLite::OPEN_READWRITE).exec("pragma journal_mode = wal");
  Process process(shop);
  const std::string said = failure_of(process, [&](sqlite::Transaction& tx) {
    tx.execute("update product set price = 66 where id = 1");
    tx.invalidate(entity("product", 1));
    for (const char* more : {"-wal", "-shm"}) std::filesystem::remove(shop.path() + more);
    std::filesystem::rename(copy, shop.path());
  });
  CHECK_THAT(said, Contains("was replaced during the write") && !Contains("IN DOUBT"));
  process.set_price(2, 8.0);
  CHECK(only(process.price(1)) == 2.5);
  CHECK(shop.number("select count(*) from querymark_log") == 1);
}

TEST_CASE("sqlite: a transaction used after its write, or by another thread, is an error",
          "[sqlite]") {
  const Shop shop;
  Process process(shop);
  sqlite::Transaction* kept = nullptr;
  process.db.write([&](sqlite::Transaction& tx) {
    kept = &tx;
    std::thread([&] {
      CHECK_THROWS_AS(tx.execute("update product set price = 77"), ConfigError);
      CHECK_THROWS_AS(tx.invalidate(flush_all()), ConfigError);
    }).join();
  });
  CHECK_THROWS_AS(kept->execute("update product set price = 77"), ConfigError);
  CHECK_THROWS_AS(kept->query("select 1"), ConfigError);
  CHECK_THROWS_AS(kept->invalidate(flush_all()), ConfigError);
  CHECK_THROWS_AS(kept->reason("late"), ConfigError);
  CHECK(shop.number("select count(*) from product where price = 77") == 0);
  std::thread([&] {
    process.db.write([&](sqlite::Transaction&) {
      // Another thread's write is open now, on the same connection.
    });
  }).join();
  CHECK(shop.number("select count(*) from querymark_log") == 0);
}

TEST_CASE("sqlite: a function may read through the cache, and not write through another database",
          "[sqlite]") {
  const Shop shop;
  Process process(shop);
  Process other(shop);
  process.db.write([&](sqlite::Transaction& tx) {
    tx.execute("update product set price = 6 where id = 1");
    tx.invalidate(entity("product", 1));
    CHECK(only(process.price(1)) == 2.5);  // what is committed
    CHECK_THAT(message_of([&] { other.set_price(1, 1.0); }), Contains("write() inside write()"));
    CHECK_THAT(message_of([&] { process.set_price(1, 1.0); }), Contains("write() inside write()"));
  });
  CHECK(only(process.price(1)) == 6.0);
  other.set_price(2, 1.0);  // nothing is remembered
  // Refused at once, also while another thread has the turn there and waits for this one's lock.
  std::thread waiting;
  process.db.write([&](sqlite::Transaction&) {
    std::atomic<bool> begun{false};
    waiting = std::thread([&] {
      begun.store(true);
      begun.notify_one();
      other.set_price(3, 1.0);
    });
    begun.wait(false);
    CHECK_THAT(message_of([&] { other.set_price(1, 1.0); }), Contains("write() inside write()"));
  });
  waiting.join();
  CHECK(only(process.price(3)) == 1.0);
  CHECK(other.db.stats().in_doubt == 0);
}

TEST_CASE("sqlite: connections have caches of their own where the program asked for shared ones",
          "[sqlite]") {
  const Shop shop;
  sqlite3_enable_shared_cache(1);
  Process process(shop);
  process.db.write([&](sqlite::Transaction& tx) {
    tx.execute("update product set price = 6 where id = 1");
    tx.invalidate(entity("product", 1));
    CHECK(only(process.price(1)) == 2.5);
  });
  CHECK(only(process.price(1)) == 6.0);
  sqlite3_enable_shared_cache(0);
}
