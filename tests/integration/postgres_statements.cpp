// What a text may hold, by PostgreSQL's own lexical rules: the server is asked where it can be.

#include <cctype>
#include <clocale>
#include <cstdlib>

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/transaction>

#include "statement_text.hpp"
#include "support/daemon.hpp"
#include "support/errors.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using namespace std::chrono_literals;
using Catch::Matchers::Contains;
using postgres::Backslash;
using postgres::SqlToken;

namespace {

std::string reading(const std::string& sql, Backslash backslash = Backslash::plain) {
  return message_of([&] { postgres::require_reading(sql, backslash); });
}

std::string writing(const std::string& sql, Backslash backslash = Backslash::plain) {
  return message_of([&] { postgres::require_inside_transaction(sql, backslash); });
}

const std::string kFine = "nothing was thrown";

// Kinds and meanings in one line: "w:select n:a;b t p # =".
std::string tokens(std::string_view sql, Backslash backslash = Backslash::plain) {
  postgres::SqlTokens tokens(sql, backslash);
  std::string line;
  while (const auto token = tokens.next()) {
    if (!line.empty()) line += ' ';
    switch (token->kind) {
      case SqlToken::Kind::word:
        line += "w:" + token->name;
        break;
      case SqlToken::Kind::name:
        line += "n:" + token->name;
        break;
      case SqlToken::Kind::text:
        line += 't';
        break;
      case SqlToken::Kind::parameter:
        line += 'p';
        break;
      case SqlToken::Kind::number:
        line += '#';
        break;
      case SqlToken::Kind::symbol:
        line += token->character;
        break;
    }
  }
  return line;
}

}  // namespace

TEST_CASE("postgres statements: comments, quotes and dollars end where the server ends them",
          "[postgres]") {
  CHECK(tokens("SELECT A1_$x") == "w:select w:a1_$x");
  CHECK(tokens("a--b\rc--d\ne--f") == "w:a w:c w:e");
  CHECK(tokens("a/* /* */ ' */b/**/c/*") == "w:a w:b w:c");
  CHECK(tokens("//* x */-/*y*/-+--z") == "/ - - +");
  CHECK(tokens("'a''b' 'c\\' d") == "t t w:d");
  CHECK(tokens("'a''b' 'c\\' d", Backslash::escapes) == "t t");
  CHECK(tokens("E'a\\'b' e'\\\\' x") == "t t w:x");
  CHECK(tokens("te'a\\' b") == "w:te t w:b");
  CHECK(tokens("B'01' x'\\' N'\\' b U&'\\' c") == "t t t w:b t w:c");
  CHECK(tokens("E'a'\n'b\\'c' d") == "t w:d");  // the second line has escapes too
  CHECK(tokens("E'a' -- it goes on\n 'b\\'c' d") == "t w:d");
  CHECK(tokens("E'a' 'b\\' d") == "t t w:d");
  CHECK(tokens("$$ ' $$ $t$ $$ $t$ $1 $a") == "t t p $ w:a");
  CHECK(tokens("x$$y$$ $1$2 $t1$ commit $t1$") == "w:x$$y$$ p p t");
  CHECK(tokens("$\xC3\xA4$ commit $\xC3\xA4$ b") == "t w:b");
  CHECK(tokens("\"A\"\"b\" U&\"d\\0061t\\+000061\" u&\"d!0061\\\" uescape '!'") ==
        "n:A\"b n:data n:da\\");
  CHECK(tokens("1.5e+3 .5 1e 7..8 $12") == "# # # w:e # # p");
  CHECK(tokens("\xC2\xA0"
               "commit") ==
        "w:\xC2\xA0"
        "commit");  // a no-break space is a letter
  CHECK(tokens("") == "");
  CHECK(tokens("'open") == "t");
  CHECK(tokens("$q$ open") == "t");
  CHECK(tokens("\"open") == "n:open");
}

