// The operator's commands that write into the log and wait for it.

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "support/child.hpp"
#include "support/rows.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

Finished command(const Shop& shop, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kProgram);
  arguments.insert(arguments.end(), {"--db", "sqlite:" + shop.path()});
  return run(arguments);
}

Finished invalidate(const Shop& shop, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), {"invalidate", "--namespace", "shop"});
  return command(shop, arguments);
}

}  // namespace

TEST_CASE("cli: invalidate reaches the processes that follow the log", "[cli]") {
  const Shop shop;
  Process process(shop);
  static_cast<void>(process.price(1));
  shop.execute("update product set price = 99 where id = 1");
  CHECK(only(process.price(1)) != 99.0);
  const Finished done = invalidate(shop, {"--entity", "product:1", "--reason", "price by hand"});
  CHECK(done.code == 0);
  process.db.catch_up();
  CHECK(only(process.price(1)) == 99.0);
  CHECK(shop.text("select reason from querymark_log") == "price by hand");
}

TEST_CASE("cli: invalidate takes each kind of target as the log spells it", "[cli]") {
  const Shop shop;
  const Finished all = invalidate(
      shop, {"--key", "basket:7", "--tag", "a:b%3Ac", "--entity", "product:7", "--collection",
             "product", "--tag", "a:b%3Ac", "--json", "--flush", "--yes"});
  CHECK(all.code == 0);
  CHECK(json::parse(all.output)["intents"] == 5);
  CHECK(shop.text("select group_concat(kind || ' ' || target, ', ') from querymark_log") ==
        "key name:basket%3A7, tag a:b%3Ac, entity product:7, collection product, flush ");
  CHECK(shop.number("select count(*) from querymark_log where reason = 'querymark invalidate'") ==
        5);
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{},
                                             {"--entity", "product"},
                                             {"--tag", ""},
                                             {"--tag", "100%"},
                                             {"--tag", "\xFF"},
                                             {"--tag", std::string(2000, 'x')},
                                             {"--tag", "a", "--reason", std::string(501, 'x')},
                                             {"--tag", "a", "--wait", "everybody"},
                                             {"--tag", "a", "--timeout", "soon"},
                                             {"--tag", "a", "--timeout", "-5"},
                                             {"--tag", "a", "--timeout", "99999999999999999d"}})
    CHECK(invalidate(shop, wrong).code == 2);
  CHECK_THAT(invalidate(shop, {"--entity", "product"}).output, Contains("product:7"));
  CHECK(shop.number("select count(*) from querymark_log") == 5);
}

TEST_CASE("cli: everything is invalidated only when that is meant", "[cli]") {
  const Shop shop;
  const Finished asked =
      run({"/bin/sh", "-c",
           "echo no | " + kProgram +
               " invalidate --flush --namespace shop --db sqlite:" + shop.path()});
  CHECK(asked.code == 1);
  CHECK_THAT(asked.output, Contains("everything in the namespace shop?") && Contains("--yes"));
  CHECK(shop.number("select count(*) from querymark_log") == 0);
}

TEST_CASE("cli: a receipt is waited for, and a wrong one told from a late one", "[cli]") {
  const Shop shop;
  Process process(shop);
  const Receipt receipt = process.set_price(1, 4.0);
  const Finished seen = command(shop, {"wait", receipt.str(), "--json"});
  CHECK(seen.code == 0);
  CHECK(json::parse(seen.output)["status"] == "satisfied");
  CHECK(command(shop, {"wait", receipt.str(), "--namespace", "other"}).code == 2);
  CHECK(command(shop, {"wait", "qm1.x"}).code == 2);
  CHECK(command(shop, {"wait", "qm1.shop.\x1b[31m"}).code == 2);
  Receipt ahead = receipt;
  ahead.position.value += 1000;
  const Finished refused = command(shop, {"wait", ahead.str(), "--json"});
  CHECK(refused.code == 1);
  CHECK(json::parse(refused.output)["status"] == "refused");
  CHECK_THAT(command(shop, {"wait", ahead.str()}).output, Contains("refused: "));
  const Finished waited = invalidate(shop, {"--tag", "a", "--wait", "local", "--json"});
  CHECK(waited.code == 0);
  CHECK(Receipt::parse(json::parse(waited.output)["receipt"].get<std::string>()));
}

