// What a write proves about its rows before COMMIT (see enqueue.hpp), against plain files.

#include "enqueue.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "log_state.hpp"
#include "sqlite_sql.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using sqlite::PreparedStatement;

namespace {

// A connection with an open write transaction, after two rows in the log.
struct Writer {
  Writer() {
    for (int id = 1; id <= 2; ++id) connection.exec(row_of("'x'", 70 + id));
    connection.exec("begin immediate");
  }
  static std::string row_of(const std::string& target, int write) {
    return "insert into querymark_log (namespace, kind, target, witness) values ('other', "
           "'tag', " +
           target + ", " + std::to_string(write) + ')';
  }

  // Where a process stands that has read everything.
  [[nodiscard]] Cursor cursor() {
    const ParameterView id[] = {as_parameter(2)};
    return sqlite::state_of(sqlite::run_query(look, id), "here").cursor();
  }
  PendingWrite enqueue(const Cursor& from, int intents = 2) {
    IntentBatch batch;
    for (int i = 0; i < intents; ++i) batch.add(entity("product", i));
    const ParameterView id[] = {as_parameter(sqlite::last_id(from))};
    const sqlite::LogState before = sqlite::state_of(sqlite::run_query(look, id), "here");
    return sqlite::enqueue("shop", batch, from, before, connection, append);
  }

  Shop shop;
  SQLite::Database connection{shop.path(), SQLite::OPEN_READWRITE, 5000};
  PreparedStatement look = sqlite::prepare_checked(connection, sqlite::sql::log_state);
  PreparedStatement append = sqlite::prepare_checked(connection, sqlite::sql::append);
};

}  // namespace

TEST_CASE("enqueue: own rows right behind the cursor are proved to be all that follows it",
          "[enqueue]") {
  Writer writer;
  const Cursor from = writer.cursor();
  REQUIRE(from.snapshot == Snapshot::upto({2}));
  REQUIRE(from.last_write == WriteId{72});
  const PendingWrite pending = writer.enqueue(from);
  CHECK(pending.follows == from);
  CHECK(pending.receipt.position == Position{4});
  CHECK(pending.receipt.intents == 2);
  REQUIRE(pending.updates.size() == 2);
  CHECK(pending.updates[0].position == Position{3});
  CHECK(pending.updates[1].position == Position{4});
}

TEST_CASE("enqueue: a cursor that has not seen every row before proves nothing", "[enqueue]") {
  Writer writer;
  Cursor behind = writer.cursor();
  behind.snapshot = Snapshot::upto({1});
  behind.last_write = WriteId{71};
  CHECK_FALSE(writer.enqueue(behind).follows.has_value());
}

TEST_CASE("enqueue: rows of the transaction itself, by hand or by a trigger, prove nothing",
          "[enqueue]") {
  Writer writer;
  const Cursor from = writer.cursor();
  SECTION("before the intents") { writer.connection.exec(Writer::row_of("'y'", 1)); }
  SECTION("for each intent") {
    writer.connection.exec(
        "create temp trigger more after insert on querymark_log when new.namespace = 'shop' begin "
        "insert into querymark_log (namespace, kind, target, write_id) values ('other', 'tag', "
        "'y', 1); end");
  }
  SECTION("after the last intent") {
    writer.connection.exec(
        "create temp trigger more after insert on querymark_log when new.target = 'product:1' "
        "begin "
        "insert into querymark_log (namespace, kind, target, write_id) values ('other', 'tag', "
        "'y', 1); end");
  }
  const PendingWrite pending = writer.enqueue(from);
  CHECK_FALSE(pending.follows.has_value());
  CHECK(pending.receipt.intents == 2);
}

TEST_CASE("enqueue: a rewound file is not followed (hard case 12)", "[enqueue]") {
  Writer writer;
  Cursor from = writer.cursor();
  SECTION("the id was handed out again") { from.last_write = WriteId{99}; }
  SECTION("the row is gone") {
    writer.connection.exec(
        "drop trigger querymark_log_newest; delete from querymark_log where id = 2");
  }
  SECTION("of another epoch") { from.epoch = Epoch::random(); }
  SECTION("the log ends before the cursor") { from.snapshot = Snapshot::upto({3}); }
  CHECK_FALSE(writer.enqueue(from).follows.has_value());
}

TEST_CASE("enqueue: a cursor whose row was pruned is followed all the same", "[enqueue]") {
  Writer writer;
  const Cursor from = writer.cursor();
  writer.connection.exec("delete from querymark_log; update querymark_meta set floor = 3");
  CHECK(writer.enqueue(from).follows == from);
}

TEST_CASE("enqueue: a row that the log swallows is an error", "[enqueue]") {
  Writer writer;
  writer.connection.exec(
      "create temp trigger less before insert on querymark_log when new.target = 'product:1' begin "
      "select raise(ignore); end");
  CHECK_THROWS_WITH(writer.enqueue(writer.cursor()), Catch::Contains("fewer rows"));
}

TEST_CASE("enqueue: a write without intents follows nothing", "[enqueue]") {
  Writer writer;
  const PendingWrite pending = writer.enqueue(writer.cursor(), 0);
  CHECK_FALSE(pending.follows.has_value());
  CHECK(pending.receipt.intents == 0);
}