TEST_CASE("postgres statements: what a query may be", "[postgres]") {
  for (const char* sql :
       {"select 1", "(select 1)", "((values (1)))", "table t", "with a as (select 1) table a",
        "/* a /* nested */ comment */ (select 1)", "-- a comment\rselect 1", ";; select 1 ;; -- x",
        "with recursive a(n) as (select 1 union all select n + 1 from a) select * from a",
        "select 'set_config(', \"nextval\", $$ lo_create(1) $$, nextval from t -- setval(1)",
        "select * from t where note = 'set_config(''a'', ''b'', false)'",
        "select 1 as into, t.into from t", "select substring(a from 1 for share) from t",
        "select coalesce(update, delete) from t", "select lo_get(5)", "select pg_sleep(0)",
        "select insert, update from t where delete in (merge, insert)"}) {
    CAPTURE(sql);
    CHECK(reading(sql) == kFine);
    CHECK(message_of([&] {
            CHECK(postgres::require_reading(sql, Backslash::plain) == postgres::Reading::rows);
          }) == kFine);
  }
  for (const char* sql : {"explain select 1", "EXPLAIN (ANALYZE, VERBOSE) select 1", "show all",
                          "explain analyze verbose select 1", "explain (select 1)",
                          "explain delete from t", "explain select nextval('a')", "selct 1"}) {
    CAPTURE(sql);
    CHECK(reading(sql) == kFine);
    CHECK(message_of([&] {
            CHECK(postgres::require_reading(sql, Backslash::plain) == postgres::Reading::about);
          }) == kFine);
  }
}

TEST_CASE("postgres statements: what is no query is refused with what to do instead",
          "[postgres]") {
  CHECK_THAT(reading(""), Contains("holds no statement"));
  CHECK_THAT(reading(" ;; /* */ -- x"), Contains("holds no statement"));
  CHECK_THAT(reading("select 1; select 2"), Contains("more than one statement"));
  CHECK_THAT(reading("select 1;/**/;--\r delete from t"), Contains("more than one statement"));
  for (const char* sql :
       {"delete from t", "--\rdelete from t", ";delete from t", "create table x ()",
        "with a as (delete from t returning *) select * from a",
        "with a(x) as not materialized (Update t set x = 1 returning x) select * from a",
        "with a as (select 1) insert into t select * from a",
        "with a as (select 1) delete from t using a",
        "with a as (select 1), b as (values (2)) update t set x = 1 from a"}) {
    CAPTURE(sql);
    CHECK_THAT(reading(sql), Contains("must only read; write through write()"));
  }
  for (const char* sql : {"set role x", "reset all", "discard all", "/**/LISTEN x", "load 'x'",
                          "select set_config('a', 'b', false)",
                          "select pg_catalog . \"set_config\" ('a', 'b', false)",
                          "select U&\"set!005fconfig\" uescape '!' ('a', 'b', false)"}) {
    CAPTURE(sql);
    CHECK_THAT(reading(sql), Contains("must not change its session") && Contains("options"));
  }
  for (const char* sql : {"execute x", "fetch all from c", "prepare x as select 1"})
    CHECK_THAT(reading(sql), Contains("belong to a session"));
  for (const char* sql : {"begin", "; COMMIT", "savepoint x", "rollback"})
    CHECK_THAT(reading(sql), Contains("a transaction of its own"));
  for (const char* sql : {"copy t to stdout", "/* x */ COPY (select 1) to stdout"})
    CHECK_THAT(reading(sql), Contains("COPY") && Contains("stream_from"));
  for (const char* sql : {"select 1 into x", "select * INTO temp x from t",
                          "with a as (select 1) select * into x from a"})
    CHECK_THAT(reading(sql), Contains("SELECT INTO makes a table"));
  for (const char* sql :
       {"select 1 from t for update", "select 1 from t FOR KEY SHARE of t nowait",
        "select 1 from t for no key update", "(select 1 from t for share skip locked)",
        "select * from (select 1 from t for update) x",
        "explain analyze select 1 from t for share"})
    CHECK_THAT(reading(sql), Contains("locks no rows") && Contains("tx.query()"));
  for (const char* sql :
       {"explain analyze delete from t", "explain (analyze) insert into t values (1)",
        "explain (verbose, analyze on) create table x as select 1"})
    CHECK_THAT(reading(sql), Contains("EXPLAIN ANALYZE runs"));
}

