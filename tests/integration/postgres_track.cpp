// What tracked tables report of writes, whoever makes them: the hard cases of triggers.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <algorithm>
#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <pqxx/result>
#include <pqxx/transaction>
#include <sstream>
#include <string>
#include <vector>

#include "querymark/postgres/migrate.hpp"
#include "querymark/postgres/track.hpp"
#include "querymark/support/ascii.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

using Texts = std::vector<std::string>;

// A database whose writes are looked at one by one.
struct Tracked {
  PgShop shop;

  explicit Tracked(const std::string& schema = "") {
    if (!schema.empty()) shop.execute(schema);
  }
  TrackReport track(postgres::TrackOptions options) const {
    return postgres::track(shop.url(), options);
  }
  // What a write reports, in the order of its texts, and in each the values in theirs: they come in no order.
  [[nodiscard]] Texts reported(const std::string& sql) const {
    shop.execute("delete from querymark.log");
    shop.execute(sql);
    return logged();
  }
  [[nodiscard]] Texts logged() const {
    pqxx::connection connection(shop.url());
    pqxx::nontransaction plain(connection);
    Texts texts;
    for (const auto& row : plain.exec(
             "select kind || ' ' || target from querymark.log where namespace = '*' order by id"))
      texts.push_back(sorted(row[0].c_str()));
    std::ranges::sort(texts);
    return texts;
  }
  static std::string sorted(const std::string& text) {
    const auto values = text.rfind(':') + 1;
    if (!text.starts_with("rows ") || std::ranges::count(text, ':') < 3) return text;
    Texts each;
    std::istringstream all(text.substr(values));
    for (std::string value; std::getline(all, value, ',');) each.push_back(value);
    std::ranges::sort(each);
    return text.substr(0, values) + fmt::format("{}", fmt::join(each, ","));
  }
};

constexpr const char* kItems =
    "create table item (id int primary key, tenant text, note text, product bigint references "
    "product)";

}  // namespace

TEST_CASE("postgres track: each write is reported once, by its rows", "[track]") {
  const Tracked db(kItems);
  const TrackReport report = db.track({.tables = {"item"}, .routes = {{"id"}, {"tenant", "id"}}});
  REQUIRE(report.tables.size() == 1);
  CHECK(report.tables[0].table == "public.item");
  CHECK(report.tables[0].relation == "public:item");
  CHECK(report.tables[0].routes == Texts{"id", "tenant+id"});

  CHECK(db.reported("insert into item values (1, 'a', 'x'), (2, 'b', 'y')") ==
        Texts{"rows public:item:id:1,2", "rows public:item:tenant+id:a+1,b+2"});
  // A routing column that changes: both values.
  CHECK(db.reported("update item set id = 3 where id = 2") ==
        Texts{"rows public:item:id:2,3", "rows public:item:tenant+id:b+2,b+3"});
  CHECK(db.reported("update item set note = 'z'") ==
        Texts{"rows public:item:id:1,3", "rows public:item:tenant+id:a+1,b+3"});
  CHECK(db.reported("update item set note = 'z' where id = 99").empty());
  CHECK(db.reported("insert into item values (1) on conflict do nothing").empty());
  CHECK(db.reported("insert into item values (1, 'c') on conflict (id) do update set note = 'w'") ==
        Texts{"rows public:item:id:1", "rows public:item:tenant+id:a+1"});
  // A value that is NULL is not reported, the write is.
  CHECK(db.reported("insert into item values (4)") ==
        Texts{"rows public:item", "rows public:item:id:4"});
  CHECK(db.reported("delete from item where id = 4") ==
        Texts{"rows public:item", "rows public:item:id:4"});
  CHECK(db.reported("truncate item") == Texts{"relation public:item"});
  CHECK(db.reported("begin; savepoint s; insert into item values (9); rollback to s; commit")
            .empty());
}

