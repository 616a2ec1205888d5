// A caller's own connection and transaction: staging intents, cached queries.

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;

namespace {

constexpr const char* kPrice = "select price from product where id = 1";

Rows<double> price(sqlite::Borrowed& borrowed) {
  return borrowed.query(kPrice).tag(entity("product", 1)).ttl(1h).fetch_as<double>();
}

IntentBatch one() { return IntentBatch().add(entity("product", 1)); }

}  // namespace

TEST_CASE("low road: staged intents travel with the caller's transaction", "[low road]") {
  const Shop shop;
  Process process(shop);
  Process other(shop);
  CHECK(only(other.price(1)) == 2.5);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  SQLite::Transaction tx(own, SQLite::TransactionBehavior::IMMEDIATE);
  own.exec("update product set price = 6 where id = 1");
  auto staged = process.db.stage(own, one().reason("by hand"));
  CHECK_THROWS_AS(staged.committed(), Error);  // still open
  tx.commit();
  const Receipt receipt = staged.committed();
  CHECK(receipt.intents == 1);
  CHECK(only(process.price(1)) == 6.0);
  CHECK(other.db.wait(receipt, Wait::local(10s)).satisfied());
  CHECK(only(other.price(1)) == 6.0);
  CHECK(process.db.stats().in_doubt == 0);
}

TEST_CASE("low road: rows that follow staged ones in their transaction are applied by committed()",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  static_cast<void>(process.price(2));
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  own.exec("begin immediate");
  auto staged = process.db.stage(own, one());
  own.exec(
      "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'entity', "
      "'product:2', 0)");
  own.exec("commit");
  static_cast<void>(staged.committed());
  CHECK_FALSE(process.price(2).outcome().is_hit());
}

TEST_CASE("low road: committed() after a rollback is an error, not a receipt", "[low road]") {
  const Shop shop;
  Process process(shop);
  static_cast<void>(process.price(1));
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  {
    own.exec("begin immediate");
    auto staged = process.db.stage(own, one());
    own.exec("rollback");
    CHECK_THROWS_AS(staged.committed(), Error);
    staged.rolled_back();
  }
  CHECK(process.db.stats().in_doubt == 0);
  CHECK(process.price(1).outcome().is_hit());
}

TEST_CASE("low road: staging needs an open transaction on this very file", "[low road]") {
  const Shop shop;
  const Shop other_shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  CHECK_THROWS_AS(process.db.stage(own, one()), ConfigError);
  SQLite::Database foreign(other_shop.path(), SQLite::OPEN_READWRITE, 5000);
  foreign.exec("begin immediate");
  CHECK_THROWS_AS(process.db.stage(foreign, one()), ConfigError);
}

TEST_CASE("low road: connections with attached files are refused (hard case 14)", "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE, 5000);
  own.exec("attach '" + shop.file("attached.db") + "' as other");
  own.exec("begin immediate");
  CHECK_THROWS_WITH(process.db.stage(own, one()), Contains("attached files"));
  own.exec("rollback");
  CHECK_THROWS_WITH(process.db.borrow(own), Contains("attached files"));
  own.exec("detach other");
  auto borrowed = process.db.borrow(own);
  own.exec("attach '" + shop.file("attached.db") + "' as other");
  CHECK_THROWS_WITH(price(borrowed), Contains("attached files"));
}

TEST_CASE("low road: outside a transaction a borrowed connection hits and fills", "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  CHECK(price(borrowed).outcome().stored == Stored::yes);
  CHECK(price(borrowed).outcome().is_hit());
  process.set_price(1, 7.5);
  CHECK(only(price(borrowed)) == 7.5);
}

TEST_CASE("low road: a fill in a transaction that has written is refused (hard case 29)",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  own.exec("begin immediate");
  own.exec("update product set price = 66 where id = 1");
  const auto inside = price(borrowed);
  CHECK(inside[0] == 66.0);
  CHECK(inside.outcome().stored == Stored::in_transaction);
  own.exec("rollback");
  CHECK(only(process.price(1)) == 2.5);
}

TEST_CASE("low road: a read transaction's old snapshot fills nothing that a newer write has hit",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  own.exec("begin");
  static_cast<void>(own.execAndGet("select count(*) from product"));  // pins the snapshot
  process.set_price(1, 7.0);
  const auto inside = price(borrowed);
  CHECK(inside[0] == 2.5);  // the transaction's own view
  CHECK(inside.outcome().stored == Stored::not_covered);
  const auto untouched = borrowed.query("select price from product where id = 2")
                             .tag(entity("product", 2))
                             .fetch_as<double>();
  CHECK(untouched.outcome().stored == Stored::yes);  // nobody wrote it since the snapshot
  own.exec("commit");
  CHECK(only(process.price(1)) == 7.0);
}

TEST_CASE("low road: a read transaction's fresh snapshot may fill", "[low road]") {
  const Shop shop;
  Process process(shop);
  process.set_price(3, 33.0);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  own.exec("begin");
  CHECK(price(borrowed).outcome().stored == Stored::yes);
  CHECK_FALSE(price(borrowed).outcome().is_hit());  // inside, the database answers
  own.exec("commit");
  CHECK(price(borrowed).outcome().is_hit());
  process.set_price(1, 5.0);
  CHECK(only(price(borrowed)) == 5.0);
}

TEST_CASE("low road: while a statement is unfinished nothing is kept (hard case 13)",
          "[low road]") {
  const Shop shop;
  Process process(shop);
  SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
  auto borrowed = process.db.borrow(own);
  {
    SQLite::Statement unfinished(own, "select * from product");
    unfinished.executeStep();
    process.set_price(1, 9.0);
    const auto pinned = price(borrowed);
    CHECK(pinned[0] == 2.5);  // the connection's pinned view
    CHECK(pinned.outcome().stored == Stored::not_covered);
  }
  CHECK(only(price(borrowed)) == 9.0);
}
