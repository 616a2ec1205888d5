// What the server's own analysed tree says of a text: on which rows a result depends, and whether that
// is all that it depends on.

#include <catch2/catch.hpp>
#include <pqxx/nontransaction>
#include <string>
#include <vector>

#include "querymark/postgres/track.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

struct Analysing {
  PgShop shop;
  PgProcess process{shop};

  [[nodiscard]] Analysis of(const std::string& sql) { return process.db.analyse(sql); }
};

}  // namespace

TEST_CASE("postgres analysis: what is never kept is refused with the reason", "[analysis]") {
  struct Case {
    const char* sql;
    const char* why;
  };
  const std::vector<Case> cases{
      {"select random()", "volatile"},
      {"select name from product where id = (random() * 10)::int", "volatile"},
      {"select nextval('numbers')", "nextval"},
      {"select name from product for update", "FOR UPDATE"},
      {"select name from (select * from product for share) p", "FOR UPDATE"},
      {"with gone as (delete from product returning id) select * from gone", "must only read"},
      {"select name from product tablesample system (10)", "TABLESAMPLE"},
      {"select ctid from product", "system column"},
      {"select relname from pg_class", "catalogue"},
      {"select table_name from information_schema.tables", "catalogue"},
      {"select target from querymark.log", "catalogue"},
      {"select 'today'::text::date", "'today'"},
      {"select date 'today'", "'today'"},
      {"select array['x']::text[]::timestamp[]", "'today'"},
      {"select 'product'::regclass", "constant of type regclass"},
      {"select xmlelement(name a)", "XMLEXPR"},
      {"select price from volatile_price(1)", "volatile"},
      {"update product set price = 1", "read"},
      {"select 1; select 2", "one statement"},
  };
  Analysing analysed;
  analysed.shop.execute(
      "create sequence numbers; create function volatile_price(int) returns table (price float) "
      "language plpgsql as $$ begin return query select 1.0::float; end $$");
  for (const Case& one : cases) {
    INFO(one.sql);
    const Analysis analysis = analysed.of(one.sql);
    CHECK(analysis.verdict == Verdict::refuse);
    CHECK_THAT(analysis.why, Catch::Contains(one.why));
    CHECK(analysis.occurrences.empty());
  }
  // The session is as it was: queries go on, and none of it has been run.
  CHECK(analysed.shop.text("select is_called from numbers") == "f");
  CHECK(analysed.process.db.query("select 1").uncached().fetch_as<int>()[0] == 1);
}

TEST_CASE("postgres analysis: what depends on more than rows is kept on request only",
          "[analysis]") {
  struct Case {
    const char* sql;
    const char* why;
  };
  const std::vector<Case> cases{
      {"select now()", "STABLE"},
      {"select current_date", "time or the user"},
      {"select current_user", "time or the user"},
      {"select current_setting('app.x', true)", "STABLE"},
      {"select age(timestamp '2020-01-01')", "time or the user"},
      {"select liar(1)", "BEGIN ATOMIC"},
      {"select left_out()", "STABLE"},
      {"select name from secret", "row-level security"},
      {"select name from of_secret", "row-level security"},
      {"select last_value from numbers", "sequence"},
      {"select name from product", "not tracked"},
      {"select who from task", "the name of a role"},
      {"select who::text from task", "the name of a role"},
      {"select t::text from task t", "the name of a role"},
      {"select whose from task", "the name of a role"},
      {"select id::oid::regrole from task", "the name of a role"},
      {"select rights[1] from task", "the name of a role"},
  };
  Analysing analysed;
  analysed.shop.execute(
      "create sequence numbers; create table secret (name text);"
      "create domain someone as regrole; create type pair as (id int, who someone);"
      "create table task (id int primary key, who regrole, whose pair[], rights aclitem[]);"
      "alter table secret enable row level security;"
      "create view of_secret as select * from secret;"
      "create function left_out(at timestamptz default now()) returns timestamptz language sql "
      "begin atomic select at; end;"
      "create function liar(int) returns text language sql immutable as "
      "'select name from product where id = $1'");
  postgres::track(analysed.shop.url(), {.tables = {"task"}});
  for (const Case& one : cases) {
    INFO(one.sql);
    const Analysis analysis = analysed.of(one.sql);
    CHECK(analysis.verdict == Verdict::ttl_only);
    CHECK_THAT(analysis.why, Catch::Contains(one.why));
  }
}