TEST_CASE("postgres track: values are written so that they can be told apart", "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}, .routes = {{"tenant"}}});
  CHECK(db.reported("insert into item values (1, 'a,b:c+d%')") ==
        Texts{"rows public:item:tenant:a%2Cb%3Ac%2Bd%25"});
  CHECK(db.reported("insert into item values (2, repeat('x', 128))") ==
        Texts{"rows public:item:tenant:" + std::string(128, 'x')});
  CHECK(db.reported("insert into item values (3, repeat('x', 129))") == Texts{"rows public:item"});
  CHECK(db.reported("insert into item values (4, repeat(',', 43))") == Texts{"rows public:item"});
  CHECK(db.reported("insert into item values (5, '')") == Texts{"rows public:item:tenant:"});
}

TEST_CASE("postgres track: a bulk write is one row of the log", "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}});
  CHECK(db.reported("insert into item select n from generate_series(1, 256) n")[0].starts_with(
      "rows public:item:id:"));
  CHECK(db.reported("insert into item select n from generate_series(1000, 1256) n") ==
        Texts{"relation public:item"});
  db.track({.tables = {"item"}, .routes = {{"tenant"}}});
  // Of few values, but too long a text.
  CHECK(
      db.reported(
          "insert into item select n, n || repeat('x', 120) from generate_series(3000, 3200) n") ==
      Texts{"relation public:item"});
  // Who is too long to be told is counted nevertheless: else the last of 257 would be left out unnoticed.
  const std::string commas = "case when n % 100 = 0 then repeat(',', 43) || n else n::text end";
  CHECK(db.reported("insert into item select n, " + commas +
                    " from generate_series(5000, 5299) n") == Texts{"relation public:item"});
  const Texts some =
      db.reported("insert into item select n, " + commas + " from generate_series(6001, 6100) n");
  REQUIRE(some.size() == 1);
  CHECK(std::ranges::count(some[0], ',') == 98);
}

