// Statements of callers that a session keeps prepared: whatever becomes of the schema, each does what
// its text does.

#include <catch2/catch.hpp>

#include "callers_statements.hpp"
#include "support/pg_shop.hpp"
#include "support/rows.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using postgres::CallersStatements;
using postgres::LastingText;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  PgShop shop;
  ManualClock clock;  // nothing grows old
  PgProcess process{shop, one_connection(), clock};

  Fixture() { shop.execute("create table item (id int primary key, value int, note text)"); }

  template <class... Args>
  void write(const std::string& sql, const Args&... args) {
    process.db.write([&](postgres::Transaction& tx) {
      tx.execute(sql, args...);
      tx.invalidate(collection("item"));
    });
  }
  [[nodiscard]] std::int64_t prepared() { return prepared_calls(process); }
};

}  // namespace

TEST_CASE("callers' statements: what comes twice is prepared, and what was not lately is dropped",
          "[statements]") {
  CallersStatements statements;
  CHECK(statements.use("a", {}, {}).name.empty());
  const CallersStatements::Use second = statements.use("a", {}, {});
  CHECK_FALSE(second.name.empty());
  CHECK_FALSE(second.already);
  CHECK_FALSE(statements.use("a", {}, {}).already);  // it could not be prepared
  statements.prepared("a", {});
  CHECK(statements.use("a", {}, {}).already);
  CHECK(statements.use("a", {}, {}).name == second.name);
  for (std::size_t i = 0; i < CallersStatements::kMost; ++i)
    static_cast<void>(statements.use(std::to_string(i), {}, {}));
  CHECK(statements.take_dropped() == second.name);
  CHECK_FALSE(statements.take_dropped());
  CHECK(statements.use("a", {}, {}).name.empty());
  CHECK(statements.use("a", {}, {}).name != second.name);
}

TEST_CASE("callers' statements: each is prepared anew after a minute, in use or not",
          "[statements]") {
  CallersStatements statements;
  const MonotonicTime began = ManualClock().now();
  static_cast<void>(statements.use("a", {}, began));
  const CallersStatements::Use first = statements.use("a", {}, began);
  statements.prepared("a", {});
  for (int i = 0; i <= 60; ++i) {
    const CallersStatements::Use use = statements.use("a", {}, began + i * 1s);
    CHECK(use.already);
    CHECK(use.name == first.name);
  }
  CHECK_FALSE(statements.take_dropped());
  const CallersStatements::Use anew = statements.use("a", {}, began + 61s);
  CHECK_FALSE(anew.already);
  CHECK(anew.name != first.name);
  CHECK(statements.take_dropped() == first.name);
  CHECK_FALSE(statements.take_dropped());
  statements.prepared("a", {});
  CHECK(statements.use("a", {}, began + 120s).already);
}

TEST_CASE("callers' statements: long texts are not kept, forgotten ones are dropped",
          "[statements]") {
  CallersStatements statements;
  const std::string longest(CallersStatements::kLongest + 1, 'x');
  for (int i = 0; i < 3; ++i) CHECK(statements.use(longest, {}, {}).name.empty());
  static_cast<void>(statements.use("a", {}, {}));
  const std::string name = statements.use("a", {}, {}).name;
  statements.forget("a");
  CHECK_FALSE(statements.take_dropped());  // it was never prepared
  static_cast<void>(statements.use("a", {}, {}));
  static_cast<void>(statements.use("a", {}, {}));
  statements.prepared("a", {});
  statements.forget("a");
  CHECK(statements.take_dropped());
  statements.forget("a");
}

TEST_CASE("callers' statements: what is much slower by a plan for all values rests",
          "[statements]") {
  CallersStatements statements;
  const auto run = [&](std::chrono::nanoseconds time) {
    const CallersStatements::Use use = statements.use("a", {}, {});
    if (!use.name.empty()) statements.prepared("a", {});
    statements.took("a", use, time);
    return !use.name.empty();
  };
  CHECK_FALSE(run(1ms));
  for (int i = 0; i < CallersStatements::kOwnPlans; ++i) CHECK(run(1ms));
  for (int i = 0; i < 100; ++i) CHECK(run(3ms));  // no four times as long
  for (int i = 1; i < CallersStatements::kSlow; ++i) CHECK(run(10ms));
  CHECK(run(1ms));
  CHECK(run(10ms));
  for (int i = 0; i < CallersStatements::kRest; ++i) CHECK_FALSE(run(1ms));
  CHECK(statements.take_dropped());
  CHECK(run(1ms));
}