TEST_CASE("postgres analysis: parameters that become dates are told", "[analysis]") {
  Analysing analysed;
  CHECK(analysed.of("select 1 where 2 = $2 and date '2020-01-01' < $1").dates ==
        std::vector<std::size_t>{0});
  CHECK(analysed.of("select 1 where now() = any ($1)").dates == std::vector<std::size_t>{0});
  CHECK(analysed.of("select 1 where 'product' = $1::regclass::text").verdict == Verdict::refuse);
}

TEST_CASE("postgres analysis: a text that the server refuses is an error, and harms nothing",
          "[analysis]") {
  Analysing analysed;
  CHECK_THROWS_WITH(analysed.of("select name from gone.product"),
                    Catch::Matchers::Contains("cannot run \"select name from gone.product\"") &&
                        !Catch::Matchers::Contains("migrate"));
  CHECK_THROWS_AS(analysed.of("select nothing from product"), Error);
  CHECK_THROWS_AS(analysed.of("select name from product where"), Error);
  // Texts that would end the function's body.
  CHECK(analysed.of("select 1 -- end").verdict != Verdict::refuse);
  CHECK_THROWS_AS(analysed.of("select 1 /* "), Error);
  CHECK_THROWS_AS(analysed.of("select '"), Error);
  CHECK(analysed.of("select name from product;").occurrences.size() == 1);
}

TEST_CASE("postgres analysis: what a session makes for it is no change of definitions",
          "[analysis]") {
  Analysing analysing;
  postgres::track(analysing.shop.url(), {.tables = {"product"}});
  const auto rows = [&] { return analysing.shop.text("select count(*) from querymark.log"); };
  const std::string before = rows();
  CHECK(analysing.of("select name from product where id = $1").verdict == Verdict::cache);
  CHECK(rows() == before);
  CHECK(analysing.shop.text("select count(*) from pg_class where relname ~ 'querymark_passing'") ==
        "0");
}

TEST_CASE("postgres analysis: a tracked table's rows are named by what its triggers report",
          "[analysis]") {
  Analysing analysing;
  analysing.shop.execute(
      "create type mood as enum ('sad', 'happy');"
      "create table item (id int primary key, product bigint, note text, felt mood, price numeric);"
      "create table plain (id int);"
      "create materialized view summed as select sum(id) from item;"
      "create function notes(int) returns bigint language sql begin atomic "
      "select count(*) from item where product = $1; end");
  postgres::track(
      analysing.shop.url(),
      {.tables = {"item"}, .routes = {{"product"}, {"id"}, {"felt"}, {"product", "note"}}});
  postgres::track(analysing.shop.url(), {.tables = {"product"}});
  const auto of = [&analysing](const std::string& sql) {
    INFO(sql);
    const Analysis analysis = analysing.of(sql);
    CHECK(analysis.why == "");
    return analysis.str();
  };
  CHECK(of("select note from item where id = $1") == "cache\n  public:item by id = $1");
  CHECK(of("select note from item where product = $2 and id = $1") ==
        "cache\n  public:item by id = $1");  // the unique one
  CHECK(of("select id from item where product = $1 and note = 'x'") ==
        "cache\n  public:item by product+note = $1 x");
  CHECK(of("select id from item where felt = 'happy'") == "cache\n  public:item by felt = happy");
  CHECK(of("select id from item where note = $1") == "cache\n  public:item, any row");
  CHECK(
      of("select p.name, i.note from product p join item i on i.product = p.id where p.id = $1") ==
      "cache\n  public:product by id = $1\n  public:item by product = $1");
  CHECK(of("select notes(7)") == "cache\n  public:item, any row");
  CHECK(of("select * from summed") == "cache\n  public:summed, any row");
  CHECK(of("select to_char(id, '999'), json_agg(note) from item group by id") ==
        "cache\n  public:item, any row");

  CHECK(analysing.of("select 1 from plain, item").why.find("plain") != std::string::npos);
  analysing.shop.execute("alter table item disable trigger querymark_update");
  CHECK_THAT(analysing.of("select note from item where id = $1").why, Catch::Contains("disabled"));
  analysing.shop.execute("alter event trigger querymark_drops disable");
  CHECK_THAT(analysing.of("select name from product").why, Catch::Contains("definitions"));
}