TEST_CASE("postgres statements: functions with effects are known however they are called",
          "[postgres]") {
  for (const char* sql : {"select lo_create(1)",
                          "select LO_CREATE (1)",
                          "select pg_catalog.lo_unlink(1)",
                          "select \"nextval\"('s')",
                          "select pg_catalog.\"currval\"/* x */('s')",
                          "select lastval()",
                          "select 1 where pg_try_advisory_xact_lock(1)",
                          "select * from pg_advisory_lock(1)",
                          "select pg_notify('a', 'b')",
                          "select * from dblink('x', 'y') as t(a int)",
                          "select ext.dblink_exec('x')",
                          "select pg_terminate_backend(1)",
                          "select txid_current()",
                          "select pg_current_xact_id()",
                          "select pg_export_snapshot()",
                          "select pg_switch_wal()",
                          "select pg_logical_emit_message(false, 'a', 'b')",
                          "select pg_read_file('x')",
                          "select pg_create_restore_point('x')",
                          "select setseed(0)",
                          "values (nextval('s'))",
                          "with a as (select setval('s', 1)) select * from a",
                          "select query_to_xml('select lo_create(1)', true, true, '')",
                          "select U&\"lo\\005fcreate\"(1)",
                          "explain analyze select nextval('s')",
                          "explain (analyze) (select nextval('s'))",
                          "explain analyze ((select nextval('s')))",
                          "select E'\\'', lo_create(1), ''",
                          "select 'a'--\n'b', lo_create(1)",
                          "select 1 from t order by nextval('s')"}) {
    CAPTURE(sql);
    CHECK_THAT(reading(sql), Contains("() has an effect") && Contains("write()") &&
                                 Contains("uncached transaction"));
  }
  CHECK_THAT(reading("select 'a\\', lo_create(1), ' --'"), Contains("lo_create() has an effect"));
  CHECK(reading("select 'a\\', lo_create(1), ' --'", Backslash::escapes) == kFine);
  CHECK_THAT(reading("select 'a\\' , ', lo_create(1), '", Backslash::escapes),
             Contains("lo_create() has an effect"));
}

TEST_CASE("postgres statements: a write keeps its transaction and its session", "[postgres]") {
  for (const char* sql : {"commit", ";commit", "--x\rcommit", "/* /* */ */ COMMIT", "end", "abort",
                          "rollback work", "rollback and chain", "begin", "start transaction",
                          "prepare transaction 'x'", "commit prepared 'x'", ";;;/**/\f\v Rollback"})
    CHECK_THAT(writing(sql), Contains("begins and ends the transaction itself"));
  for (const char* sql : {"set search_path = x", "set session role x", "SET role x", "reset all",
                          "discard all", "listen x", "unlisten *", "load 'x'", "deallocate all",
                          "prepare x as select 1", "prepare transaction as select 1",
                          ";set time zone 'UTC'", "declare c cursor with hold for select 1",
                          "declare c scroll cursor WITH HOLD for select 1"})
    CHECK_THAT(writing(sql), Contains("SET LOCAL"));
  for (const char* sql :
       {"set transaction isolation level serializable", "begin isolation level serializable",
        "SET LOCAL TRANSACTION isolation level serializable",
        "set local transaction_isolation = serializable", "set transaction_read_only = off",
        "set session transaction isolation level serializable"})
    CHECK_THAT(writing(sql), Contains("WriteOptions::isolation"));
  CHECK_THAT(writing("/**/copy t from stdin"), Contains("COPY") && Contains("stage()"));
  CHECK_THAT(writing("update t set x = 1; commit"), Contains("more than one statement"));
  CHECK_THAT(writing("select 1;;--\r;rollback"), Contains("more than one statement"));
  CHECK_THAT(writing("select 1 /* ' */;commit -- '"), Contains("more than one statement"));
  CHECK_THAT(writing("select E'\\';commit', 1;commit"), Contains("more than one statement"));
  CHECK_THAT(writing(";"), Contains("holds no statement"));
  for (const char* sql :
       {"savepoint a", "release a", "rollback to a", "ROLLBACK WORK TO SAVEPOINT a",
        "rollback transaction to a", "set local statement_timeout = '5s'",
        "set constraints all deferred", "declare c cursor for select 1",
        "declare c cursor without hold for select 1", "lock t", "notify x", "fetch c",
        "select ';commit;', $$;commit$$ ;", "do $$ begin perform 1; end $$",
        "create rule r as on insert to t do also (delete from u; delete from v)",
        "create function f(a int) returns int begin atomic select 1; select case when a > 0 then 1 "
        "else 2 end; end",
        "create or replace procedure p() begin atomic insert into t values (1); end;"}) {
    CAPTURE(sql);
    CHECK(writing(sql) == kFine);
  }
  CHECK_THAT(writing("create function f() returns int begin atomic select 1; end; commit"),
             Contains("more than one statement"));
}

