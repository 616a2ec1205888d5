// By which columns tables of PostgreSQL should report.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/child.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

json advice(const std::string& url, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {QUERYMARK_PROGRAM, "advise", "--json", "--db", url});
  const Finished done = run(arguments);
  CAPTURE(done.output);
  REQUIRE(done.code == 0);
  return json::parse(done.output);
}

void follow(const PgShop& shop, const std::string& command) {
  CAPTURE(command);
  REQUIRE(command.starts_with("querymark track "));
  const Finished done =
      run({"/bin/sh", "-c",
           "QUERYMARK_DB='" + shop.url() + "' exec " QUERYMARK_PROGRAM + command.substr(9)});
  CAPTURE(done.output);
  CHECK(done.code == 0);
}

}  // namespace

TEST_CASE("postgres advise: through views, partitions and functions, until there is nothing left",
          "[advise]") {
  const PgShop shop;
  shop.execute(
      "create table item (id bigint, tenant int, code uuid, paid boolean, note text,"
      "  primary key (tenant, id)) partition by list (tenant);"
      "create table item_1 partition of item for values in (1);"
      "create view mine as select i.*, p.name from item i join product p on p.id = i.id;"
      "create function of_tenant(t int) returns bigint language sql stable begin atomic"
      "  select count(*) from item where tenant = t; end;"
      "create materialized view totals as select tenant, count(*) from item group by tenant");
  const std::vector<std::string> queries{"select * from mine where tenant = $1 and id = $2",
                                         "select * from item_1 where paid and note = $1",
                                         "select 1 from item where code = any ($1::uuid[])",
                                         "select of_tenant($1)",
                                         "select * from totals",
                                         "select * from item where id > $1",
                                         "select * from product where name = $1"};
  const json first = advice(shop.url(), queries);
  REQUIRE(first["tables"].size() == 2);
  std::vector<std::string> left;
  for (const json& one : first["left"]) left.push_back(one["relation"]);
  CHECK(left == std::vector<std::string>{"public:item", "public:totals", "public:item"});
  for (const json& table : first["tables"]) {
    CHECK(table["tracked"] == false);
    follow(shop, table["command"]);
  }
  const json second = advice(shop.url(), queries);
  CHECK(second["tables"].empty());
  CHECK(second["good"] == 4);
  CHECK(second["notes"].empty());
}

TEST_CASE("postgres advise: names may hold anything that can be tracked", "[advise]") {
  const PgShop shop;
  for (const std::string name :
       {"it's", "a \"b\"", "$(touch x)", "tischöl", "A.B:c", "--all", "UPPER"}) {
    CAPTURE(name);
    std::string quoted = "\"";
    for (const char c : name) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
    quoted += '"';
    shop.execute("create schema " + quoted + "; create table " + quoted + "." + quoted + " (" +
                 quoted + " int, id int primary key)");
    const std::string query =
        "select * from " + quoted + "." + quoted + " where " + quoted + " = $1";
    const json told = advice(shop.url(), {query});
    REQUIRE(told["tables"].size() == 1);
    follow(shop, told["tables"][0]["command"]);
    CHECK(advice(shop.url(), {query})["good"] == 1);
    // What `track --check` advises is as good.
    shop.execute("drop trigger querymark_delete on " + quoted + "." + quoted);
    const Finished check =
        run({QUERYMARK_PROGRAM, "track", "--check", "--json", "--db", shop.url()});
    const std::string advised =
        json::parse(check.output.substr(0, check.output.find('\n')))["advice"];
    follow(shop, advised);
    CHECK(advice(shop.url(), {query})["good"] == 1);
  }
  shop.execute("create table \"two\nlines\" (id int primary key)");
  const json told = advice(shop.url(), {"select * from \"two\nlines\" where id = $1"});
  CHECK(told["tables"].empty());
  CHECK_THAT(told["left"][0]["why"].get<std::string>(), Contains("control character"));
}

TEST_CASE("postgres advise: broken texts stand among good ones, and a role without rights is told",
          "[advise]") {
  const PgShop shop;
  const std::vector<std::string> queries{"select * from product where id = $1",
                                         "selec 1",
                                         "select * from nobody",
                                         "insert into product values (9)",
                                         "select 1; select 2",
                                         "select interval $1",
                                         "",
                                         "select * from pg_class",
                                         "select 'a"};
  const json told = advice(shop.url(), queries);
  CHECK(told["left"].size() == 8);
  CHECK(told["tables"][0]["command"] == "querymark track --by id public.product");
  REQUIRE_FALSE(told["notes"].empty());
  CHECK_THAT(told["notes"][0].get<std::string>(), Contains("changes of definitions"));
  shop.execute("revoke temporary on database \"" + shop.name() +
               "\" from public; create role poor login in role querymark_subscriber");
  const std::string url = shop.server().url(shop.name(), "poor");
  CHECK_THAT(advice(url, queries)["left"][0]["why"].get<std::string>(),
             Contains("permission denied") || Contains("temporary"));
  shop.execute("drop owned by poor; drop role poor");
}

TEST_CASE("postgres advise: what pg_stat_statements has counted, the most called first",
          "[advise]") {
  PostgresServer server({"shared_preload_libraries=pg_stat_statements"});
  const PgShop shop(server);
  const Finished without = run({QUERYMARK_PROGRAM, "advise", "--counted", "--db", shop.url()});
  CHECK(without.code == 2);
  CHECK_THAT(without.output, Contains("pg_stat_statements is not installed"));
  shop.execute("create schema \"odd one\"; create extension pg_stat_statements schema \"odd one\"");
  for (int i = 0; i < 3; ++i) shop.execute("select * from product where id = " + std::to_string(i));
  shop.execute("select price from product where name = 'tea'");
  shop.execute("update product set price = 3 where id = 1");
  const json told = advice(shop.url(), {"--counted"});
  CHECK(told["left"].empty());  // nothing of what clients and the library ask about the server
  REQUIRE(told["tables"].size() == 1);
  CHECK(told["tables"][0]["command"] == "querymark track --by id --by name public.product");
  CHECK(told["tables"][0]["routes"][0]["gains"][0]["calls"] == 3);
  CHECK_THAT(told["tables"][0]["routes"][0]["gains"][0]["sql"].get<std::string>(),
             Contains("id = $1"));
  shop.execute(
      "create role curious login in role querymark_subscriber;"
      "grant usage on schema \"odd one\" to curious");
  const json hidden = advice(server.url(shop.name(), "curious"), {"--counted"});
  CHECK_THAT(hidden["notes"].dump(), Contains("pg_read_all_stats"));
}