TEST_CASE("postgres analysis: what becomes JSON by a cast depends on what that reads",
          "[analysis]") {
  Analysing analysing;
  analysing.shop.execute(
      "create type colour as enum ('r'); create table word (c colour primary key, t text);"
      "create table item (id int primary key, c colour);"
      "create function told(colour) returns json language sql stable as "
      "'select to_json(t) from word where c = $1';"
      "create function shown(colour) returns json language sql stable begin atomic "
      "select to_json(t) from word where c = $1; end;");
  postgres::track(analysing.shop.url(), {.tables = {"word", "item"}});
  const std::string sqls[] = {"select to_json(c) from item where id = 1",
                              "select row_to_json(i) from item i where id = 1",
                              "select jsonb_agg(i) from item i where id = 1"};
  for (const std::string& sql : sqls)
    CHECK(analysing.of(sql).str() == "cache\n  public:item by id = 1");
  analysing.shop.execute("create cast (colour as json) with function told(colour)");
  for (const std::string& sql : sqls) {
    INFO(sql);
    CHECK_THAT(analysing.of(sql).why, Catch::Contains("what public.told(public.colour) reads"));
    CHECK(analysing.process.db.analyse(sql, {{"word"}, {}}).str() ==
          "cache\n  public:item by id = 1\n  public:word, any row");
  }
  CHECK(analysing.of("select c from item where id = 1").str() == "cache\n  public:item by id = 1");
  analysing.shop.execute(
      "drop cast (colour as json); create cast (colour as json) with function shown(colour)");
  for (const std::string& sql : sqls)
    CHECK(analysing.of(sql).str() == "cache\n  public:item by id = 1\n  public:word, any row");
}

TEST_CASE("postgres analysis: where DDL is forbidden a text is refused, and still answered",
          "[analysis]") {
  Analysing analysing;
  postgres::track(analysing.shop.url(), {.tables = {"product"}});
  analysing.shop.execute(
      "create function forbid() returns event_trigger language plpgsql as "
      "'begin raise exception ''no DDL here''; end'");
  const std::string tag = GENERATE("CREATE FUNCTION", "CREATE TABLE");
  analysing.shop.execute("create event trigger forbid on ddl_command_start when tag in ('" + tag +
                         "') execute function forbid()");
  const Analysis analysis = analysing.of("select name from product where id = 1");
  if (tag == "CREATE TABLE") {  // only makes it slower
    CHECK(analysis.verdict == Verdict::cache);
  } else {
    CHECK(analysis.verdict == Verdict::refuse);
    CHECK_THAT(analysis.why, Catch::Contains("no DDL here"));
  }
  CHECK(analysing.process.db.query("select name from product where id = 1")
            .tagging(Tags::automatic)
            .fetch_as<std::string>()[0] == "tea");
}

TEST_CASE("postgres analysis: another session's temporary child of a table changes nothing",
          "[analysis]") {
  Analysing analysing;
  postgres::track(analysing.shop.url(), {.tables = {"product"}});
  pqxx::connection connection(analysing.shop.url());
  pqxx::nontransaction session(connection);
  session.exec("create temporary table passing () inherits (product)");
  CHECK(analysing.of("select name from product where id = 1").str() ==
        "cache\n  public:product by id = 1");
}