TEST_CASE("postgres statements: a wrong number of parameters names both numbers and the text",
          "[postgres]") {
  const auto counted = [](const char* sql, std::size_t given) {
    return message_of([&] { postgres::require_parameters(sql, Backslash::plain, given); });
  };
  CHECK(counted("select $1, '$3', $2, $$ $4 $$ -- $5", 2) == kFine);
  CHECK(counted("select 1", 0) == kFine);
  CHECK_THAT(counted("select $1 + $2", 1),
             Contains("the SQL has 2 parameters, 1 was given: select $1 + $2"));
  CHECK_THAT(counted("select 1", 1), Contains("the SQL has 0 parameters, 1 was given"));
  CHECK_THAT(counted("select $99999999999999999999", 1), Contains("1 was given"));
}

TEST_CASE("postgres statements: no locale changes what a word is", "[postgres]") {
  const std::string before = std::setlocale(LC_ALL, nullptr);
  const TempDir dir;  // a locale in which the small I has no dot: I is not its capital
  give_away(dir);
  complete({"/usr/bin/localedef", "-i", "tr_TR", "-f", "UTF-8", dir.file("tr_TR.UTF-8")},
           dir.file("log"));
  ::setenv("LOCPATH", dir.path().c_str(), 1);
  REQUIRE(std::setlocale(LC_ALL, "tr_TR.UTF-8") != nullptr);
  REQUIRE(std::tolower('I') != 'i');
  CHECK(reading("WITH A AS (SELECT 1) SELECT * FROM A") == kFine);
  CHECK_THAT(writing("COMMIT"), Contains("begins and ends"));
  CHECK_THAT(reading("SELECT SET_CONFIG('a', 'b', false)"), Contains("must not change"));
  CHECK_THAT(reading("SELECT LASTVAL()"), Contains("lastval() has an effect"));
  CHECK_THAT(writing("LISTEN X"), Contains("SET LOCAL"));
  std::setlocale(LC_ALL, before.c_str());
  ::unsetenv("LOCPATH");
}

TEST_CASE("postgres: a query that is a typo gets the server's own answer", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const auto said = [&](const std::string& sql) {
    return message_of([&] { static_cast<void>(process.db.query(sql).fetch()); });
  };
  CHECK_THAT(said("selct name from product"),
             Contains("syntax error") && Contains("selct name from product"));
  CHECK_THAT(said("\"select\" 1"), Contains("syntax error"));
  CHECK_THAT(said("(selct 1)"), Contains("syntax error"));
  CHECK(said("select 1") == kFine);
}

TEST_CASE("postgres: EXPLAIN and SHOW run each time, and say why they are not kept", "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  for (const char* sql : {"explain select * from product", "show search_path",
                          "explain (analyze, timing off) select count(*) from product"})
    for (int i = 0; i < 2; ++i) {
      const Result result = process.db.query(sql).ttl(1h).fetch();
      CAPTURE(sql);
      CHECK_FALSE(result.empty());
      CHECK(result.outcome().status == ReadStatus::miss);
      CHECK(result.outcome().stored == Stored::uncacheable);
    }
  auto prepared = process.db.prepare<std::string>("show TimeZone");
  static_cast<void>(prepared());
  CHECK(prepared().outcome().stored == Stored::uncacheable);
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "own");
  CHECK(borrowed.query("show TimeZone").fetch().outcome().stored == Stored::uncacheable);
}

