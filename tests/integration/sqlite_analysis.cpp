// On which rows of which tables the result of a query can depend: what is said of each kind of text.

#include <catch2/catch.hpp>

#include "analysis/analyse.hpp"
#include "querymark/sqlite/analyse.hpp"
#include "querymark/support/error.hpp"
#include "support/tracked_file.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Contains;

namespace {

struct Shopping : TrackedFile {
  Shopping()
      : TrackedFile(
            "create table product (id integer primary key, name text, category int, price real, "
            "note text collate nocase);"
            "create table item (id integer primary key, product int, amount int);"
            "create table loose (id integer primary key);"
            "create table made (id integer primary key, up as (upper(name)), name text);"
            "create table dated (id integer primary key, day as (date(at)), at text);"
            "create view cheap as select id, name from product where price < 5;"
            "create view today as select id from item where amount > unixepoch();"
            "create view loosely as select id from loose;"
            "create virtual table words using fts5 (word)") {
    track({"product"}, {{"id"}, {"category"}, {"name"}});
    track({"item"}, {{"id"}, {"product"}});
    track({"made", "dated"});
  }

  Analysis of(const std::string& sql) { return sqlite::analyse(path(), sql); }
  std::string rows(const std::string& sql) {
    const std::string text = of(sql).str();
    return text.starts_with("cache") ? text.substr(5) : text;
  }
};

const std::string kAny = "\n  main:product, any row";

}  // namespace

TEST_CASE("sqlite analysis: an equality in WHERE tells which rows count", "[analysis]") {
  Shopping shop;
  const std::string by_id = "\n  main:product by id = $1";
  for (const char* where :
       {"id = ?", "id == ?", "?1 = id", "\"id\" = ?", "[id] = :id", "product.id = @id",
        "price > 2 and id = $id", "id = ? -- it\n", "not (price > 2) and id = ?1",
        "(category = 3 or name = 'x') and id = ?", "product.rowid = ?",
        "id = ? order by name limit 1", "id in (?)", "id = ? and note like 'a' escape 'b'"})
    CHECK(shop.rows(std::string("select name, price from product where ") + where) == by_id);
  CHECK(shop.rows("select 1 from main.product as p where p.id = -7;") ==
        "\n  main:product by id = -7");
  CHECK(shop.rows("select 1 from product where id in (1, ?, -2)") ==
        "\n  main:product by id = 1 or $1 or -2");
  CHECK(shop.rows("select 1 from product where id in (select value from json_each(?))") ==
        "\n  main:product by id = $1[]");
  CHECK(shop.rows("select 1 from product where name = 'a''b'") == "\n  main:product by name = a'b");
  CHECK(shop.rows("select count(*), max(price) from product where category = ?2 and price > ?1 "
                  "group by name") == "\n  main:product by category = $2");
  // A unique one before others.
  CHECK(shop.rows("select 1 from product where category = ? and id = ?") ==
        "\n  main:product by id = $2");
}

TEST_CASE("sqlite analysis: what is not an equality beyond doubt leaves any row", "[analysis]") {
  Shopping shop;
  for (const char* where : {"1",
                            "id > ?",
                            "id = ? or price > 2",
                            "id between 1 and category = ?",
                            "not id = ?",
                            "id is ?",
                            "id + 0 = ?",
                            "id = ? + 1",
                            "+id = ?",
                            "id = ? collate nocase",
                            "id = price = ?",
                            "case when id = ? then 1 end",
                            "id = (?)",
                            "(id = ?)",
                            "id = '7'",
                            "id = 7.0",
                            "id = 0x7",
                            "id in (1, null)",
                            "id not in (?)",
                            "note = ?",
                            "price = ?",
                            "name = 7",
                            "id = ? is null",
                            "id in (select id from product)",
                            "rowid = ?",
                            "name || '' = ?",
                            "case when id = 1 and id = ? then 1 else 0 end",
                            "id >= ? and id <= ?",
                            "id is not distinct from ?",
                            "1 group by name having id = ?",
                            "1 group by name having 1 and id = ?",
                            "case when 1 and id = ? and 1 then 1 else 1 end",
                            "note = name and note = ?",
                            "name = note and note = 'x'",
                            "id = ? union select 1, 2"})
    CHECK(shop.rows(std::string("select name, price from product where ") + where) == kAny);
  CHECK(shop.rows("select 1 from product where id = ? union all select 1 from product") == kAny);
  // Of the second arm, which has no WHERE in common with the first.
  CHECK(
      shop.rows(
          "select id from product where price > 2 union select id from item where 1 and id = ?") ==
      "\n  main:item, any row" + kAny);
  CHECK(shop.rows("select id is distinct from 3 from product where id = ?") ==
        "\n  main:product by id = $1");
  CHECK(shop.rows("select (select count(*) from product where id = ?)") == kAny);
  CHECK(shop.rows("select 1 from product p where p.id = ? and exists (select 1 from product)") ==
        kAny);
}

