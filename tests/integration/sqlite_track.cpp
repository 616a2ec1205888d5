// What the triggers of `track` report, whoever writes and however.

#include "querymark/sqlite/track.hpp"

#include <catch2/catch.hpp>

#include "querymark/support/error.hpp"
#include "support/tracked_file.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Contains;

namespace {

using Reports = std::set<std::string>;

constexpr const char* kProducts =
    "create table product (id integer primary key, name text not null unique, category int, note "
    "text);"
    "insert into product values (1, 'tea', 10, null), (2, 'cup', 20, null), (3, 'pot', 30, null);";

struct Products : TrackedFile {
  Products() : TrackedFile(kProducts) { track({"product"}, {{"id"}, {"category"}}); }
};

Reports product(std::initializer_list<const char*> rows) {
  Reports out;
  for (const char* row : rows) out.insert(std::string("rows main:product:") + row);
  return out;
}

std::vector<std::string> errors_of(const std::vector<Finding>& findings) {
  std::vector<std::string> errors;
  for (const Finding& finding : findings)
    if (finding.severity == Finding::Severity::error) errors.push_back(finding.what);
  return errors;
}

}  // namespace

TEST_CASE("track: rows that appear, change and go are reported by their values, old and new",
          "[track]") {
  Products file;
  CHECK(file.reported("insert into product values (7, 'jug', 10, null)") ==
        product({"id:7", "category:10"}));
  CHECK(file.reported("update product set note = 'x' where id = 7") ==
        product({"id:7", "category:10"}));
  CHECK(file.reported("update product set category = 11 where id = 7") ==
        product({"id:7", "category:10", "category:11"}));
  CHECK(file.reported("update product set id = 8 where id = 7") ==
        product({"id:7", "id:8", "category:11"}));
  CHECK(file.reported("delete from product where id = 8") == product({"id:8", "category:11"}));
  CHECK(file.reported("update product set note = 'x' where id = 99").empty());
  CHECK(file.reported("insert into product (name) values ('mat')") ==
        Reports{"rows main:product:id:4", "rows main:product"});
  CHECK(file.reported("delete from product").size() == 8);
}

TEST_CASE("track: the primary key is the default, also one of several columns without rowids",
          "[track]") {
  TrackedFile file(
      "create table stock (shop text, item int, amount int, primary key (shop, item)) without "
      "rowid;"
      "create table note (text)");
  const TrackReport report = file.track({"stock", "NOTE"});
  REQUIRE(report.tables.size() == 2);
  CHECK(report.tables[0].table == "note");
  CHECK(report.tables[0].routes.empty());
  CHECK(report.tables[0].note == "it has no primary key");
  CHECK(report.tables[1].routes == std::vector<std::string>{"shop+item"});
  CHECK(file.reported("insert into stock values ('a,b', 1, 1)") ==
        Reports{"rows main:stock:shop+item:a%2Cb+1"});
  CHECK(file.reported(
            "insert into note values ('x'); update note set text = 'y'; delete from note") ==
        Reports{"rows main:note"});
}

TEST_CASE("track: what REPLACE removes is reported, by whichever key and spelling", "[track]") {
  Products file;
  // Without recursive triggers it fires no trigger for the row that goes.
  CHECK(file.reported("insert or replace into product values (9, 'tea', 90, null)") ==
        product({"id:1", "category:10", "id:9", "category:90"}));
  CHECK(file.reported("replace into product values (2, 'lid', 91, null)") ==
        product({"id:2", "category:20", "category:91"}));
  CHECK(file.reported("update or replace product set name = 'pot' where id = 9") ==
        product({"id:9", "category:90", "id:3", "category:30"}));
  CHECK(file.reported("update or replace product set rowid = 9 where id = 2") ==
        product({"id:2", "id:9", "category:91", "category:90"}));
}