TEST_CASE("postgres: what has effects is refused before it has them, on every road", "[postgres]") {
  const PgShop shop;
  shop.execute("create sequence s; create table made (x int)");
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  pqxx::work work(own);
  auto borrowed = process.db.borrow(work, "own");
  for (const std::string sql :
       {"select lo_create(770077)", "select pg_advisory_lock(770077)::text", "select nextval('s')",
        "with a as (insert into made values (1) returning x) select x from a",
        "with a as (select 1 as x) insert into made select x from a returning x",
        "explain analyze insert into made values (1)", "select 1 as x into other_table",
        "copy (select 1) to stdout"}) {
    CAPTURE(sql);
    CHECK_THROWS_AS(process.db.query(sql).fetch(), ConfigError);
    CHECK_THROWS_AS(process.db.query(sql).uncached().fetch(), ConfigError);
    CHECK_THROWS_AS(process.db.prepare<std::string>(sql)(), ConfigError);
    CHECK_THROWS_AS(borrowed.query(sql).fetch(), ConfigError);
  }
  work.commit();
  CHECK(shop.number("select count(*) from made") == 0);
  CHECK(shop.number("select count(*) from pg_largeobject_metadata where oid = 770077") == 0);
  CHECK(shop.number("select count(*) from pg_locks where locktype = 'advisory'") == 0);
  CHECK(shop.number("select count(*) from pg_class where relname = 'other_table'") == 0);
  CHECK(shop.number("select nextval('s')") == 1);
}

TEST_CASE("postgres: COPY and the transaction's end are refused in a write, which then goes on",
          "[postgres]") {
  const PgShop shop;
  PgProcess process(shop);
  const auto written = process.db.write([&](postgres::Transaction& tx) {
    tx.execute("update product set price = 5 where id = 1");
    for (const char* sql :
         {"copy product from stdin", "/**/ COPY product to stdout", ";commit", "--\rcommit",
          "update product set price = 6; commit", "set transaction isolation level serializable"}) {
      CAPTURE(sql);
      CHECK_THROWS_AS(tx.execute(sql), ConfigError);
      CHECK_THROWS_AS(tx.query(sql), ConfigError);
    }
    tx.invalidate(entity("product", 1));
  });
  CHECK(process.db.resolve(written.receipt) == postgres::WriteFate::committed);
  CHECK(only(process.price(1)) == 5.0);
}

TEST_CASE("postgres: a session with backslash escapes reads its own texts", "[postgres]") {
  const PgShop shop;
  shop.execute("alter database \"" + shop.name() + "\" set standard_conforming_strings = off");
  PgProcess process(shop);
  // To this session all of it but the first word is one text.
  CHECK(only(process.db.query("select 'a\\', lo_create(1), '").fetch_as<std::string>()) ==
        "a', lo_create(1), ");
  CHECK_THAT(message_of([&] {
               static_cast<void>(process.db.query("select 'a\\' , ', lo_create(1), ''").fetch());
             }),
             Contains("lo_create() has an effect"));
  CHECK(shop.number("select count(*) from pg_largeobject_metadata") == 0);
}

TEST_CASE("postgres low road: what a function has written or set is not kept", "[low road]") {
  const PgShop shop;
  shop.execute(
      "create table made (x int);"
      "create function bump() returns int language sql volatile as 'insert into made values (1) "
      "returning x';"
      "create function settle() returns text language sql volatile as $$ select "
      "set_config('DateStyle', 'German', true) $$");
  PgProcess process(shop);
  pqxx::connection own(shop.url());
  for (const auto& [sql, why] : {std::pair("select bump()", Stored::in_transaction),
                                 std::pair("select settle()", Stored::uncacheable)}) {
    CAPTURE(sql);
    for (int i = 0; i < 2; ++i) {
      pqxx::work work(own);
      auto borrowed = process.db.borrow(work, "own");
      const Result result = borrowed.query(sql).fetch();
      CHECK(result.outcome().status != ReadStatus::hit);
      CHECK(result.outcome().stored == why);
    }
  }
}