TEST_CASE("lasting text: what means the same later", "[statements]") {
  const auto lasts = [](const char* sql, ParameterView value) {
    return LastingText(sql).lasts_with({&value, 1});
  };
  const ParameterView whole = ParameterView::int64(7);
  const ParameterView words = ParameterView::text("x");
  const ParameterView list = ParameterView::array(ValueType::text, "{a,b}");
  const char* const plain = GENERATE(
      "select id, price from item where id = $1", "insert into item values ($1, 1)",
      "insert into shop.item (id, note) values ($1, 'new') on conflict (id) do update set note = "
      "'x'",
      "select count(*), max(i.id) from item i join \"Other\" o using (id) where i.id in ($1, 2)",
      "with t (a) as (select 1) select a::numeric(10, 2) from t where a = $1 -- now()",
      "select * from item where status = 'open' and id = $1",
      "select count(*) filter (where id > 1), date '2020-02-02' + interval '1 day' from item i "
      "where i.id = $1",
      "update shop.item set price = other.price, note = 'x' from other where other.id = $1",
      "select cast(id as text) as words, (select 1 as cast) from item where id = $1",
      "select row_number() over (order by id) from item where id <> all ($1) and not $1 < price",
      "insert into item (id, tags) values ($1, array['a', 'b']), (2, array['c', 'd']) returning id",
      "update item set (price, note) = (1, 'x') where (id, price) >= ($1, 2)",
      "update item set price = $1 where (select true, 1 limit 1) is not null and id = any ($1)",
      "select price / 2 from item where id = $1 and price < $1 limit $1",
      "select price / 2 from item where id = any($1) and price between $1 and 7",
      "select id from item where price is distinct from $1 and $1 is not null or $1=id -- $2",
      "insert into item values ($1, 1), (2, $1) on conflict (id) do update set price = $1, id=$1",
      "select i.id, coalesce(a, b) from item i join unnest(array[1, 2], '{3}'::int[]) u (a, b) on "
      "i.id = a and coalesce(a, b) > 1, coalesce, generate_series(1, 3) as g where g = $1",
      "select case when $1 = price then $1::int + 1 end from item order by id offset $1");
  CAPTURE(plain);
  CHECK(lasts(plain, whole));
  CHECK(lasts(plain, {}));
  CHECK(lasts(plain, ParameterView::array(ValueType::int64, "{1,2}")));
  CHECK_FALSE(lasts(plain, words));
  CHECK_FALSE(lasts(plain, list));
  CHECK_FALSE(lasts(plain, ParameterView::float64(0.1)));
  CHECK_FALSE(lasts(plain, ParameterView::boolean(true)));
  CHECK_FALSE(lasts(plain, ParameterView::timestamp(1)));
  CHECK(lasts("select * from unnest($1::text[]) with ordinality as k(key)", list));
  CHECK(lasts("select id from item where name = $1 :: text and other <> $1::varchar(10)", words));
  CHECK_FALSE(lasts("select id from item where name = $1::text and other = $1", words));
  CHECK_FALSE(lasts("select $1::mood", words));
  CHECK_FALSE(lasts("select $1", words));
}

