// SQL of callers on the library's own connections: what it may do, and what a changed schema does
// to statements that are prepared already.

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "querymark/file_tier/file_tier.hpp"
#include "support/errors.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

// One reading connection, so that what a query leaves behind would meet the next one.
sqlite::Options one_reader() {
  sqlite::Options options = Process::quick();
  options.readers = 1;
  return options;
}

template <class Action>
Error error_of(Action&& action) {
  try {
    action();
  } catch (const Error& failure) {
    return failure;
  }
  return Error("nothing was thrown");
}

Result read(Process& process, const std::string& sql) {
  return process.db.query(sql).tag(collection("product")).uncached().fetch();
}

// Changes the schema by a write of this process's, which its readers are not told of.
void change(Process& process, const std::string& sql) {
  process.db.write([&](sqlite::Transaction& tx) {
    tx.execute(sql);
    tx.invalidate(collection("product"));
  });
}

std::vector<std::string> columns(const Result& result) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < result.set().columns(); ++i)
    names.emplace_back(result.set().column_name(i));
  return names;
}

// A cell of the first row, for as long as the result lives.
Field cell(const Result& result, std::size_t column = 0) { return result[0][column]; }

using Names = std::vector<std::string>;

struct Thing {
  std::int64_t id;
  std::string name;
};

}  // namespace

TEST_CASE("sqlite: what would change a pooled connection is refused, however it is spelled",
          "[sqlite]") {
  const Shop shop;
  Process process(shop, one_reader());
  static_cast<void>(process.price(1));
  const std::string sql =
      GENERATE(as<std::string>{}, "begin", "BEGIN IMMEDIATE", ";begin", "/* x */ begin -- y\n",
               "\xEF\xBB\xBF"
               "begin",
               "commit", "end", "rollback", "savepoint a", "release a", "rollback to a",
               "pragma query_only = off", "pragma query_only(0)",
               "pragma main.read_uncommitted = 1", "pragma case_sensitive_like(1)",
               "pragma busy_timeout = 0", "pragma wal_checkpoint", "pragma optimize",
               "select * from pragma_optimize", "pragma shrink_memory", "attach ':memory:' as a",
               "detach main", "create temp table t (x)", "vacuum", "explain begin");
  CAPTURE(sql);
  CHECK_THROWS_AS(process.db.query(sql).fetch(), Error);
  CHECK_THROWS_AS(process.db.prepare(sql)(), Error);
  process.set_price(1, 4.0);
  CHECK(only(process.price(1)) == 4.0);
}

TEST_CASE("sqlite: EXPLAIN and PRAGMA are answered, current, and not kept", "[sqlite]") {
  const Shop shop;
  Process process(shop, one_reader());
  const auto twice = [&](const std::string& sql) {
    CAPTURE(sql);
    const auto fetch = [&] { return process.db.query(sql).tag(collection("product")).fetch(); };
    static_cast<void>(fetch());
    Result second = fetch();
    CHECK(second.outcome().status == ReadStatus::miss);
    CHECK(second.outcome().stored == Stored::uncacheable);
    return second;
  };
  CHECK(cell(twice("pragma journal_mode")).view() == "wal");
  CHECK(cell(twice("pragma foreign_keys")).as<bool>());
  CHECK(twice(" -- how?\n explain query plan delete from product where id = 1").size() == 1);
  CHECK(twice("explain update product set price = 1").size() > 1);
  CHECK(shop.number("select count(*) from product where price = 1") == 0);
  CHECK(cell(twice("select total_changes()")).as<int>() == 0);
  CHECK(cell(twice("select journal_mode from pragma_journal_mode")).view() == "wal");
  // A table of that kind of name is one like any other.
  shop.execute("create table pragma_notes (x)");
  CHECK(process.db.query("select * from pragma_notes").fetch().outcome().stored == Stored::yes);
}