TEST_CASE("track: what an update has removed that takes its own row along is reported", "[track]") {
  TrackedFile file(
      "pragma foreign_keys = on;"
      "create table part (id integer primary key, whole int references part on delete cascade);"
      "insert into part values (1, null), (2, 1), (3, null)");
  file.track({"part"});
  CHECK(file.reported("update or replace part set id = 1 where id = 2") ==
        Reports{"rows main:part:id:1", "rows main:part:id:2"});
  CHECK(file.writer().execAndGet("select group_concat(id) from part").getString() == "3");
}

TEST_CASE("track: REPLACE by a constraint's own clause, and by a default in the place of a NULL",
          "[track]") {
  TrackedFile file(
      "create table a (id integer primary key, k text unique on conflict replace, v int);"
      "create table b (id integer primary key, k text not null default 'd' unique);"
      "create table c (id integer primary key, k int not null default (abs(-5)) unique);"
      "create table d (k text, v int, w text); create unique index dk on d (k collate nocase);"
      "insert into a values (1, 'x', 1); insert into b values (1, 'd'); insert into d values ('K', "
      "7, 'w')");
  file.track({"a", "b", "c"});
  file.track({"d"}, {{"v"}});
  CHECK(file.reported("insert into a values (2, 'x', 2)") ==
        Reports{"rows main:a:id:1", "rows main:a:id:2"});
  CHECK(file.reported("insert or replace into b values (2, null)") ==
        Reports{"rows main:b:id:1", "rows main:b:id:2"});
  // What stands in the place of a NULL is not known beforehand: no routes, so no rows to tell apart.
  CHECK(file.reported("insert into c (id) values (1)") == Reports{"rows main:c"});
  CHECK(file.reported("insert or replace into d values ('k', 8, 'w')") ==
        Reports{"rows main:d:v:7", "rows main:d:v:8"});
  CHECK(file.reported("insert or replace into d (rowid, k, v) values (2, 'z', 9)") ==
        Reports{"rows main:d:v:8", "rows main:d:v:9"});
}

TEST_CASE("track: a table with a partial or computed unique index has no routes", "[track]") {
  TrackedFile file(
      "create table a (id integer primary key, k text); create unique index ak on a (k) where k > "
      "'m';"
      "create table b (id integer primary key, k text); create unique index bk on b (lower(k))");
  const TrackReport report = file.track({"a", "b"});
  CHECK(report.tables[0].routes.empty());
  CHECK_THAT(report.tables[0].note, Contains("partial"));
  CHECK(report.tables[1].routes.empty());
  CHECK(file.reported("insert into a values (1, 'x'); insert or replace into a values (2, 'x')") ==
        Reports{"rows main:a"});
  CHECK_THROWS_WITH(file.track({"a"}, {{"id"}}), Contains("partial"));
}

TEST_CASE("track: upserts, RETURNING, OR IGNORE, cascades, savepoints and WITH RECURSIVE",
          "[track]") {
  Products file;
  file.execute(
      "pragma foreign_keys = on;"
      "create table part (id integer primary key, product int references product on delete cascade "
      "on update cascade);"
      "insert into part values (1, 1), (2, 1), (3, 2)");
  file.track({"part"}, {{"id"}, {"product"}});
  CHECK(file.reported("insert into product values (1, 'x', 5, null) on conflict (id) do update set "
                      "category = 12") == product({"id:1", "category:10", "category:12"}));
  CHECK(file.reported("update product set id = 5 where id = 1") ==
        Reports{"rows main:product:id:1", "rows main:product:id:5", "rows main:product:category:12",
                "rows main:part:id:1", "rows main:part:id:2", "rows main:part:product:1",
                "rows main:part:product:5"});
  CHECK(file.reported("insert or replace into product values (8, 'cup', 1, null)")
            .count("rows main:part:id:3") == 1);
  CHECK(file.reported("delete from product where id = 5").count("rows main:part:product:5") == 1);
  CHECK(file.reported("savepoint s; delete from product; rollback to s; release s").empty());
  CHECK(file.reported("begin; delete from product; rollback").empty());
  {
    static_cast<void>(file.reported());
    SQLite::Statement returning(file.writer(), "delete from product where id = 3 returning id");
    while (returning.executeStep()) {
    }
    CHECK(file.reported() == product({"id:3", "category:30"}));
  }
  file.execute(
      "insert or ignore into product with recursive n (i) as (select 100 union all select i + 1 "
      "from n limit 1000) "
      "select i, 'n' || i, i, null from n");
  CHECK(file.reported().size() == 2000);
}