TEST_CASE("postgres track: what becomes of a column while it is tracked fails no write",
          "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}, .routes = {{"tenant"}}});
  db.shop.execute(
      "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
  db.shop.execute("alter table item alter tenant type text collate ci");
  CHECK(db.reported("insert into item values (1, 'Ann'), (2, 'ann'), (3, 'a,')") ==
        Texts{"rows public:item:tenant:Ann,a%2C,ann"});
  db.shop.execute("delete from item; alter table item alter tenant type json using null");
  CHECK(db.reported(R"(insert into item values (4, '{"a": 1}'), (5, '{"a":1}'))") ==
        Texts{R"(rows public:item:tenant:{"a"%3A 1},{"a"%3A1})"});
}

// A session's plans of row triggers name the types that columns had.
TEST_CASE("postgres track: a session that has written goes on when a column gets another type",
          "[track]") {
  const Tracked db(kItems);
  const bool row_level = GENERATE(false, true);
  db.track({.tables = {"item"}, .routes = {{"id"}}, .row_level = row_level});
  pqxx::connection connection(db.shop.url());
  pqxx::nontransaction writer(connection);
  const auto write = [&](const std::string& id) {
    for (const std::string& sql :
         {"insert into item values (" + id + ")", "update item set note = 'x' where id = " + id,
          "delete from item where id = " + id})
      writer.exec(sql);
  };
  write("1");
  db.shop.execute("alter table item alter id type bigint");
  db.shop.execute("delete from querymark.log");
  write("2");
  CHECK(db.logged() == Texts(3, "rows public:item:id:2"));
}

// It would be run with the rights of whoever tracks, and what is reported would be no value.
TEST_CASE("postgres track: no cast of a table's owner is run, whatever becomes of the column",
          "[track]") {
  const Tracked db(
      "create type mood as enum ('good', 'bad'); create table item (id int, mood mood)");
  const std::string firing = GENERATE("statement", "row");
  db.track({.tables = {"item"}, .routes = {{"mood"}}, .row_level = firing == "row"});
  const auto cast_from = [&](const std::string& type) {
    db.shop.execute("create function shout(" + type +
                    ") returns text language plpgsql as $$ begin raise exception 'run as %', "
                    "current_user; end $$; create cast (" +
                    type + " as text) with function shout(" + type + ") as implicit");
  };
  cast_from("mood");
  CHECK(db.reported("insert into item values (1, 'good')") == Texts{"rows public:item:mood:good"});
  db.shop.execute("create type place as (city text); delete from item");
  cast_from("place");
  db.shop.execute("alter table item alter mood type place using row('x')::place");
  CHECK(db.reported("insert into item values (1, row('here'))") ==
        Texts{"rows public:item:mood:(here)"});
}

TEST_CASE("postgres track: truth is a word, also in a domain, and a letter stays one", "[track]") {
  const Tracked db("create domain truth as boolean; create domain sure as truth");
  const std::string type = GENERATE("boolean", "truth", "sure", "text", "varchar(1)");
  CAPTURE(type);
  db.shop.execute("create table item (id int, value " + type + ")");
  db.track({.tables = {"item"}, .routes = {{"value"}}});
  CHECK(db.reported("insert into item values (1, 't'), (2, 'f'), (3, null)") ==
        Texts{type == "text" || type == "varchar(1)" ? "rows public:item:value:f,t"
                                                     : "rows public:item:value:false,true"});
}

TEST_CASE("postgres track: what writes a table by another way is reported, too", "[track]") {
  const Tracked db(
      "create table parent (id int primary key);"
      "create table child (id int primary key, p int references parent on delete cascade on update "
      "cascade,"
      " q int references parent on delete set null, twice int generated always as (p * 2) stored)");
  db.track({.tables = {"parent"}});
  db.track({.tables = {"child"}, .routes = {{"id"}, {"twice"}}});
  db.shop.execute(
      "insert into parent values (1), (2), (3); insert into child (id, p, q) values (1, 1, 2), (2, "
      "1, 1), (3, 2, 1)");
  CHECK(db.reported("delete from parent where id = 1") ==
        Texts{"rows public:child:id:1,2", "rows public:child:id:3", "rows public:child:twice:2",
              "rows public:child:twice:4", "rows public:parent:id:1"});
  CHECK(db.reported("update parent set id = 20 where id = 2") ==
        Texts{"rows public:child:id:3", "rows public:child:twice:4,40",
              "rows public:parent:id:2,20"});
  CHECK(db.reported("merge into parent using (values (3), (4)) as s (id) on parent.id = s.id "
                    "when matched then delete when not matched then insert values (s.id)") ==
        Texts{"rows public:parent:id:3", "rows public:parent:id:4"});
  CHECK(db.reported(
            "with gone as (delete from parent where id = 4 returning id), "
            "new as (insert into parent values (5)) update parent set id = 21 where id = 20") ==
        Texts{"rows public:child:id:3", "rows public:child:twice:40,42",
              "rows public:parent:id:20,21", "rows public:parent:id:4", "rows public:parent:id:5"});
  CHECK(db.reported("truncate parent cascade") ==
        Texts{"relation public:child", "relation public:parent"});
  CHECK(db.reported("set session_replication_role = replica; insert into parent values (7)") ==
        Texts{"rows public:parent:id:7"});
}

TEST_CASE("postgres track: a prepared transaction is reported when it commits", "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}});
  CHECK(db.reported("begin; insert into item values (1); prepare transaction 'one'").empty());
  db.shop.execute("commit prepared 'one'");
  CHECK(db.logged() == Texts{"rows public:item:id:1"});
}

TEST_CASE("postgres track: COPY is reported", "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}});
  CHECK(db.reported("copy item (id) from program 'echo 8'") == Texts{"rows public:item:id:8"});
}

TEST_CASE("postgres track: partitions and children report under the root's name", "[track]") {
  const Tracked db(
      "create table sale (id int, region int, primary key (id, region)) partition by list (region);"
      "create table sale_1 partition of sale for values in (1);"
      "create table sale_2 partition of sale for values in (2, 3) partition by list (region);"
      "create table sale_2a partition of sale_2 for values in (2);"
      "create table base (id int primary key); create table derived (more int) inherits (base)");
  const bool row_level = GENERATE(false, true);
  db.track({.tables = {"sale_1", "base"}, .routes = {{"id"}}, .row_level = row_level});
  const auto once = [](Texts texts) {
    texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
    return texts;
  };
  CHECK(once(db.reported("insert into sale values (1, 1)")) == Texts{"rows public:sale:id:1"});
  CHECK(once(db.reported("insert into sale_2a values (2, 2)")) == Texts{"rows public:sale:id:2"});
  CHECK(once(db.reported("update sale set region = 2 where id = 1")) ==
        Texts{"rows public:sale:id:1"});
  CHECK(once(db.reported("insert into derived values (5)")) == Texts{"rows public:base:id:5"});
  CHECK(once(db.reported("delete from base")) == Texts{"rows public:base:id:5"});
  CHECK(once(db.reported("truncate sale_2")) == Texts{"relation public:sale"});
  // One that comes is tracked from its first row, and one that is attached.
  db.shop.execute(
      "create table sale_2b partition of sale_2 for values in (3);"
      "create table sale_4 (id int not null, region int not null); insert into sale_4 values (9, "
      "4);"
      "alter table sale attach partition sale_4 for values in (4)");
  CHECK(once(db.reported("insert into sale_2b values (3, 3)")) == Texts{"rows public:sale:id:3"});
  CHECK(once(db.reported("insert into sale_4 values (4, 4)")) == Texts{"rows public:sale:id:4"});
  // Of those that are asked about; of all, where none is.
  CHECK(postgres::check_tracking(db.shop.url(), {.tables = {"sale", "base"}}).empty());
  CHECK(postgres::check_tracking(db.shop.url(), {}).size() == 1);  // product
  for (const char* none : {"sale.", "a.b.c.d", "other.public.sale", "we ird"})
    CHECK_THROWS_WITH(
        postgres::check_tracking(db.shop.url(), {.tables = {none}}),
        Catch::Contains("is no name of a table") || Catch::Contains("there is no table"));
  db.shop.execute("alter table sale detach partition sale_4");
  CHECK(once(db.reported("insert into sale_4 values (6, 4)")) == Texts{"rows public:sale:id:6"});
}

TEST_CASE(
    "postgres track: MERGE into a table with partitions changes all its rows, however it is run",
    "[track]") {
  const Tracked db(
      "create table sale (id int, region int, primary key (id, region)) partition by list (region);"
      "create table sale_1 partition of sale for values in (1);"
      "create table sale_2 partition of sale default;"
      "create function moved() returns void language sql as $$ merge into sale using (values (1)) "
      "n (id) on sale.id = n.id when matched then update set region = 3 - region $$");
  db.track({.tables = {"sale"}, .routes = {{"id"}, {"region"}}});
  db.shop.execute("insert into sale values (1, 1)");
  // Of a row that moves to the other partition the server tells nobody (15.18).
  const std::string merge =
      "merge into sale using (values (1)) n (id) on sale.id = n.id when matched then update set "
      "region = 3 - region";
  pqxx::connection session(db.shop.url());
  pqxx::nontransaction plain(session);
  plain.exec("prepare again as " + merge);
  PgProcess process(db.shop);
  const Texts all{"relation public:sale"};
  CHECK(db.reported(merge) == all);
  CHECK(db.reported("MERGE/**/" + merge.substr(6)) == all);
  CHECK(db.reported("select moved()") == all);
  CHECK(db.reported("do $$ begin " + merge + "; end $$") == all);
  CHECK(db.reported("do $$ begin perform moved(); end $$") == all);
  CHECK(db.reported("do $$ begin execute $x$" + merge + "$x$; end $$") == all);
  db.shop.execute("delete from querymark.log");
  plain.exec("execute again");
  CHECK(db.logged() == all);
  db.shop.execute("delete from querymark.log");
  process.db.write([&](Transaction& tx) { tx.execute(merge); });
  CHECK(db.logged() == all);
  // What is none is told by its rows, where its text shows that.
  const Texts rows{"rows public:sale:id:1", "rows public:sale:region:1,2"};
  const std::string move = "update sale set region = 3 - region";
  CHECK(db.reported(move) == rows);
  CHECK(db.reported("do $$ begin " + move + "; end $$") == rows);
  db.shop.execute("create function moves() returns void language plpgsql as $$ begin execute '" +
                  move + "'; end $$");
  CHECK(db.reported("select moves()") == rows);
  CHECK(db.reported("update sale set region = 1 where id = 99").empty());
  CHECK(db.reported(move + " /*" + std::string(1'000'000, ' ') + "*/") == all);
  CHECK(db.reported("merge into sale using (values (7)) n (id) on sale.id = n.id when not matched "
                    "then insert values (7, 7)") ==
        Texts{"rows public:sale:id:7", "rows public:sale:region:7"});
}

TEST_CASE("postgres track: who writes needs no rights of ours, and no temporary table misleads",
          "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}});
  db.shop.execute(
      "drop role if exists poor; create role poor; grant insert on item to poor;"
      "alter table item enable row level security; create policy p on item using (true) with check "
      "(true)");
  CHECK(db.reported("create temp table qm_new (id int); create temp table log (x int);"
                    "create temp table u (x int); set role poor; insert into item values (1)") ==
        Texts{"rows public:item:id:1"});
  db.shop.execute("reset role; drop owned by poor; drop role poor");
}

TEST_CASE("postgres track: changes of definitions are reported, by whoever makes them", "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}});
  for (const char* sql :
       {"create view v as select 1 as x", "create or replace view v as select 2 as x",
        "alter table item add column more int", "create policy p on item using (true)",
        "create function f() returns int language sql as 'select 1'",
        "alter table item disable trigger querymark_insert", "create type mood as enum ('a')",
        "alter type mood add value 'b'", "drop view v", "alter table item rename to thing",
        "set session_replication_role = replica; create table other (id int)"}) {
    INFO(sql);
    const Texts reported = db.reported(sql);
    CHECK(std::ranges::find(reported, "schema schema") != reported.end());
  }
  for (const char* sql : {"create temp table t (id int primary key); drop table t",
                          "create index on product (price)", "comment on table product is 'x'",
                          "vacuum full product", "reindex table product", "analyze product"}) {
    INFO(sql);
    CHECK(db.reported(sql).empty());
  }
  db.shop.execute("create materialized view m as select 1 as x; create unique index on m (x)");
  CHECK(db.reported("refresh materialized view m") == Texts{"relation public:m"});
  CHECK(db.reported("refresh materialized view concurrently m") == Texts{"relation public:m"});
}

TEST_CASE("postgres track: a partition that leaves while others read is reported as it leaves",
          "[track]") {
  const Tracked db(
      "create table sale (id int, region int, primary key (id, region)) partition by list (region);"
      "create table sale_1 partition of sale for values in (1)");
  db.track({.tables = {"sale"}, .routes = {{"id"}}});
  db.shop.execute("insert into sale values (7, 1)");
  db.shop.execute("delete from querymark.log");
  pqxx::connection reader(db.shop.url());
  pqxx::work reading(reader);
  reading.exec("select id from sale");
  // It is gone for new statements at once. Then it waits for the reader, and gives up: no statement has ended.
  pqxx::connection leaver(db.shop.url());
  pqxx::nontransaction leaving(leaver);
  leaving.exec("set lock_timeout = '100ms'");
  CHECK_THROWS_WITH(leaving.exec("alter table sale detach partition sale_1 concurrently"),
                    Catch::Contains("lock timeout"));
  REQUIRE(db.shop.number("select count(*) from sale") == 0);
  CHECK(db.logged() == Texts{"schema schema"});
  reading.commit();
  leaving.exec("alter table sale detach partition sale_1 finalize");
}

TEST_CASE("postgres track: a column by which rows are reported can't go, or be renamed",
          "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}, .routes = {{"tenant"}}});
  CHECK_THROWS_WITH(db.shop.execute("alter table item drop column tenant"),
                    Catch::Contains("untrack"));
  CHECK_THROWS_WITH(db.shop.execute("alter table item rename tenant to owner"),
                    Catch::Contains("untrack"));
  db.shop.execute("alter table item drop column note");
  db.shop.execute("drop table item");
}

// It happened while nothing reported definitions, for instance.
TEST_CASE("postgres track: a column that is gone stands in the way of no other change, or its mend",
          "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}, .routes = {{"tenant"}}});
  db.shop.execute(
      "alter event trigger querymark_definitions disable;"
      "alter table item rename tenant to owner;"
      "alter event trigger querymark_definitions enable always");
  db.shop.execute("create table other (id int); alter table other add more int; drop table other");
  CHECK_THROWS_WITH(db.shop.execute("alter table item rename owner to holder"),
                    Catch::Contains("untrack"));
  SECTION("another route") {
    db.track({.tables = {"item"}, .routes = {{"owner"}}});
    CHECK(db.reported("insert into item values (1, 'Ann')") == Texts{"rows public:item:owner:Ann"});
  }
  SECTION("none") {
    postgres::untrack(db.shop.url(), {.tables = {"item"}});
    CHECK(db.reported("insert into item values (1, 'Ann')").empty());
  }
}

TEST_CASE("postgres track: a column can't go from under a child, or by way of a type", "[track]") {
  const Tracked db(
      "create table base (id int primary key, k int); create table derived () inherits (base);"
      "create type shape as (k int, v int); create table typed of shape");
  db.track({.tables = {"base", "typed"}, .routes = {{"k"}}});
  for (const char* sql : {"alter table base drop column k", "alter table base rename k to key",
                          "alter type shape rename attribute k to key cascade",
                          "alter type shape drop attribute k cascade"}) {
    INFO(sql);
    CHECK_THROWS_WITH(db.shop.execute(sql), Catch::Contains("untrack"));
  }
}

TEST_CASE("postgres track: another session's temporary child of a table is in nobody's way",
          "[track]") {
  const Tracked db(kItems);
  db.track({.tables = {"item"}});
  pqxx::connection connection(db.shop.url());
  pqxx::nontransaction session(connection);
  session.exec("create temporary table passing () inherits (item)");
  db.shop.execute("create table other (id int)");
  CHECK(postgres::check_tracking(db.shop.url(), {.tables = {"item"}}).empty());
  db.track({.tables = {"item"}, .routes = {{"tenant"}}});
  CHECK(db.reported("insert into item values (1, 'Ann')") == Texts{"rows public:item:tenant:Ann"});
  session.exec("create table one_more (id int); insert into passing values (2, 'Bob')");
}

TEST_CASE("postgres track: a partition that can't get triggers yet is attached all the same",
          "[track]") {
  const Tracked db(
      "create table sale (id int, region int) partition by list (region);"
      "create table sale_1 partition of sale for values in (1)");
  db.track({.tables = {"sale"}, .routes = {{"id"}}});
  // A table with checks that wait for COMMIT can't be altered.
  db.shop.execute(
      "create table sale_2 (id bigint, region int);"
      "alter table sale_2 alter id type int,"
      "  add foreign key (id) references product deferrable initially deferred");
  db.shop.execute(
      "begin; insert into sale_2 values (1, 2);"
      "alter table sale attach partition sale_2 for values in (2); commit");
  CHECK(db.shop.number("select count(*) from sale") == 1);
  CHECK_FALSE(postgres::check_tracking(db.shop.url(), {.tables = {"sale"}}).empty());
  db.shop.execute("alter table sale add column more int");  // the next change of it
  CHECK(postgres::check_tracking(db.shop.url(), {.tables = {"sale"}}).empty());
  CHECK(db.reported("insert into sale_2 values (3, 2)") == Texts{"rows public:sale:id:3"});
}

TEST_CASE("postgres track: done again it changes nothing; what is not as it should be is mended",
          "[track]") {
  const Tracked db(kItems);
  const postgres::TrackOptions options{.tables = {"item"}};
  CHECK(!db.track({.tables = {"item"}, .dry_run = true}).tables[0].statements.empty());
  CHECK(db.reported("insert into item values (100)").empty());
  CHECK(!db.track(options).tables[0].statements.empty());
  CHECK(db.track(options).tables[0].statements.empty());
  const auto check = [&db] {
    return postgres::check_tracking(db.shop.url(), {.tables = {"item"}});
  };
  const auto errors = [&] {
    const auto findings = check();
    return std::ranges::count(findings, Finding::Severity::error, &Finding::severity);
  };
  CHECK(errors() == 0);
  for (const char* harm : {"alter table item disable trigger querymark_update",
                           "alter table item enable trigger querymark_update",
                           "drop trigger querymark_truncate on item"}) {
    db.shop.execute(harm);
    CHECK(errors() == 1);
    CHECK(!db.track(options).tables[0].statements.empty());
    CHECK(errors() == 0);
  }
  CHECK(!postgres::untrack(db.shop.url(), options).tables[0].statements.empty());
  CHECK(db.reported("insert into item values (101)").empty());
  CHECK(db.shop.number("select count(*) from pg_proc where proname like 't\\_%' and pronamespace = "
                       "'querymark'::regnamespace") == 0);
}

TEST_CASE("postgres track: what can't be tracked is refused, and by all it is told of", "[track]") {
  const Tracked db(
      "create table a (id int); create table b (id int); create table two () inherits (a, b);"
      "create table price_list (price numeric primary key, at date); create view v as select 1 as "
      "x");
  const auto refused = [&db](postgres::TrackOptions options, const char* why) {
    INFO(why);
    CHECK_THROWS_WITH(db.track(std::move(options)), Catch::Contains(why));
  };
  refused({.tables = {"two"}}, "two parents");
  refused({.tables = {"v"}}, "no table");
  refused({.tables = {"nothing"}}, "no table nothing");
  refused({.tables = {"price_list"}, .routes = {{"price"}}}, "numeric");
  refused({.tables = {"price_list"}, .routes = {{"at"}}}, "date");
  refused({.tables = {"price_list"}, .routes = {{"missing"}}}, "no column");
  refused({.tables = {"querymark.log"}}, "querymark");
  refused({.tables = {"pg_class"}}, "belongs to the server");
  const TrackReport report = db.track({.all = true});
  const auto of = [&report](const char* name) {
    return *std::ranges::find(report.tables, std::string(name), &TrackedTable::table);
  };
  CHECK_THAT(of("public.price_list").note, Catch::Contains("not by its primary key"));
  CHECK(of("public.product").routes == Texts{"id"});
  CHECK_THAT(of("public.a").note, Catch::Contains("two parents"));
}

TEST_CASE("postgres track: a table whose names can't be told does not hide the others", "[track]") {
  PostgresServer& server = PostgresServer::shared();
  const std::string encoding = GENERATE("SQL_ASCII", "WIN1252");
  CAPTURE(encoding);
  const std::string name = "tracked_in_" + ascii::to_lower(encoding);
  pqxx::connection admin(server.url("postgres"));
  pqxx::nontransaction(admin).exec("create database " + name +
                                   " template template0 locale 'C' encoding '" + encoding + "'");
  const std::string url = server.url(name);
  postgres::migrate(url);
  pqxx::connection plain(url + "?client_encoding=" + encoding);
  pqxx::nontransaction(plain).exec(
      "create table item (id bigint primary key); create table \"caf\x81\" (id bigint primary key);"
      "create table named (id bigint primary key, \"caf\x81\" text)");
  const auto untold = [&] {
    std::vector<std::string> said;
    for (const Finding& finding : postgres::check_tracking(url, {.all = true}))
      if (finding.what.find("no equivalent") != std::string::npos) said.push_back(finding.what);
    return said;
  };
  const TrackReport report = postgres::track(url, {.all = true});
  REQUIRE(report.tables.size() == 3);
  CHECK(report.tables[0].table == "public.caf?");
  CHECK(report.tables[0].statements.empty());
  CHECK(report.tables[1].routes == Texts{"id"});
  CHECK(report.tables[2].table == "public.named");
  CHECK(report.tables[2].statements.empty());
  const std::vector<std::string> said = untold();
  REQUIRE(said.size() == 2);
  CHECK(said[0].starts_with("public.caf? reports no writes"));
  CHECK(postgres::untrack(url, {.all = true}).tables.size() == 1);
}
