// The operator's commands for tables that report for themselves.

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/child.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

Finished command(const Shop& shop, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kProgram);
  arguments.insert(arguments.begin() + 2, {"--db", "sqlite:" + shop.path()});
  return run(arguments);
}

}  // namespace

TEST_CASE("cli track: tables report once they are tracked, and no more once they are not",
          "[cli]") {
  const Shop shop;
  const auto reported = [&] {
    shop.execute("delete from querymark_log; update product set price = price + 1 where id = 1");
    return shop.text(
        "select group_concat(kind || ' ' || target, ', ') from querymark_log where kind <> "
        "'schema'");
  };
  const Finished dry =
      command(shop, {"track", "product", "--by", "id", "--by", "name,id", "--dry-run"});
  CHECK(dry.code == 0);
  CHECK_THAT(dry.output,
             Contains("product: would be changed, by id, name+id") && Contains("CREATE TRIGGER"));
  CHECK(reported().empty());
  const Finished done = command(shop, {"track", "--by", "id", "--by", "name,id", "product"});
  CHECK(done.code == 0);
  CHECK(done.output == "product: changed, by id, name+id\n");
  CHECK(reported() == "rows main:product:id:1, rows main:product:name+id:tea+1");
  CHECK(command(shop, {"track", "product"}).output == "product: nothing to do, by id, name+id\n");
  const Finished undone = command(shop, {"untrack", "--all", "--json"});
  CHECK(undone.code == 0);
  CHECK(json::parse(undone.output)["statements"].size() >= 3);
  CHECK(reported().empty());
}

TEST_CASE("cli track: what is not as it should be is an exit code, here and of doctor", "[cli]") {
  const Shop shop;
  const auto check = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"track", "--check"});
    return command(shop, more);
  };
  CHECK(check({}).code == 0);
  CHECK_THAT(check({}).output, Contains("notice: table product: it is not tracked"));
  CHECK(check({"--all"}).code == 1);
  REQUIRE(command(shop, {"track", "--all"}).code == 0);
  CHECK(check({"--all"}).code == 0);
  CHECK(command(shop, {"doctor"}).code == 0);
  shop.execute("drop trigger querymark_delete_product");
  const Finished broken = check({"--json"});
  CHECK(broken.code == 1);
  CHECK(json::parse(broken.output)["severity"] == "error");
  const Finished sick = command(shop, {"doctor"});
  CHECK(sick.code == 4);
  CHECK_THAT(sick.output, Contains("table product") && Contains("run querymark track again"));
}

TEST_CASE("cli track: what is wrong with the command is told", "[cli]") {
  const Shop shop;
  CHECK(command(shop, {"track"}).code == 2);
  CHECK(command(shop, {"track", "nobody"}).code == 2);
  CHECK(command(shop, {"track", "product", "--by", "price"}).code == 2);
  CHECK(command(shop, {"track", "product", "--by", "id,"}).code == 2);
  CHECK(command(shop, {"untrack", "nobody"}).code == 2);
  CHECK(command(shop, {"explain"}).code == 2);
  CHECK(command(shop, {"explain", "select nonsense"}).code == 2);
}

TEST_CASE("cli explain: what is vouched for counts", "[cli]") {
  const Shop shop;
  REQUIRE(command(shop, {"track", "product"}).code == 0);
  const Finished vouched =
      command(shop, {"explain", "select 1", "--reads", "product", "--pure", "f"});
  CHECK(vouched.code == 0);
  CHECK_THAT(vouched.output, Contains("cache") && Contains("main:product, any row"));
}

TEST_CASE("cli explain: which rows count, or why none are kept", "[cli]") {
  const Shop shop;
  const std::string by_id = "select * from product where id = ?";
  const Finished before = command(shop, {"explain", by_id});
  CHECK(before.code == 1);
  CHECK_THAT(before.output, Contains("ttl only: table product: it is not tracked"));
  REQUIRE(command(shop, {"track", "product"}).code == 0);
  const Finished after = command(shop, {"explain", by_id});
  CHECK(after.code == 0);
  CHECK(after.output == "cache\n  main:product by id = $1\n");
  const json told = json::parse(command(shop, {"explain", "--json", by_id}).output);
  CHECK(told["occurrences"][0]["values"][0][0]["parameter"] == 1);
}