TEST_CASE("track: a value that its column's class does not foresee makes the whole relation change",
          "[track]") {
  TrackedFile file("create table t (a int, b text, c int); insert into t values (1, 'x', 0)");
  file.track({"t"}, {{"a"}, {"b"}});
  CHECK(file.reported("update t set a = 'no number'") ==
        Reports{"relation main:t", "rows main:t:b:x", "rows main:t:a:1"});
  CHECK(file.reported("update t set a = 7.5") == Reports{"relation main:t", "rows main:t:b:x"});
  CHECK(file.reported("update t set a = '8', b = x'41'").count("rows main:t:a:8") == 1);
  CHECK(file.reported("update t set a = null, b = null").count("relation main:t") == 1);
  CHECK(file.reported("update t set c = 1") == Reports{"rows main:t"});
}

TEST_CASE("track: values are written as queries write them, and none fails a write", "[track]") {
  TrackedFile file("create table t (id integer primary key, s text)");
  file.track({"t"}, {{"s"}});
  const auto longest = std::string(kMaxRouteValue, 'x');
  for (const std::string& value :
       {std::string("a:b,c+d%e"), std::string(), longest, std::string("\xC3\xA4\xE2\x82\xAC")}) {
    static_cast<void>(file.reported());
    SQLite::Statement insert(file.writer(), "insert into t (s) values (?)");
    insert.bind(1, value);
    insert.exec();
    const std::string values[] = {value};
    CHECK(file.invalidated() == Reports{"%any:main:t", row_of("main:t", "s", values).text()});
  }
  // Too long as it is, and as it would be written: any row.
  for (const std::string& value :
       {longest + 'x', std::string(43, '%'), std::string(5'000'000, ':')}) {
    static_cast<void>(file.reported());
    SQLite::Statement insert(file.writer(), "insert or ignore into t (s) values (?)");
    insert.bind(1, value);
    insert.exec();
    CHECK(file.invalidated() == Reports{"%any:main:t"});
  }
  // What is no text to others is a report that nobody can read: everything goes.
  CHECK(file.fails("insert into t (s) values (cast(x'80ff' as text)), ('a' || char(0) || 'b')") ==
        false);
  CHECK(file.invalidated() == Reports{"flush"});
  file.execute("delete from t");
  CHECK(file.invalidated().count("flush") == 1);
}

TEST_CASE("track: names with whatever SQLite lets stand in them", "[track]") {
  const std::string table = "we:i,rd+'\"\"t/*%\xC3\xA4";
  TrackedFile file("create table \"" + table +
                   "\" (\"i,d*/\" integer primary key, \"na:m+'e\" text unique, [select] int)");
  const std::string name = "we:i,rd+'\"t/*%\xC3\xA4";
  file.track({name}, {{"i,d*/"}, {"na:m+'e", "select"}});
  CHECK(errors_of(sqlite::check_tracking(file.path())).empty());
  CHECK(file.track({name}).tables[0].statements.empty());
  CHECK(file.reported("insert into \"" + table + "\" values (5, 'z', 6)") ==
        Reports{"rows main:we%3Ai%2Crd%2B'\"t/*%25\xC3\xA4:i%2Cd*/:5",
                "rows main:we%3Ai%2Crd%2B'\"t/*%25\xC3\xA4:na%3Am%2B'e+select:z+6"});
  CHECK(file.reported("insert or replace into \"" + table + "\" values (6, 'z', 7)").size() == 4);
}