TEST_CASE("lasting text: what may mean something else later", "[statements]") {
  const char* const moving = GENERATE(
      "select (place).city from shop", "select (s.place).city from shop s", "select ($1).city",
      "update shop set place.city = 'x'", "update shop set id = 1, place.city = 'x'",
      "insert into shop (id, place.city) values (1, 'x')", "select status::mood from item",
      "select cast(status as mood) from item", "select cast((select 1 as one) as mood)",
      "select mood 'good'", "select shop.date 'good'", "select 'item'::regclass",
      "select name from item order by name collate german", "select 'no'\n'w'::timestamptz",
      "select count(id), max(id), min(id), sum(id) from item", "select cube(1)",
      "select * from event where at > 'now'", "select * from event where at > 'Yesterday'::date",
      "insert into event values (7, '[today,)')", "select 'infinity'::date, E'n\\x6fw'::timestamp",
      "select $$now$$::date", "select U&'n\\006fw'::date", "select '12:00'::timetz",
      "select rate()", "select shop.count(1)", "select \"count\"(1)", "select 1 operator(shop.+) 2",
      "select * from report(7)", "insert into item (id) select id from latest(7)", "select $0",
      // rows of a type whose columns may become others
      "insert into shop values (1, row('a', 'b'))", "insert into shop values (1, ('a', 'b'))",
      "insert into shop values (1, 2), (3, ('a', 'b'))", "insert into shop values ('(a,b)')",
      "insert into shop select 1, ('a', 'b')", "insert into shop values ('{\"(a,b)\"}')",
      "update shop set place = ('a', 'b')", "select coalesce(place, ('a', 'b')) from shop",
      "select places || ('a', 'b') from shop", "select array[place, ('a', 'b')] from shop",
      "select case id when 1 then ('a', 'b') else place end from shop",
      "update shop set id = (select 1), place.city = 'x'",
      "update shop set id = (select 1), place = ('a', 'b')",
      "update shop set place = p from (select 'a' as city, 'b' as street) p where id = 1",
      "update shop set id = 1, place = p.* from (select 'a' as city, 'b' as street) p",
      "insert into shop values (1) on conflict (id) do update set place = p",
      // columns of a row that a FROM gets
      "select p.city from shop s, unnest(s.places) p", "select * from unnest((select places))",
      "select city from shop s join lateral unnest(array[s.place]) p on true",
      "select * from shop, rows from (unnest(places))", "select * from unnest(array['(a)'::place])",
      "select p.city from shop s join item i on i.id = s.id, coalesce(s.place) p",
      "select p.city from shop s cross join nullif(s.place, null) p",
      "select p.city from shop s, lateral (select * from greatest(s.place)) p",
      // a `$1` that decides of which type something is
      "select price / $1 from item", "select (price + $1) / 2 from item",
      "select price / 2 from item where price = $1 / 2", "select price ^ $1 from item",
      "select price / 2 from item where coalesce(price, $1) = 7", "select price + $1 from item",
      "update item set price = price - $1", "select nullif($1, price) from item",
      "select greatest(price, $1) from item", "select array[price, $1] from item",
      "select case id when 1 then price else $1 end from item", "select lag(price, 1, $1) over ()",
      "select price from item union select $1", "select price from item where price = ($1) + id",
      "select price from item where id in ($1, 2 + $1)", "select note || $1 from item",
      "select sum(price + $1) from item", "select tags @> $1, data ->> $1 from item",
      "select a from item, lateral (values (price), ($1)) v (a)", "select - $1 from item",
      "select id from item where price = any(array[$1, id])", "select price <> -$1 from item");
  CAPTURE(moving);
  CHECK_FALSE(LastingText(moving).lasts_with({}));
}

TEST_CASE("lasting text: which functions it calls that others may be taken for", "[statements]") {
  using Names = std::vector<std::string>;
  CHECK(LastingText("select count(*), now(), coalesce(id, 1), rank() over () from item").calls() ==
        Names{});
  CHECK(LastingText("select max(lower(name)), max(id) from item").calls() == Names{"max", "lower"});
  CHECK(LastingText("select count(id) from item").calls() == Names{"count"});
}

TEST_CASE("lasting text: of which types a whole number is itself", "[statements]") {
  const auto lasts = [](const char* sql, unsigned type) {
    return LastingText(sql).lasts_with_types({&type, 1});
  };
  for (const unsigned whole : {20U, 21U, 23U, 25U, 1043U, 1700U, 1016U})
    CHECK(lasts("select $1", whole));
  // boolean, bytea, real, double precision, money, date, interval, oid, a user's
  for (const unsigned other : {16U, 17U, 700U, 701U, 790U, 1082U, 1186U, 26U, 16390U}) {
    CHECK_FALSE(lasts("select $1", other));
    CHECK_FALSE(lasts("select $1::date, $1", other));
    CHECK(lasts("select $1::date", other));
  }
}

