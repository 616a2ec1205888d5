// docs/verdicts.md says what the analyses think of SQL: each line of it is asked of both databases here.
// QUERYMARK_WRITE_DOCS=1 writes the table anew.

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "querymark/postgres/track.hpp"
#include "querymark/sqlite/sqlite.hpp"
#include "support/pg_shop.hpp"
#include "support/tracked_file.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

const std::string kDocument = QUERYMARK_ROOT "/docs/verdicts.md";
const std::string kHead = "| what | query | PostgreSQL | SQLite |\n| --- | --- | --- | --- |\n";

struct Line {
  const char* what;
  const char* sql;
};

// By what somebody would look for.
constexpr Line kLines[] = {
    {"equality", "select name from item where id = $1"},
    {"of a column that no route names", "select name from item where price = $1"},
    {"of two columns", "select name from item where shop = $1 and name = $2"},
    {"constant", "select name from item where shop = 7"},
    {"list", "select name from item where id in ($1, $2)"},
    {"`or`", "select name from item where id = $1 or shop = $2"},
    {"comparison", "select name from item where id > $1"},
    {"`between`", "select name from item where id between $1 and $2"},
    {"`like`", "select name from item where name like 'a%'"},
    {"expression of a column", "select name from item where id + 1 = $1"},
    {"`is null`", "select name from item where shop is null"},
    {"inner join",
     "select i.name, s.city from item i join shop s on s.id = i.shop where i.id = $1"},
    {"left join",
     "select i.name, s.city from item i left join shop s on s.id = i.shop where i.id = $1"},
    {"the other side's condition",
     "select i.name from item i join shop s on s.id = i.shop where s.id = $1"},
    {"`exists`", "select exists (select 1 from item where id = $1)"},
    {"subquery", "select name from item where shop in (select id from shop where city = $1)"},
    {"common table", "with mine as (select * from item where shop = $1) select name from mine"},
    {"recursive common table",
     "with recursive n (i) as (select 1 union all select i + 1 from n where i < 3) select name "
     "from n join item on item.id = n.i"},
    {"`union`", "select name from item where id = $1 union select city from shop where id = $2"},
    {"aggregate", "select count(*), max(price) from item where shop = $1"},
    {"`group by`, `having`",
     "select shop, sum(price) from item group by shop having sum(price) > $1"},
    {"window", "select id, row_number() over (order by id) from item where shop = $1"},
    {"`order by`, `limit`", "select name from item where shop = $1 order by name limit 10"},
    {"`distinct`", "select distinct shop from item"},
    {"view", "select name from cheap where id = $1"},
    {"`case`, `coalesce`, `cast`",
     "select case when price > 9 then 'dear' else coalesce(name, '') end, cast(price as text) from "
     "item where id = $1"},
    {"text functions", "select upper(name), length(name) from item where id = $1"},
    {"no table", "select 1 + $1"},
    {"time of day", "select name from item where sold > current_timestamp"},
    {"random", "select name from item order by random() limit 1"},
    {"table that is not tracked", "select name from untold where id = $1"},
    {"catalogue, pragmas", "select * from sqlite_schema"},
    {"catalogue", "select relname from pg_class"},
    {"function of one's own", "select doubled(price) from item where id = $1"},
    {"locks", "select name from item where id = $1 for update"},
    {"sample", "select name from item tablesample system (10)"},
    {"place of a row", "select ctid from item where id = $1"},
    {"rowid", "select name from item where rowid = $1"},
};

constexpr const char* kTables =
    "create table shop (id integer primary key, city text);"
    "create table item (id integer primary key, shop integer, name text, price integer, sold "
    "timestamp);"
    "create table untold (id integer primary key, name text);"
    "create view cheap as select * from item where price < 10;";

const TrackOptions kItem{.tables = {"item"}, .routes = {{"id"}, {"shop"}}};

std::string without(std::string text, const std::string& part) {
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at))
    text.erase(at, part.size());
  return text;
}

std::string rows_that_count(const Analysis& analysis, const std::string& schema) {
  std::istringstream lines(without(analysis.str(), schema + ":"));
  std::string line, all;
  std::getline(lines, line);  // the verdict
  while (std::getline(lines, line)) all.append(all.empty() ? "" : "; ").append(line.substr(2));
  return all.empty() ? "kept: depends on no row" : "kept: " + all;
}

template <class Database>
std::string cell(Database& database, const char* sql, const std::string& schema) {
  try {
    const Analysis analysis = database.analyse(sql);
    if (analysis.verdict == Verdict::cache) return rows_that_count(analysis, schema);
    return fmt::format("{}: {}", analysis.verdict == Verdict::refuse ? "**never**" : "on request",
                       analysis.why);
  } catch (const Error&) {
    return "no such thing";
  }
}

std::string made() {
  const PgShop shop;
  shop.execute(std::string(kTables).append(
      "create function doubled(int) returns int language sql as 'select 2 * $1'"));
  postgres::track(shop.url(), {.tables = {"shop"}});
  postgres::track(shop.url(), kItem);
  PgProcess process(shop);
  const TrackedFile file(kTables);
  static_cast<void>(sqlite::track(file.path(), {.tables = {"shop"}}));
  static_cast<void>(sqlite::track(file.path(), kItem));
  Cache cache;
  sqlite::Database database(file.path(), cache);
  std::string table = kHead;
  for (const auto& [what, sql] : kLines)
    table += fmt::format("| {} | `{}` | {} | {} |\n", what, sql, cell(process.db, sql, "public"),
                         cell(database, sql, "main"));
  return table;
}

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("docs: what the analyses think of SQL", "[docs]") {
  const std::string text = read(kDocument);
  const std::size_t begin = text.find(kHead);
  REQUIRE(begin != std::string::npos);
  const std::string table = made();
  if (std::getenv("QUERYMARK_WRITE_DOCS") != nullptr)
    std::ofstream(kDocument) << text.substr(0, begin) << table;
  CHECK(read(kDocument).substr(begin) == table);
}