TEST_CASE("track: a user's own triggers, and recursive ones", "[track]") {
  Products file;
  file.execute(
      "create table audit (id integer primary key, what text);"
      "create trigger stamp after update on product when new.note is null begin "
      "update product set note = 'stamped', category = category + 1 where id = new.id; end");
  file.track({"product"});
  CHECK(file.reported("update product set name = 'pan' where id = 3") ==
        product({"id:3", "category:30", "category:31"}));
  file.execute("pragma recursive_triggers = on");
  CHECK(file.reported("insert or replace into product values (1, 'cup', 5, 'n')") ==
        product({"id:1", "id:2", "category:10", "category:20", "category:5"}));
}

TEST_CASE("track: a user's own trigger stays, whatever its name begins with", "[track]") {
  TrackedFile file(
      "create table t (id integer primary key, v int); create table told (id int);"
      "create trigger querymark_told after insert on t begin insert into told values (new.id); "
      "end");
  file.track({"t"});
  CHECK(errors_of(sqlite::check_tracking(file.path())).empty());
  file.track({"t"}, {{"v"}});
  sqlite::untrack(file.path(), {.tables = {"t"}});
  file.execute("insert into t values (7, 1)");
  CHECK(file.writer().execAndGet("select id from told").getInt() == 7);
  CHECK(file.reported().empty());
}

TEST_CASE("track: a trigger that may end a statement before its report is found", "[track]") {
  Products file;
  const auto check = [&] { return errors_of(sqlite::check_tracking(file.path())); };
  CHECK(check().empty());
  file.execute(
      "create table audit (id integer primary key); insert into audit values (50), (51);"
      "create trigger theirs after insert on product begin insert into audit values (new.id); end");
  // It is for this that the order counts: the change stays, the report is not made.
  CHECK(file.fails("insert or fail into product values (50, 'a', 1, null)"));
  CHECK(file.reported().count("rows main:product:id:50") == 0);
  REQUIRE(check().size() == 1);
  CHECK_THAT(check()[0], Contains("theirs was created after ours"));
  file.track({"product"});
  CHECK(check().empty());
  CHECK(file.fails("insert or fail into product values (51, 'b', 1, null)"));
  CHECK(file.reported().count("rows main:product:id:51") == 1);
  file.execute(
      "create trigger before_is_harmless before insert on product when new.id = 60 begin select "
      "raise(ignore); end");
  CHECK(check().empty());
  file.execute(
      "drop trigger querymark_log_newest;"
      "create trigger querymark_log_newest before insert on querymark_log begin select 1; end");
  REQUIRE(check().size() == 1);
  CHECK_THAT(check()[0], Contains("querymark_log_newest"));
}