TEST_CASE("lasting text: what may fill in a default", "[statements]") {
  CHECK(LastingText("insert into item (id) values ($1)").fills_in());
  CHECK(LastingText("update item set price = default").fills_in());
  CHECK_FALSE(LastingText("update item set price = 1").fills_in());
}

TEST_CASE("callers' statements: what is to stay a text stays one", "[statements]") {
  CallersStatements statements;
  static_cast<void>(statements.use("a", {}, {}));
  const std::string name = statements.use("a", {}, {}).name;
  statements.prepared("a", {});
  statements.keep_text("a");
  CHECK(statements.take_dropped() == name);
  for (int i = 0; i < 2 * CallersStatements::kRest; ++i)
    CHECK(statements.use("a", {}, {}).name.empty());
}

TEST_CASE("postgres prepared: a write's first statement is, when it comes for the second time",
          "[statements]") {
  Fixture f;
  const std::string insert = "insert into item values ($1, $2)";
  f.write(insert, 1, 1);
  CHECK(f.prepared() == 0);
  for (int i = 2; i < 10; ++i) f.write(insert, i, i);
  CHECK(f.prepared() == 1);
  CHECK(f.shop.number("select sum(value) from item") == 45);
}

TEST_CASE("postgres prepared: a session keeps a bounded number", "[statements]") {
  Fixture f;
  constexpr int kTexts = 80;
  for (int i = 0; i < kTexts; ++i)
    for (int again = 0; again < 2; ++again) f.write("update item set value = " + std::to_string(i));
  f.write("update item set value = 0");
  CHECK(f.prepared() == static_cast<std::int64_t>(CallersStatements::kMost) - 1);
}

TEST_CASE("postgres prepared: one that the schema has left behind does what its text does",
          "[statements]") {
  Fixture f;
  std::string sql = "insert into item values ($1, $2) on conflict (id) do update set value = $2";
  for (int i = 0; i < 7; ++i) f.write(sql, i, i);
  SECTION("a column becomes wider") {
    f.shop.execute("alter table item alter value type bigint");
    f.write(sql, 1, std::int64_t{1} << 40);
    CHECK(f.shop.number("select max(value) from item") == std::int64_t{1} << 40);
  }
  SECTION("a column is of another kind") {
    f.shop.execute("alter table item alter value type text");
    f.write(sql, 1, "words");
    CHECK(f.shop.text("select value from item where id = 1") == "words");
  }
  SECTION("a column is of another kind, and what looks as before means something else") {
    f.shop.execute("alter table item alter value type text");
    f.write(sql, 1, "007");
    CHECK(f.shop.text("select value from item where id = 1") == "007");
  }
  SECTION("a column comes, the table is made anew") {
    f.shop.execute(
        "drop table item; create table item (id bigint primary key, value bigint, more int)");
    f.write(sql, 1, std::int64_t{1} << 40);
    CHECK(f.shop.number("select count(*) from item") == 1);
  }
  SECTION("the table is gone: the same error as ever") {
    f.shop.execute("drop table item");
    for (int i = 0; i < 2; ++i) CHECK_THROWS_WITH(f.write(sql, 1, 1), Contains("42P01"));
  }
  f.shop.execute("drop table if exists item; create table item (id int primary key, value int)");
  f.write(sql, 1, 7);
  CHECK(f.shop.number("select value from item") == 7);
}