TEST_CASE("sqlite analysis: joins carry equalities to where they hold", "[analysis]") {
  Shopping shop;
  const std::string both = "\n  main:item by product = $1\n  main:product by id = $1";
  // Not to one of another type: 7 equals '07', which triggers write otherwise.
  CHECK(
      shop.rows("select 1 from item i join product p on p.name = i.product where i.product = ?") ==
      "\n  main:item by product = $1" + kAny);
  CHECK(shop.rows("select 1 from item i join product p on p.id = i.product where p.id = ?") ==
        both);
  CHECK(shop.rows("select 1 from item i, product p where p.id = i.product and i.product = ?") ==
        both);
  CHECK(shop.rows("select 1 from product p left join item i on i.product = p.id where p.id = ?") ==
        both);
  CHECK(shop.rows("select 1 from product p left join item i on i.product = p.id and p.id = ?") ==
        "\n  main:item by product = $1" + kAny);
  CHECK(shop.rows("select 1 from item i left join product p on p.id = 3 where i.id = ?") ==
        "\n  main:item by id = $1\n  main:product by id = 3");
  CHECK(shop.rows("select 1 from product p right join item i on i.product = p.id where p.id = ?") ==
        "\n  main:item, any row" + kAny);
  CHECK(shop.rows("select 1 from product p full join item i on i.product = p.id where p.id = ?") ==
        "\n  main:item, any row" + kAny);
  // An inner join's ON holds of what stands before it, too, a left join's of nothing else.
  CHECK(
      shop.rows("select 1 from item i left join product p on p.id = 3 join item j on i.id = ? and "
                "j.id = 4") ==
      "\n  main:item by id = $1\n  main:item by id = 4\n  main:product by id = 3");
  CHECK(shop.rows("select 1 from product a, product b where a.id = 1 and b.id = ?") ==
        "\n  main:product by id = 1\n  main:product by id = $1");
  CHECK(shop.rows("select 1 from product a, product b where a.id = 1") == kAny);
  CHECK(shop.rows("select 1 from (product p join item i on i.product = p.id) where p.id = ?") ==
        "\n  main:item, any row" + kAny);
  // A bare name may be any item's.
  CHECK(shop.rows("select 1 from product, made where category = ?") ==
        "\n  main:made, any row" + kAny);
}

TEST_CASE("sqlite analysis: views and common tables are seen through, whatever they are called",
          "[analysis]") {
  Shopping shop;
  CHECK(shop.rows("select * from cheap where id = ?") == kAny);
  CHECK(shop.rows("select * from product p, cheap where p.id = ?") == kAny);
  CHECK(shop.rows("select count(*) from cheap") == kAny);
  CHECK(shop.rows("with product as (select id from item) select * from product where id = ?") ==
        "\n  main:item, any row");
  CHECK(shop.rows("with few as (select 1 as id) select count(*) from few").empty());
  CHECK(shop.rows("select * from (select * from product) p where p.id = ?") == kAny);
  CHECK(shop.rows("select value from json_each(?)").empty());
}

TEST_CASE("sqlite analysis: what depends on more than tables is not kept, and says why",
          "[analysis]") {
  Shopping shop;
  const auto why = [&](const std::string& sql, Verdict verdict) {
    const Analysis analysis = shop.of(sql);
    CAPTURE(sql, analysis.str());
    CHECK(analysis.verdict == verdict);
    return analysis.why;
  };
  using enum Verdict;
  CHECK_THAT(why("select date('now')", ttl_only), Contains("date depends on the time"));
  CHECK_THAT(why("select current_timestamp", ttl_only), Contains("time"));
  CHECK_THAT(why("select * from today", ttl_only), Contains("unixepoch"));
  CHECK_THAT(why("select day from dated", ttl_only), Contains("date"));
  CHECK_THAT(why("select * from loosely", ttl_only),
             Contains("loose: it is not tracked; run querymark track"));
  CHECK_THAT(why("select count(*) from loose", ttl_only), Contains("not tracked"));
  CHECK_THAT(why("select * from words", ttl_only), Contains("virtual"));
  CHECK_THAT(why("select sqlite_version()", ttl_only), Contains("not known"));
  CHECK_THAT(why("select random(), date('now')", refuse), Contains("random"));
  CHECK_THAT(why("select changes()", refuse), Contains("connection"));
  CHECK_THAT(why("explain select 1", refuse), Contains("schema"));
  CHECK_THAT(why("select * from sqlite_master", refuse), Contains("sqlite_master"));
  CHECK_THAT(why("select * from querymark_log", refuse), Contains("querymark_log"));
  CHECK_THAT(why("select count(*) from words_data", refuse), Contains("words_data"));
  CHECK_THAT(why("select * from pragma_table_info('item')", refuse), Contains("pragma_table_info"));
  CHECK(why("select up, lower(name), sum(id) over () from made", cache).empty());
  CHECK_THROWS_AS(shop.of("delete from product"), ConfigError);
  CHECK_THROWS_AS(shop.of("select nonsense"), ConfigError);
  CHECK_THROWS_AS(shop.of("select 1; select 2"), ConfigError);
}