TEST_CASE("track: what may end a statement before its report, where a foreign key acts, is found",
          "[track]") {
  TrackedFile file(
      "pragma foreign_keys = on;"
      "create table parent (id integer primary key, v int);"
      "create table child (id integer primary key, p int references Parent on delete cascade on "
      "update set null);"
      "create table audit (id integer primary key); create table aside (p int references parent);"
      "insert into parent values (1, 1), (2, 2), (3, 3); insert into child select id, id from "
      "parent;"
      "create trigger keeps before delete on aside begin select raise(fail, 'kept'); end;");
  const auto found = [&](const std::string& what) {
    const auto errors = errors_of(sqlite::check_tracking(file.path()));
    return errors.size() == 1 && errors[0].find("action may lead to " + what) != std::string::npos;
  };
  const auto none_found = [&] { return errors_of(sqlite::check_tracking(file.path())).empty(); };
  file.track({"parent"});
  CHECK(none_found());  // no action leads to what keeps things aside
  file.execute(
      "create trigger theirs after delete on child begin select raise(fail, 'no'); end;"
      "create trigger theirs_too after update on child begin select raise(fail, 'no'); end");
  // It is for this that it counts: the changes stay, none is reported.
  for (const char* write : {"delete from parent where id = 1", "replace into parent values (2, 9)",
                            "update parent set id = 9 where id = 3"}) {
    static_cast<void>(file.reported());
    CHECK(file.fails(write));
    CHECK(file.reported().empty());
  }
  CHECK(file.writer().execAndGet("select group_concat(id) from parent").getString() == "9");
  CHECK(found("the trigger theirs"));
  CHECK_THROWS_WITH(file.track({"parent"}), Contains("ABORT does not"));
  CHECK(file.track({"child"}).tables[0].note.empty());  // there it is the table's own
  sqlite::untrack(file.path(), {.tables = {"child"}});
  file.execute(
      "drop trigger theirs; drop trigger theirs_too;"
      "create trigger theirs after delete on child begin select raise(abort, 'raise(fail)'); end");
  CHECK(none_found());
  // By further actions.
  file.execute(
      "create table grandchild (c int references child on update set default);"
      "create trigger far after update on grandchild begin select raise(fail, 'far'); end");
  CHECK(found("the trigger far"));
  file.execute("drop table grandchild");
  CHECK(none_found());
  // By whatever is written for it, through views and by constraints.
  file.execute(
      "drop trigger theirs; create view audited as select id from audit;"
      "create trigger theirs after delete on child begin insert into AUDITED values (old.id); end;"
      "create trigger into_audit instead of insert on audited begin insert into audit values "
      "(new.id); end;");
  CHECK(none_found());
  file.execute(
      "create trigger full before insert on audit begin select case when new.id > 7 then raise "
      "/**/ "
      "( FAIL , 'full') end; end");
  CHECK(found("the trigger full"));
  file.execute(
      "drop trigger full; create trigger more after insert on audit begin insert or fail into "
      "aside "
      "values (1); end");
  CHECK(found("the trigger more"));
  file.execute(
      "drop trigger more; drop table audit; create table audit (id integer primary key on conflict "
      "fail); insert into audit values (5); insert into parent values (6, 6); insert into child "
      "values (5, 6)");
  CHECK(found("the table audit"));
  static_cast<void>(file.reported());
  CHECK(file.fails("delete from parent where id = 6"));
  CHECK(file.reported().empty());
  CHECK(file.writer().execAndGet("select count(*) from parent where id = 6").getInt() == 0);
}

TEST_CASE("track: what is no longer as it was made is found, and made anew", "[track]") {
  Products file;
  const auto check = [&] { return errors_of(sqlite::check_tracking(file.path())); };
  const auto broken_by = [&](const std::string& sql) {
    file.execute(sql);
    const bool found = check().size() == 1;
    sqlite::track(file.path(), {.all = true});
    return found && check().empty();
  };
  CHECK(broken_by("drop trigger querymark_delete_product"));
  CHECK(broken_by("drop trigger querymark_guard_insert_product"));
  CHECK(
      broken_by("drop trigger querymark_update_product; create trigger querymark_update_product "
                "after update on product "
                "begin /* querymark 1 id,category */ select 1; end"));
  CHECK(broken_by("create unique index note on product (note)"));
  CHECK(broken_by("alter table product rename column category to kind"));
  // The comment still has the old name: that route is gone until it is asked for.
  CHECK(file.reported("update product set kind = 77 where id = 1") == product({"id:1"}));
  file.track({"product"}, {{"id"}, {"kind"}});
  CHECK(broken_by("alter table product rename to item"));
  CHECK(file.reported("update item set kind = 78 where id = 1").count("rows main:item:kind:78") ==
        1);
  CHECK_FALSE(broken_by("alter table item add column more int"));
  // The old name, given to another table, whose triggers' names are taken.
  file.execute("alter table item rename to old_item; create table item (id integer primary key)");
  file.track({"item"});
  CHECK(file.reported("insert into item values (1)") == Reports{"rows main:item:id:1"});
  CHECK(check().size() == 1);
  sqlite::track(file.path(), {.all = true});
  CHECK(check().empty());
}

TEST_CASE("track: a column that tells rows apart can be dropped once it no longer does",
          "[track]") {
  Products file;
  CHECK(file.fails("alter table product drop column category"));
  sqlite::untrack(file.path(), {.tables = {"product"}});
  CHECK_FALSE(file.fails("alter table product drop column category"));
  CHECK(file.reported("delete from product").empty());
}