TEST_CASE("sqlite: what tells of the schema tells of the file's, not of the connection's copy",
          "[sqlite]") {
  const Shop shop;
  shop.execute("create index some on product (name); create table part (id, of_id)");
  Process process(shop, one_reader());
  const std::string plan = "explain query plan select * from product where price = 1";
  const std::string part = "create table part (id, of_id int references product (id))";
  const auto plan_of = [&](auto&& query) {
    const auto rows = query(plan);
    return std::string(rows[0][3].view());
  };
  const auto seen = [&](const std::string& sql) {  // by a reader
    return read(process, sql);
  };
  static_cast<void>(seen("select * from product, part"));
  SECTION("by a pragma for keys") {
    CHECK(seen("pragma foreign_key_list(part)").empty());
    shop.execute("drop table part; " + part);
    CHECK(seen("pragma foreign_key_list(part)").size() == 1);
  }
  SECTION("by a pragma for an index") {
    CHECK(seen("pragma index_info(some)").size() == 1);
    shop.execute("drop index some; create index some on product (name, price)");
    CHECK(seen("pragma index_info(some)").size() == 2);
  }
  SECTION("by a pragma for columns") {
    CHECK(seen("pragma table_info(product)").size() == 4);
    shop.execute("alter table product add column weight real");
    CHECK(seen("pragma table_info(product)").size() == 5);
  }
  SECTION("by a pragma as a table") {
    CHECK(seen("select * from pragma_index_info('some')").size() == 1);
    shop.execute("drop index some; create index some on product (name, price)");
    CHECK(seen("select * from pragma_index_info('some')").size() == 2);
  }
  SECTION("by EXPLAIN") {
    CHECK_THAT(plan_of(seen), !Contains("by_price"));
    shop.execute("create index by_price on product (price)");
    CHECK_THAT(plan_of(seen), Contains("by_price"));
  }
  SECTION("inside a write, and after its own changes") {
    process.db.write([&](sqlite::Transaction& tx) {
      CHECK(tx.query("pragma foreign_key_list(part)").empty());
      tx.execute("create index other on product (note)");
      CHECK(tx.query("pragma index_info(other)").size() == 1);
    });
    shop.execute("drop table part; " + part + "; create index by_price on product (price)");
    process.db.write([&](sqlite::Transaction& tx) {
      CHECK(tx.query("pragma foreign_key_list(part)").size() == 1);
      CHECK_THAT(plan_of([&](const std::string& sql) { return tx.query(sql); }),
                 Contains("by_price"));
    });
  }
}

TEST_CASE("sqlite: full-text and other virtual tables ask for pragmas of their own, and are kept",
          "[sqlite]") {
  const Shop shop;
  shop.execute("create virtual table words using fts5(word)");
  shop.execute("create virtual table boxes using rtree(id, a, b)");
  Process process(shop, one_reader());
  process.db.write([](sqlite::Transaction& tx) {
    tx.execute("insert into words values ('tea'), ('cup')");
    tx.execute("insert into boxes values (1, 0, 1)");
    tx.execute("insert into words (words) values ('optimize')");
  });
  for (const char* sql :
       {"select word from words where words match 'tea'", "select id from boxes where a < 1"}) {
    const auto found = process.db.query(sql).fetch();
    CHECK(found.size() == 1);
    CHECK(found.outcome().stored == Stored::yes);
  }
}

TEST_CASE("sqlite: after ALTER TABLE a statement has its new columns (hard case 38)", "[sqlite]") {
  const Shop shop;
  Process process(shop, one_reader());
  const std::string all = "select * from product where id = 3";
  REQUIRE(columns(read(process, all)) == Names{"id", "name", "price", "note"});
  const bool own = GENERATE(true, false);
  const auto alter = [&](const std::string& sql) {
    own ? change(process, sql) : shop.execute(sql);
  };
  SECTION("one less") {
    alter("alter table product drop column price");
    const Result now = read(process, all);
    CHECK(columns(now) == Names{"id", "name", "note"});
    CHECK(now[0]["note"].view() == "blue");
  }
  SECTION("one more") {
    alter("alter table product add column weight real default 1.5");
    const Result now = read(process, all);
    CHECK(columns(now) == Names{"id", "name", "price", "note", "weight"});
    CHECK(now.set().column_type(4) == "REAL");
    CHECK(now[0]["weight"].as<double>() == 1.5);
  }
  SECTION("another name") {
    alter("alter table product rename column note to remark");
    CHECK(columns(read(process, all)) == Names{"id", "name", "price", "remark"});
  }
  SECTION("no row") {
    static_cast<void>(read(process, "select * from product where id = 9"));
    alter("alter table product drop column price");
    CHECK(columns(read(process, "select * from product where id = 9")) ==
          Names{"id", "name", "note"});
  }
  SECTION("another table of that name, with its columns the other way round") {
    shop.execute("create table thing (id integer, name text); insert into thing values (1, 'a')");
    const auto things = process.db.prepare<Thing>("select * from thing");
    REQUIRE(only(things()).name == "a");
    alter("drop table thing");
    alter("create table thing (name text, id integer)");
    alter("insert into thing values ('b', 2)");
    process.db.flush_local();
    CHECK_THROWS_AS(things(), TypeError);  // the columns no longer fit; never one for the other
  }
  SECTION("inside writes") {
    const auto inside = [&] {
      Names names;
      process.db.write([&](sqlite::Transaction& tx) {
        const ResultSet set = tx.query("select * from product limit 1");
        for (std::size_t i = 0; i < set.columns(); ++i) names.emplace_back(set.column_name(i));
      });
      return names;
    };
    REQUIRE(inside() == Names{"id", "name", "price", "note"});
    alter("alter table product drop column name");
    CHECK(inside() == Names{"id", "price", "note"});
  }
}