TEST_CASE("sqlite analysis: a table with the name of a table-valued function is a table",
          "[analysis]") {
  Shopping shop;
  CHECK(shop.rows("select value from json_each(?)").empty());
  shop.execute(
      "create table json_each (key, value); create view json_tree as select * from product");
  shop.track({"json_each"});
  CHECK(shop.rows("select value from json_each") == "\n  main:json_each, any row");
  CHECK(shop.rows("select count(*) from main.JSON_EACH") == "\n  main:json_each, any row");
  CHECK(shop.rows("select * from json_tree") == kAny);
  shop.execute("drop table json_each; create virtual table json_each using fts5 (value)");
  CHECK(shop.of("select value from json_each").verdict == Verdict::ttl_only);
}

TEST_CASE("sqlite analysis: it is of one schema, and follows what changes in it", "[analysis]") {
  Shopping shop;
  sqlite::Connection reader(shop.path(), sqlite::Connection::Use::read, {});
  const std::string sql = "select * from product where id = ?";
  const sqlite::SchemaAnalysis before = sqlite::analyse(reader, sql);
  CHECK(before.analysis.verdict == Verdict::cache);
  shop.execute("drop trigger querymark_insert_product");
  const sqlite::SchemaAnalysis after = sqlite::analyse(reader, sql);
  CHECK(after.analysis.verdict == Verdict::ttl_only);
  CHECK(after.schema_version > before.schema_version);
  shop.track({"product"});
  CHECK(sqlite::analyse(reader, sql).analysis.str() == before.analysis.str());
  shop.execute("create trigger odd after insert on querymark_log begin select 1; end");
  CHECK_THAT(sqlite::analyse(reader, sql).analysis.why, Contains("querymark_log"));
}

TEST_CASE(
    "sqlite analysis: the rows of one key of a list depend on that key, where nothing sees several",
    "[analysis]") {
  Shopping shop;
  const std::string apart = "\n  each key in $1 by itself\n  main:product by ";
  const std::string k = " from json_each(?) as k ";
  const std::string join = k + "join product p on p.id = k.value";
  CHECK(shop.rows("select k.key, p.*" + join) == apart + "id = $1[]");
  CHECK(shop.rows("select k.key, p.*" + k + "left join product p on k.value = p.name") ==
        apart + "name = $1[]");
  CHECK(shop.rows("select distinct k.key as key, p.name" + k +
                  ", product p where p.id = k.value "
                  "order by p.name") == apart + "id = $1[]");
  CHECK(shop.rows("select k.key, count(*), max(p.name)" + join +
                  " group by p.name, k.key "
                  "having count(*) > 1") == apart + "id = $1[]");
  CHECK(shop.rows("select k.key, upper(p.name)" + join) == apart + "id = $1[]");
  const std::string together = "\n  main:product by id = $1[]";
  for (const std::string& sql :
       {"select k.key, count(*)" + join, "select k.key, count(*) over ()" + join,
        "select k.key, p.id" + join + " limit 1",
        "select k.key, max(p.id)" + join + " group by p.name", "select k.value, p.id" + join,
        "select k.key + 0, p.id" + join, "select p.id, k.key" + join,
        "select k.key, p.id" + join + " where ?1 <> ''", "select k.key, k.json" + join,
        "select k.key, p.id" + join + " where p.name in (select value from json_each(\"json\"))"}) {
    INFO(sql);
    CHECK(shop.rows(sql) == together);
  }
  CHECK(shop.rows("select k.key, p.*" + k + "join product p on p.id = k.atom") ==
        "\n  each key in $1 by itself" + kAny);
  CHECK(shop.rows("select k.key, p.*" + k + "join product p on p.id = value") ==
        "\n  each key in $1 by itself" + kAny);
  CHECK(shop.rows(
            "select k.key, p.* from json_each(?, '$.a') as k join product p on p.id = k.value") ==
        kAny);
  CHECK(shop.rows("select k.key, p.* from json_tree(?) as k join product p on p.id = k.value") ==
        kAny);
}

TEST_CASE("sqlite analysis: what is vouched for is a table, and adds all of its rows",
          "[analysis]") {
  Shopping shop;
  const auto of = [&](const Promises& promises) {
    return sqlite::analyse(shop.path(), "select name from product where id = ?", promises);
  };
  CHECK(of({{"item"}, {}}).str() == "cache\n  main:product by id = $1\n  main:item, any row");
  CHECK(of({{"main.product"}, {}}).str() == "cache\n  main:product by id = $1" + kAny);
  CHECK(of({{"loose"}, {}}).verdict == Verdict::ttl_only);
  CHECK(of({{"cheap"}, {}}).verdict == Verdict::refuse);
  CHECK(of({{"nothing"}, {}}).verdict == Verdict::refuse);
}