TEST_CASE("track: the same again changes nothing; without changes nothing is written", "[track]") {
  Products file;
  const auto rows = [&] {
    return file.writer().execAndGet("select count(*) from querymark_log").getInt64();
  };
  const std::int64_t before = rows();
  const std::int64_t schema = file.writer().execAndGet("pragma schema_version").getInt64();
  CHECK(file.track({"product"}).tables[0].statements.empty());
  CHECK(file.track({"product"}).tables[0].routes == std::vector<std::string>{"id", "category"});
  const TrackReport dry =
      sqlite::track(file.path(), {.tables = {"product"}, .routes = {{"name"}}, .dry_run = true});
  CHECK(dry.tables[0].statements.size() == 10);
  CHECK(sqlite::untrack(file.path(), {.all = true, .dry_run = true}).tables[0].statements.size() ==
        5);
  CHECK(rows() == before);
  CHECK(file.writer().execAndGet("pragma schema_version").getInt64() == schema);
  file.track({"product"}, {{"name"}});
  CHECK(rows() == before + 1);
}

TEST_CASE("track: what can't be tracked is refused by its name, and left with all", "[track]") {
  TrackedFile file(
      "create view v as select 1; create virtual table f using fts5 (x); create table t (id "
      "integer primary key, "
      "r real, n text collate nocase, g int generated always as (id + 1), s int as (id + 1) "
      "stored)");
  CHECK_THROWS_WITH(file.track({"nobody"}), Contains("there is no table nobody"));
  CHECK_THROWS_WITH(file.track({"v"}), Contains("view"));
  CHECK_THROWS_WITH(file.track({"f"}), Contains("virtual"));
  CHECK_THROWS_WITH(file.track({"f_data"}), Contains("virtual"));
  CHECK_THROWS_WITH(file.track({"querymark_log"}), Contains("querymark"));
  CHECK_THROWS_WITH(file.track({"sqlite_sequence"}), Contains("SQLite"));
  CHECK_THROWS_AS(file.track({}), ConfigError);
  for (const char* column : {"r", "n", "g"})
    CHECK_THROWS_WITH(file.track({"t"}, {{column}}), Contains(column));
  CHECK_THROWS_WITH(file.track({"t"}, {{"id", "s", "id"}}), Contains("twice"));
  CHECK_THROWS_WITH(file.track({"t"}, {{"x"}}), Contains("no column x"));
  file.track({"t"}, {{"S"}});
  CHECK(file.reported("insert into t (id) values (4)") == Reports{"rows main:t:s:5"});
  const TrackReport all = sqlite::track(file.path(), {.all = true});
  std::size_t left = 0;
  for (const TrackedTable& table : all.tables) left += table.relation.empty() ? 1 : 0;
  CHECK(left >= 2);
}

TEST_CASE("track: tables without triggers are told of, as hard as they were asked for", "[track]") {
  TrackedFile file(kProducts);
  using enum Finding::Severity;
  REQUIRE(sqlite::check_tracking(file.path()).size() == 1);
  CHECK(sqlite::check_tracking(file.path())[0].severity == notice);
  CHECK(sqlite::check_tracking(file.path(), {.all = true})[0].severity == warning);
  CHECK(sqlite::check_tracking(file.path(), {.tables = {"Product"}})[0].severity == warning);
  CHECK_THROWS_WITH(sqlite::check_tracking(file.path(), {.tables = {"x"}}), Contains("no table x"));
}

TEST_CASE("track: through another name of the file, beside temporary tables of the same names",
          "[track]") {
  Products file;
  file.execute(
      "create temp table querymark_log (namespace, kind, target); create temp table product (id, "
      "category)");
  const auto in_main = [&] {
    return file.writer().execAndGet("select count(*) from main.querymark_log").getInt64();
  };
  const std::int64_t before = in_main();
  file.execute("insert into product values (1, 1)");
  CHECK(in_main() == before);
  file.execute("update main.product set category = 5 where id = 1");
  CHECK(in_main() == before + 3);
  SQLite::Database other(":memory:", SQLite::OPEN_READWRITE);
  other.exec("attach '" + file.path() +
             "' as elsewhere; update elsewhere.product set category = 6 where id = 1");
  CHECK(in_main() == before + 6);
}