TEST_CASE("sqlite: SQL that only the changed schema makes valid is not refused", "[sqlite]") {
  const Shop shop;
  Process process(shop, one_reader());
  Process other(shop, one_reader());
  shop.execute("create table t1 (x int); create table t2 (x int, y int)");
  static_cast<void>(read(process, "select * from t1 join t2 using (x)"));
  change(other, "insert into t1 values (1)");
  change(process, "alter table t1 add column y int");
  SECTION("on a reader") {
    CHECK(read(process, "select t2.x from t1 join t2 using (y)").empty());
    CHECK(read(process, "select * from t1 union all select * from t2").size() == 1);
  }
  SECTION("on the writer of another process") {
    other.db.write(
        [](sqlite::Transaction& tx) { CHECK(tx.execute("insert into t1 values (1, 2)") == 1); });
  }
  SECTION("on a caller's connection") {
    SQLite::Database own(shop.path(), SQLite::OPEN_READWRITE, 5000);
    auto borrowed = process.db.borrow(own);
    static_cast<void>(borrowed.query("select * from t1").uncached().fetch());
    change(process, "alter table t1 add column z int");
    CHECK(borrowed.query("select 1 where (1, 2, 3) in (select * from t1)").fetch().empty());
  }
  CHECK_THAT(message_of([&] { static_cast<void>(read(process, "select absent from t1")); }),
             StartsWith("bad SQL: no such column: absent"));
}

TEST_CASE("sqlite: native_code() is SQLite's whole name of the error", "[sqlite]") {
  const Shop shop;
  shop.execute("create unique index one_name on product (name)");
  shop.execute("create table part (id integer primary key, of_id int references product (id))");
  Process process(shop);
  const auto code_of = [&](const std::string& sql) {
    return error_of([&] { process.db.write([&](sqlite::Transaction& tx) { tx.execute(sql); }); })
        .native_code();
  };
  CHECK(code_of("insert into product values (7, 'tea', 1, null)") == "SQLITE_CONSTRAINT_UNIQUE");
  CHECK(code_of("insert into product values (1, 'x', 1, null)") == "SQLITE_CONSTRAINT_PRIMARYKEY");
  CHECK(code_of("insert into product values (7, null, 1, null)") == "SQLITE_CONSTRAINT_NOTNULL");
  CHECK(code_of("insert into part values (1, 99)") == "SQLITE_CONSTRAINT_FOREIGNKEY");
  CHECK(code_of("selec 1") == "SQLITE_ERROR");
  CHECK(code_of("select * from nowhere") == "SQLITE_ERROR");
  CHECK(code_of("select abs(-9223372036854775808)") == "SQLITE_ERROR");
  CHECK(code_of("commit") == "SQLITE_AUTH");
  CHECK(error_of([&] { static_cast<void>(read(process, "selec 1")); }).native_code() ==
        "SQLITE_ERROR");
}

TEST_CASE("sqlite: an error that a statement makes is not a lost connection", "[sqlite]") {
  const Shop shop;
  shop.execute("create virtual table words using fts5(word)");
  shop.execute("insert into words values ('tea')");
  shop.execute("delete from words_data where id > 10");  // a damaged index, in a sound file
  Process process(shop);
  const Error failure = error_of(
      [&] { static_cast<void>(read(process, "select * from words where words match 'tea'")); });
  REQUIRE_THAT(failure.native_code(), StartsWith("SQLITE_CORRUPT"));
  CHECK_FALSE(failure.connection_lost());
  CHECK_THAT(failure.what(), !Contains("the file is damaged"));
  CHECK(only(process.price(1)) == 2.5);
}

TEST_CASE("sqlite: what is no database is told as that", "[sqlite]") {
  TempDir dir;
  const std::string text = dir.file("text.db");
  std::ofstream(text) << "this is no database, but it is longer than a header, which counts";
  Cache cache;
  const std::string said[] = {message_of([&] { sqlite::Database(text, cache); }),
                              message_of([&] { static_cast<void>(sqlite::migrate(text)); }),
                              message_of([&] { FileTier{text}; })};
  for (const std::string& one : said)
    CHECK_THAT(one, Contains("file is not a database") && !Contains("pragma"));
}

TEST_CASE("sqlite: foreign keys are enforced unless the options say otherwise", "[sqlite]") {
  const Shop shop;
  shop.execute(
      "create table part (id integer primary key, of_id int references product (id) on delete "
      "cascade); insert into part values (1, 1)");
  sqlite::Options options = Process::quick();
  options.foreign_keys = GENERATE(true, false);
  Process process(shop, options);
  // As a table is rebuilt: the old one goes, with what refers to it.
  process.db.write([](sqlite::Transaction& tx) { tx.execute("delete from product"); });
  CHECK(shop.number("select count(*) from part") == (options.foreign_keys ? 0 : 1));
}