TEST_CASE("postgres prepared: what a write would have settled for good is settled each time",
          "[statements]") {
  Fixture f;
  SECTION("a moment") {
    f.shop.execute("create table event (id int, at timestamptz)");
    for (int i = 0; i < 4; ++i) f.write("insert into event values ($1, 'now')", i);
    CHECK(f.shop.number("select count(distinct at) from event") == 4);
  }
  SECTION("how exact a number is") {
    f.shop.execute("create table price (amount real); insert into price values (0)");
    for (int i = 0; i < 3; ++i) f.write("update price set amount = $1", 0.1);
    f.shop.execute("alter table price alter amount type double precision");
    f.write("update price set amount = $1", 0.1);
    CHECK(f.shop.text("select amount from price") == "0.1");
  }
  SECTION("which field of a value") {
    f.shop.execute(
        "create type place as (city text, street text);"
        "create table shop (id int, place place); insert into shop values (1, row('a', 'b'))");
    const std::string sql = "update shop set place.city = $2::text where id = $1";
    for (int i = 0; i < 3; ++i) f.write(sql, 1, "c");
    f.shop.execute(
        "alter type place rename attribute city to old;"
        "alter type place rename attribute street to city");
    f.write(sql, 1, "d");
    CHECK(f.shop.text("select (place).old || (place).city from shop") == "cd");
  }
  SECTION("which function fits best") {
    f.shop.execute("create table word (word varchar(9)); insert into word values ('A')");
    for (int i = 0; i < 3; ++i) f.write("update word set word = lower(word) where $1 = 1", 1);
    f.shop.execute(
        "create function lower(varchar) returns varchar language sql as $$ select 'mine' $$");
    f.write("update word set word = lower(word) where $1 = 1", 1);
    CHECK(f.shop.text("select word from word") == "mine");
  }
  SECTION("what a domain fills in") {
    f.shop.execute("create domain stars as int default 3; create table film (id int, stars stars)");
    PgProcess process(f.shop, one_connection());
    const std::string sql =
        GENERATE("insert into film (id) values ($1)", "insert into film values ($1, default)");
    const auto insert = [&](int id) {
      process.db.write([&](postgres::Transaction& tx) { tx.execute(sql, id); });
    };
    for (int i = 0; i < 8; ++i) insert(i);
    f.shop.execute("alter domain stars set default 5");
    insert(9);
    CHECK(f.shop.number("select stars from film where id = 9") == 5);
  }
  SECTION("which columns a row has") {
    f.shop.execute(
        "create type place as (city text, street text); create table shop (id int, place place)");
    const std::string sql = std::string("insert into shop values ($1, ") +
                            GENERATE("row('a', 'b'))", "('a', 'b'))", "'(a,b)')");
    for (int i = 0; i < 8; ++i) f.write(sql, i);
    f.shop.execute(
        "alter type place drop attribute street; alter type place add attribute no text");
    f.write(sql, 9);
    CHECK(f.shop.text("select place from shop where id = 9") == "(a,b)");
  }
  SECTION("which columns a query's row has") {
    f.shop.execute(
        "create type place as (city text, street text); create table shop (id int, place place);"
        "insert into shop values (1)");
    const std::string sql =
        "update shop set place = p from (select 'a' as city, 'b' as street) p where id = $1";
    for (int i = 0; i < 8; ++i) f.write(sql, 1);
    f.shop.execute(
        "alter type place drop attribute street; alter type place add attribute no text");
    f.write(sql, 1);
    CHECK(f.shop.text("select place from shop") == "(a,b)");
  }
  SECTION("which columns a FROM's row has") {
    f.shop.execute(
        "create type place as (city text, street text); create table shop (place place);"
        "insert into shop values (row('a', 'b')); create table city (id int, name text)");
    const std::string sql =
        "insert into city select id, p.city from shop, coalesce(shop.place) p, item where id = $1";
    f.write("insert into item values (1)");
    for (int i = 0; i < 8; ++i) f.write(sql, 1);
    f.shop.execute(
        "delete from city; alter type place rename attribute city to old;"
        "alter type place rename attribute street to city");
    f.write(sql, 1);
    CHECK(f.shop.text("select name from city") == "b");
  }
  SECTION("that a rule has nothing done instead") {
    f.shop.execute("insert into item values (1, 1)");
    const bool at_first = GENERATE(true, false);
    if (at_first) f.shop.execute("create rule kept as on update to item do instead nothing");
    PgProcess process(f.shop, one_connection(), f.clock);
    const auto update = [&] {
      process.db.write([&](postgres::Transaction& tx) {
        tx.execute("update item set value = 7 where id = $1", 1);
      });
    };
    for (int i = 0; i < 8; ++i) update();
    if (!at_first) {  // it is looked for again after a minute
      f.shop.execute(
          "update item set value = 1;"
          "create rule kept as on update to item do instead nothing");
      f.clock.advance(61s);
      for (int i = 0; i < 8; ++i) update();
    }
    CHECK(f.shop.number("select value from item") == 1);
    f.shop.execute("drop rule kept on item");
    update();
    CHECK(f.shop.number("select value from item") == 7);
  }
  SECTION("of which type a difference is") {
    f.shop.execute("create table list (id int, held int); insert into list values (1, 9)");
    const std::string sql = "update list set held = held - $1 where id = $2";
    for (int i = 0; i < 8; ++i) f.write(sql, 1, 1);
    f.shop.execute("alter table list alter held type jsonb using '[5, 6, 7]'");
    f.write(sql, 1, 1);
    CHECK(f.shop.text("select held from list") == "[5, 6, 7]");  // no item with the key "1"
  }
  SECTION("of which type a number is") {
    const auto [type, value, as_text] =
        GENERATE(table<std::string, int, std::string>({{"boolean", 1, "1"},
                                                       {"date", 20200102, "20200102"},
                                                       {"interval", 1, "1"},
                                                       {"money", 7, "7"},
                                                       {"real", 16777216, "16777216"},
                                                       {"bytea", 1, "1"}}));
    CAPTURE(type);
    f.shop.execute("create table kind (value " + type + ")");
    const bool sent = GENERATE(false, true);
    const auto insert = [&] {
      f.process.db.write([&, number = value](postgres::Transaction& tx) {
        const std::string sql = "insert into kind values ($1)";
        if (sent)
          tx.send(sql, number);
        else
          tx.execute(sql, number);
      });
    };
    for (int i = 0; i < 8; ++i) insert();
    f.shop.execute("delete from kind; alter table kind alter value type text");
    insert();
    CHECK(f.shop.text("select value from kind") == as_text);
  }
  SECTION("which table a name means") {
    postgres::Options options = one_connection();
    options.session.search_path = "front, public";
    const bool at_first = GENERATE(true, false);
    if (at_first) f.shop.execute("create schema front");
    PgProcess behind(f.shop, options);
    const bool sent = GENERATE(true, false);
    const auto insert = [&](int id) {
      behind.db.write([&](postgres::Transaction& tx) {
        if (sent)
          tx.send("insert into item values ($1, 1)", id);
        else
          tx.execute("insert into item values ($1, 1)", id);
      });
    };
    for (int i = 0; i < 4; ++i) insert(i);
    if (!at_first) f.shop.execute("create schema front");
    if (!at_first) insert(4);
    f.shop.execute("create table front.item (id int primary key, value int)");
    insert(5);
    CHECK(f.shop.number("select count(*) from front.item") == 1);
    CHECK(f.shop.number("select count(*) from public.item") == (at_first ? 4 : 5));
  }
}

TEST_CASE("postgres prepared: a result of other columns than before is returned, not refused",
          "[statements]") {
  Fixture f;
  const auto columns = [&] {
    return f.process.db
        .write([](postgres::Transaction& tx) { return tx.query("select * from item").columns(); })
        .value;
  };
  for (int i = 0; i < 3; ++i) CHECK(columns() == 3);
  f.shop.execute("alter table item add column later int");
  CHECK(columns() == 4);
}

TEST_CASE("postgres prepared: a statement that fails fails as its text does, and once",
          "[statements]") {
  Fixture f;
  const std::string insert = "insert into item values ($1, $2)";
  for (int i = 0; i < 3; ++i) f.write(insert, i, i);
  CHECK_THROWS_WITH(f.write(insert, 1, 1), Contains("23505") && Contains(insert));
  CHECK_THROWS_WITH(f.write(insert, "x", 1), Contains("22P02") && Contains(insert));
  f.write(insert, 9, 9);
  CHECK(f.shop.number("select count(*) from item") == 4);
  const std::string wrong = "insrt into item";
  for (int i = 0; i < 3; ++i) CHECK_THROWS_WITH(f.write(wrong), Contains("42601"));
}