TEST_CASE("postgres analysis: what is known goes as far as each rule lets it, and no further",
          "[analysis]") {
  Analysing analysing;
  analysing.shop.execute(
      "create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
      "create table a (id int primary key, k int, t text, c text collate ci);"
      "create table b (like a including all); create table c (like a including all);");
  postgres::track(analysing.shop.url(),
                  {.tables = {"a", "b", "c"}, .routes = {{"id"}, {"k"}, {"t"}}});
  // "a k=$1, b any": each appearance in its order, by which column, or any row of it.
  const auto of = [&analysing](const std::string& sql) {
    const Analysis analysis = analysing.of(sql);
    CHECK(analysis.why == "");
    std::string text;
    for (const Occurrence& one : analysis.occurrences) {
      text.append(text.empty() ? "" : ", ").append(one.relation.substr(one.relation.find(':') + 1));
      text.append(one.route.empty() ? " any" : " " + one.route);
    }
    return text;
  };
  struct Case {
    const char* sql;
    const char* known;
  };
  const std::vector<Case> cases{
      // ON holds for what it can't let be missing.
      {"from a join b on b.k = a.k and a.k = $1", "a k, b k"},
      {"from a left join b on b.k = a.k and a.k = $1", "a any, b k"},
      {"from a left join b on b.k = $1", "a any, b k"},
      {"from a right join b on b.k = a.k and b.k = $1", "a k, b any"},
      {"from a full join b on b.k = a.k and a.k = $1", "a any, b any"},
      {"from a full join b on b.k = a.k where a.k = $1", "a k, b any"},
      {"from (a left join c s on a.k = $1) join b on b.k = a.k", "a any, c any, b any"},
      {"from (a right join c s on s.k = $1) join b on b.k = s.k", "a any, c any, b any"},
      {"from (a join c s on a.k = $1) join b on b.k = a.k", "a k, c any, b k"},
      {"from b left join (a join c on a.k = c.k) on c.k = $1", "b any, a k, c k"},
      // Sublinks: of WHERE and of what is selected, not of ON.
      {"from a where k = $1 and exists (select from c where c.k = a.k)", "a k, c k"},
      {"from a where k = $1 and not exists (select from c where c.k = a.k)", "a k, c k"},
      {"from a where k = $1 and id in (select c.id from c where c.k = a.k)", "a k, c k"},
      {"from a where k = $1 and (id = 2 or exists (select from c where c.k = a.k))", "a k, c k"},
      {", (select count(*) from c where c.k = a.k) from a where k = $1", "a k, c k"},
      {"from a join b on b.k = a.k and exists (select from c where c.k = a.k) where a.k = $1",
       "a k, b k, c any"},
      {"from a group by k having exists (select from c where c.k = $1)", "a any, c k"},
      {"from a where k = $1 group by k having exists (select from c where c.k = a.k)",
       "a k, c any"},
      {", (select count(*) from c where c.k = a.k) from a where k = $1 group by k", "a k, c k"},
      {", (select count(*) from c where c.k = a.k) from a where k = $1 "
       "group by grouping sets ((k), ())",
       "a k, c any"},
      // Through a bare column of a derived table alone, and past what looks at no other row.
      {"from (select k from a) d where d.k = $1", "a k"},
      {"from (select distinct k from a) d where d.k = $1", "a k"},
      {"from (select k from a order by t) d where d.k = $1", "a k"},
      {"from (select k, count(*) from a group by k) d where d.k = $1", "a k"},
      {"from (select k + 0 as k from a) d where d.k = $1", "a any"},
      {"from (select max(k) as k from a) d where d.k = $1", "a any"},
      {"from (select max(k) as k from a group by t) d where d.k = $1", "a any"},
      {"from (select id, k from a group by id) d where d.k = $1", "a any"},
      {"from (select k from a order by id limit 5) d where d.k = $1", "a any"},
      {"from (select k from a order by id offset 1) d where d.k = $1", "a any"},
      {"from (select k, count(*) over () from a) d where d.k = $1", "a any"},
      {"from (select distinct on (id) k from a) d where d.k = $1", "a any"},
      {"from (select k, generate_series(1, 2) from a) d where d.k = $1", "a any"},
      {"from (select k from a group by grouping sets ((k), ())) d where d.k = $1", "a any"},
      {"from (select k from a group by rollup (k)) d where d.k = $1", "a any"},
      {"from (select k from a union all select k from b) d where d.k = $1", "a any, b any"},
      {"from (select k from a where k = $1 except select k from b) d where d.k = $1", "a k, b any"},
      {"from b, lateral (select k from a) d where d.k = $1", "b any, a any"},
      {"from b, lateral (select from a where a.k = b.k) d where b.k = $1", "b k, a any"},
      {"from b, lateral (select from a where a.k = $1) d", "b any, a k"},
      {"from (select from a where k = $1 order by id limit 5) d", "a k"},
      // Conditions that say of a column that it is one of some values, whatever else holds.
      {"from a where k = $1 and t > 'x' order by id limit 1", "a k"},
      {"from a where $1 = k", "a k"},
      {"from a where (k, t) = ($1, 'x')", "a k"},
      {"from a where k = 1 or k = 2", "a any"},
      {"from a where not (k = $1)", "a any"},
      {"from a where k <> $1", "a any"},
      {"from a where k is null", "a any"},
      {"from a where k is not distinct from $1", "a any"},
      {"from a where (k = $1) is true", "a any"},
      {"from a where (k = $1) is not false", "a any"},
      {"from a where (k = $1) = (t = 'x')", "a any"},
      {"from a where case when k = $1 then true end", "a any"},
      {"from a where coalesce(k, 0) = $1", "a any"},
      {"from a where k >= $1 and k <= $1", "a any"},
      {"from a where k between $1 and $1", "a any"},
      {"from a group by k having k = $1", "a any"},
      {"from a where k::text = $1", "a any"},
      {"from a where k::bigint = $1::bigint", "a any"},
      {"from a where k = $1::bigint", "a k"},
      {"from a where k = $1::numeric", "a any"},
      {"from a where -k = $1", "a any"},
      {"from a where k = $1 + 0", "a any"},
      {"from a where t = $1", "a t"},
      {"from a where t::varchar = $1", "a t"},
      {"from a where t::char(9) = $1", "a any"},
      {"from a where t collate \"C\" = $1", "a any"},
      {"from a where t collate ci = $1", "a any"},
      {"from a where c = 'x' and t = c", "a any"},
      {"from a where t like $1", "a any"},
      {"from a where k in (1, null)", "a k"},
      {"from a where k in (1, k)", "a any"},
      {"from a where k in (1, $1 + 0)", "a any"},
      {"from a where k = any (array[1, k])", "a any"},
      {"from a where k not in (1, 2)", "a any"},
      {"from a where k <> all (array[1, 2])", "a any"},
      {"from a where k = all (array[1])", "a any"},
      {"from a where k <> any (array[1, 2])", "a any"},
      {"from a where k = any ($1)", "a k"},
      {"from a where k = any (array[array[1], array[2]])", "a any"},
      {"from a where k = null::int", "a any"},
  };
  for (const Case& one : cases) {
    INFO(one.sql);
    CHECK(of(std::string("select 1 ") + one.sql) == one.known);
  }
  // Neither into WITH, nor into the arms of a union; their own conditions count.
  CHECK(of("with w as (select k from a) select from w where k = $1") == "a any");
  CHECK(of("with w as materialized (select k from a where k = $1) select from w") == "a k");
  CHECK(of("with recursive w as (select id, k from a union all select a.id, a.k from a, w where "
           "a.id = w.k) select from w where k = $1") == "a any");
  CHECK(of("select from b where k = $1 and exists (with w as (select from a where a.k = b.k) "
           "select from w)") == "b k, a any");
  const auto in_list = [&](std::size_t count) {
    std::string text = "select from a where k in (0";
    for (std::size_t at = 1; at < count; ++at) text.append(", ").append(std::to_string(at));
    return of(text + ")");
  };
  CHECK(in_list(kMaxRouteValues) == "a k");
  CHECK(in_list(kMaxRouteValues + 1) == "a any");
}