TEST_CASE("cli: a wait for shared targets tells whether they have it", "[cli]") {
  const Shop shop;
  const std::string target = "sqlite:" + shop.file("tier");
  const auto drain = [&] {
    return command(shop, {"worker", "--namespace", "shop", "--once", "--target", target});
  };
  REQUIRE(drain().code == 0);
  const std::string name = shop.text("select name from querymark_consumer");
  const Finished written = invalidate(shop, {"--tag", "a"});
  REQUIRE(written.code == 0);
  const std::string receipt = written.output.substr(0, written.output.find('\n'));
  const auto wait = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"wait", receipt, "--json"});
    return command(shop, more);
  };
  const Finished late = wait({"--scope", "shared", "--for", name, "--timeout", "10ms"});
  CHECK(late.code == 4);
  CHECK(json::parse(late.output)["status"] == "timed out");
  REQUIRE(drain().code == 0);
  CHECK(wait({"--scope", "shared", "--for", name}).code == 0);
  const Finished unknown = wait({"--scope", "shared", "--for", "nobody", "--timeout", "5s"});
  CHECK(unknown.code == 4);
  CHECK(json::parse(unknown.output)["status"] == "degraded");
  CHECK(wait({"--scope", "shared"}).code == 2);
  CHECK(wait({"--for", name}).code == 2);
}

TEST_CASE("cli: migrate --status tells which schema there is, and changes nothing", "[cli]") {
  const TempDir dir;
  const std::string url = "sqlite:" + dir.file("a.db");
  const Finished before = run({kProgram, "migrate", "--status", "--db", url, "--json"});
  CHECK(before.code == 4);
  CHECK(json::parse(before.output)["schema"] == 0);
  CHECK(json::parse(before.output)["pending"].size() > 0);
  CHECK_THAT(run({kProgram, "migrate", "--status", "--db", url}).output,
             Contains("run querymark migrate"));
  REQUIRE(run({kProgram, "migrate", "--db", url}).code == 0);
  const Finished after = run({kProgram, "migrate", "--status", "--db", url, "--json"});
  CHECK(after.code == 0);
  CHECK(json::parse(after.output)["pending"].empty());
  // One that is newer is another than the needed one, too.
  SQLite::Database(dir.file("a.db"), SQLite::OPEN_READWRITE)
      .exec("insert into querymark_schema (version, name) values (99, 'of tomorrow')");
  const Finished newer = run({kProgram, "migrate", "--status", "--db", url});
  CHECK(newer.code == 4);
  CHECK_THAT(newer.output, Contains("newer than this program's"));
  const Finished told = run({kProgram, "migrate", "--status", "--db", url, "--json"});
  CHECK(told.code == 4);
  CHECK_THAT(json::parse(told.output)["problem"].get<std::string>(), Contains("99"));
  CHECK(run({kProgram, "migrate", "--db", url}).code == 1);
  CHECK_THAT(run({kProgram, "doctor", "--db", url}).output,
             Contains("upgrade the program") && !Contains("querymark migrate"));
}

TEST_CASE("cli: a target that is none is refused with what is wrong with it", "[cli]") {
  const TempDir dir;
  const std::string url = "sqlite:" + dir.file("a.db");
  REQUIRE(run({kProgram, "migrate", "--db", url}).code == 0);
  const auto refused = [&](const std::string& text) {
    const Finished finished = run({kProgram, "invalidate", "--db", url, "--collection", text});
    CHECK(finished.code == 2);
    return finished.output;
  };
  CHECK_THAT(refused(""), Contains("its text is empty"));
  CHECK_THAT(refused(std::string(2000, 'x')), Contains("2000 bytes") && Contains("1024"));
  CHECK_THAT(refused("\xff\xfe"), Contains("must be UTF-8"));
  CHECK_THAT(refused("a%b"), Contains("a%b is no collection") && Contains("%25"));
}
