// The operator's command that says by which columns tables should report.

#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/child.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

Finished advise(const Shop& shop, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(),
                   {QUERYMARK_PROGRAM, "advise", "--db", "sqlite:" + shop.path()});
  return run(arguments);
}

json advice(const Shop& shop, std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const Finished done = advise(shop, std::move(arguments));
  CAPTURE(done.output);
  REQUIRE(done.code == 0);
  return json::parse(done.output);
}

std::string quoted(const std::string& name) {
  std::string text = "\"";
  for (const char c : name) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

// Runs a command of the advice as a shell would.
void follow(const Shop& shop, const std::string& command) {
  CAPTURE(command);
  REQUIRE(command.starts_with("querymark "));
  const Finished done = run({"/bin/sh", "-c", "exec " QUERYMARK_PROGRAM + command.substr(9)});
  CAPTURE(done.output);
  CHECK(done.code == 0);
  static_cast<void>(shop);
}

std::string script(const Shop& shop, const std::string& text) {
  const std::string path = shop.file("queries.sql");
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

struct InEnvironment {
  explicit InEnvironment(const Shop& shop) {
    ::setenv("QUERYMARK_DB", ("sqlite:" + shop.path()).c_str(), 1);
  }
  InEnvironment(const InEnvironment&) = delete;
  InEnvironment& operator=(const InEnvironment&) = delete;
  ~InEnvironment() { ::unsetenv("QUERYMARK_DB"); }
};

}  // namespace

TEST_CASE("cli advise: what it advises is done, and then there is nothing to advise", "[cli]") {
  const Shop shop;
  const InEnvironment environment(shop);
  const std::string file = script(shop,
                                  "-- of the catalogue\n"
                                  "select * from product where id = ?;\n"
                                  "select price from product where name = ? /* ; */;\n"
                                  "select price from product where name = ? /* ; */;\n"
                                  "select name from product where id in (?, ?) and note = ';';\n"
                                  "update product set price = 1;;\n"
                                  "begin; select max(price) from product where name = 'tea'");
  const json first = advice(shop, {"--file", file});
  CHECK(first["queries"] == 4);
  CHECK(first["good"] == 0);
  REQUIRE(first["tables"].size() == 1);
  CHECK(first["tables"][0]["tracked"] == false);
  CHECK(first["tables"][0]["routes"][0]["columns"] == json::array({"name"}));
  CHECK(first["tables"][0]["routes"][0]["gains"][0]["calls"] == 2);
  CHECK(first["tables"][0]["command"] == "querymark track --by name --by id product");
  follow(shop, first["tables"][0]["command"]);
  const json second = advice(shop, {"--file", file});
  CHECK(second["good"] == 4);
  CHECK(second["tables"].empty());
  CHECK(second["left"].empty());
  CHECK_THAT(advise(shop, {"--file", file}).output, Contains("4 of 4 queries need nothing"));
}

TEST_CASE("cli advise: broken texts stand among good ones, and what nothing helps has a reason",
          "[cli]") {
  const Shop shop;
  shop.execute("create view cheap as select * from product where price < 10");
  const Finished told = advise(
      shop, {"select * from product where id = ?", "selec nonsense", "select 'open",
             "select random()", "select * from nobody", "", "select * from cheap where id = ?",
             "select sum(price) from product", "delete from product", "select 1; select 2"});
  CHECK(told.code == 0);
  CHECK_THAT(told.output, Contains("querymark track --by id product"));
  for (const char* why :
       {"selec nonsense", "random", "no such table: nobody", "cheap where id = ?"})
    CHECK_THAT(told.output, Contains(why));
  const json same =
      advice(shop, {"select * from product where id = ?", "select sum(price) from product",
                    "select price from product where price = ?"});
  REQUIRE(same["left"].size() == 2);
  CHECK(same["left"][0]["relation"] == "main:product");
  CHECK(same["tables"][0]["kept_at_all"].size() == 2);
}

TEST_CASE("cli advise: names may hold anything, and what is advised still does it", "[cli]") {
  const Shop shop;
  const InEnvironment environment(shop);
  for (const std::string name : {"it's", "a \"b\"", "$(touch x) `y`", "tischöl", "two\nlines",
                                 "a.b:c", "--all", "-x", "a,b+c"}) {
    CAPTURE(name);
    const std::string column = name + " of";
    shop.execute("create table " + quoted(name) + " (" + quoted(column) +
                 " integer, id integer primary key)");
    const std::string query = "select * from " + quoted(name) + " where " + quoted(column) + " = ?";
    const json told = advice(shop, {query});
    REQUIRE(told["tables"].size() == 1);
    CHECK(told["tables"][0]["table"] == name);
    REQUIRE(told["tables"][0]["routes"].size() == 1);
    CHECK(told["tables"][0]["routes"][0]["columns"] == json::array({column}));
    const std::string command = told["tables"][0]["command"];
    if (name.find(',') != std::string::npos) {
      CHECK(command.empty());
      CHECK_THAT(advise(shop, {query}).output, Contains("call track() for a,b+c"));
      continue;
    }
    follow(shop, command);
    CHECK(advice(shop, {query})["good"] == 1);
  }
}

TEST_CASE("cli advise: a thousand queries, and none", "[cli]") {
  const Shop shop;
  std::string many;
  for (int i = 0; i < 1000; ++i)
    many += "select name, " + std::to_string(i) + " from product where name = ?;\n";
  const json told = advice(shop, {"--file", script(shop, many)});
  CHECK(told["tables"][0]["routes"][0]["gains"].size() == 1000);
  CHECK(advice(shop, {"--file", script(shop, "")})["queries"] == 0);
  CHECK(advice(shop, {"--file", script(shop, ";;-- nothing\n/*")})["queries"] == 0);
  CHECK(advice(shop, {"--file", "/dev/null"})["queries"] == 0);
}

TEST_CASE("cli advise: of a script that never ends no more is read than a script has", "[cli]") {
  const Shop shop;
  const Finished device = advise(shop, {"--file", "/dev/zero"});
  CHECK(device.code == 2);
  CHECK_THAT(device.output, Contains("the script /dev/zero has more than 64 MiB"));
  const std::string endless =
      "yes 'select 1;' | " QUERYMARK_PROGRAM " advise --file - --db sqlite:";
  const Finished piped = run({"/bin/sh", "-c", endless + shop.path()});
  CHECK(piped.code == 2);
  CHECK_THAT(piped.output, Contains("standard input has more than 64 MiB"));
}

TEST_CASE("cli advise: what is wrong with the command is told", "[cli]") {
  const Shop shop;
  CHECK(advise(shop, {}).code == 2);
  CHECK_THAT(advise(shop, {"--file", shop.file("missing")}).output, Contains("No such file"));
  CHECK(advise(shop, {"--file", shop.file("missing")}).code == 2);
  CHECK_THAT(advise(shop, {"--file", shop.file("")}).output, Contains("Is a directory"));
  CHECK(advise(shop, {"--file", shop.file("")}).code == 2);
  CHECK(advise(shop, {"--counted"}).code == 2);
  CHECK(run({QUERYMARK_PROGRAM, "advise", "--db", "sqlite:" + shop.file("none.db"), "select 1"})
            .code != 0);
  CHECK_THAT(run({QUERYMARK_PROGRAM, "advise", "--help"}).output, Contains("--counted"));
}