TEST_CASE(
    "postgres analysis: the rows of one key of a list depend on that key, where nothing sees "
    "several",
    "[analysis]") {
  Analysing analysing;
  analysing.shop.execute(
      "create type mood as enum ('sad', 'happy');"
      "create table item (id int primary key, product bigint, note text, felt mood)");
  postgres::track(analysing.shop.url(),
                  {.tables = {"item"}, .routes = {{"id"}, {"product"}, {"note"}, {"felt"}}});
  const auto of = [&analysing](const std::string& select, const std::string& behind,
                               const std::string& list = "unnest($1::bigint[])") {
    return analysing.of("select " + select + " from " + list + " with ordinality as k(v) " + behind)
        .str();
  };
  const std::string apart = "cache\n  each key in $1 by itself\n  public:item by ";
  CHECK(of("k.ordinality, i.*", "join item i on i.id = k.v") == apart + "id = $1[]");
  CHECK(of("k.ordinality, i.*", "left join item i on k.v = i.product") == apart + "product = $1[]");
  CHECK(of("k.ordinality, i.*", ", item i where i.id = k.v order by i.id") == apart + "id = $1[]");
  CHECK(of("k.ordinality, i.*", "join item i on i.note = k.v", "unnest($1::text[])") ==
        apart + "note = $1[]");
  CHECK(of("k.ordinality, i.*", "join item i on i.felt = k.v", "unnest($1::mood[])") ==
        apart + "felt = $1[]");
  CHECK(of("k.ordinality, count(*), max(i.note)",
           "join item i on i.id = k.v group by k.ordinality having count(*) > 1") ==
        apart + "id = $1[]");
  CHECK(of("distinct k.ordinality, i.note", "join item i on i.id = k.v") == apart + "id = $1[]");
  CHECK(of("k.ordinality, (select max(note) from item i where i.id = k.v)", "") ==
        apart + "id = $1[]");
  // What sees the rows of several keys: then only calls with lists name rows.
  const std::string together = "cache\n  public:item by id = $1[]";
  for (const auto& [select, behind] : std::vector<std::pair<std::string, std::string>>{
           {"k.ordinality, count(*) over ()", "join item i on i.id = k.v"},
           {"k.ordinality, i.id", "join item i on i.id = k.v limit 1"},
           {"k.ordinality, i.id", "join item i on i.id = k.v offset 1"},
           {"distinct on (i.note) k.ordinality, i.id", "join item i on i.id = k.v"},
           {"max(k.ordinality), i.note", "join item i on i.id = k.v group by i.note"},
           {"k.v, i.id", "join item i on i.id = k.v"},
           {"k.ordinality + 0, i.id", "join item i on i.id = k.v"},
           {"k.ordinality, i.id", "join item i on i.id = k.v where 1 = any ($1)"},
           {"k.ordinality, count(*)",
            "join item i on i.id = k.v group by grouping sets ((1), ())"}})
    CHECK(of(select, behind) == together);
  CHECK(of("k.ordinality, i.*", "join item i on i.id = k.v", "unnest($1::numeric[])") ==
        "cache\n  each key in $1 by itself\n  public:item, any row");
  CHECK(of("k.ordinality, i.*", "full join item i on i.id = k.v") ==
        "cache\n  each key in $1 by itself\n  public:item, any row");
  CHECK(of("k.ordinality, i.*", "right join item i on i.id = k.v") ==
        "cache\n  each key in $1 by itself\n  public:item, any row");
  CHECK(analysing.of("select i.* from unnest($2::int[]) k(v) join item i on i.id = k.v and $1 = 1")
            .str() == "cache\n  public:item by id = $2[]");
}

TEST_CASE("postgres analysis: what is vouched for of functions counts, and no more than that",
          "[analysis]") {
  Analysing analysing;
  analysing.shop.execute(
      "create table rate (id int primary key); create table loose (id int);"
      "create view rates as select * from rate; create schema app;"
      "create function app.twice(bigint) returns bigint language plpgsql immutable as "
      "'begin return 2 * $1; end';"
      "create function rated(bigint) returns bigint language plpgsql stable as "
      "'begin return (select max(id) from rate) * $1; end';"
      "create function moved(int) returns int language plpgsql as 'begin return $1; end'");
  postgres::track(analysing.shop.url(), {.tables = {"product", "rate"}});
  const auto of = [&analysing](const std::string& sql, const Promises& promises) {
    return analysing.process.db.analyse(sql, promises);
  };
  const std::string twice = "select app.twice(id) from product where id = $1";
  CHECK(of(twice, {}).verdict == Verdict::ttl_only);
  CHECK(of(twice, {{}, {"twice"}}).str() == "cache\n  public:product by id = $1");
  CHECK(of(twice, {{}, {"app.twice"}}).verdict == Verdict::cache);
  CHECK(of(twice, {{}, {"public.twice"}}).verdict == Verdict::ttl_only);
  const std::string rated = "select rated(id), app.twice(id) from product where id = $1";
  CHECK(of(rated, {{}, {"app.twice"}}).verdict == Verdict::ttl_only);
  CHECK(of(rated, {{"rate"}, {}}).str() ==
        "cache\n  public:product by id = $1\n  public:rate, any row");
  CHECK(of(rated, {{"public.rate", "rate"}, {}}).str() ==
        "cache\n  public:product by id = $1\n  public:rate, any row");
  CHECK_THAT(of(rated, {{"loose"}, {}}).why, Catch::Contains("loose: it is not tracked"));
  CHECK_THAT(of(rated, {{"rates"}, {}}).why, Catch::Contains("is a view"));
  CHECK_THAT(of(rated, {{"nothing"}, {}}).why, Catch::Contains("no table nothing"));
  CHECK(of("select moved(1)", {{"rate"}, {"moved"}}).verdict == Verdict::refuse);
  CHECK(of("select now()", {{"rate"}, {"now"}}).verdict == Verdict::ttl_only);
  // Its row of the table is not the row that the query names.
  CHECK(of("select rated(id) from rate where id = $1", {{"rate"}, {}}).str() ==
        "cache\n  public:rate by id = $1\n  public:rate, any row");
}
