// The operator's commands that look: status, top, tail, doctor.

#include <SQLiteCpp/Database.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "support/child.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

std::vector<std::string> command(const Shop& shop, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), kProgram);
  arguments.insert(arguments.end(), {"--db", "sqlite:" + shop.path()});
  return arguments;
}

Finished drain(const Shop& shop) {
  return run(command(shop, {"worker", "--namespace", "shop", "--once", "--target",
                            "sqlite:" + shop.file("tier")}));
}

json status(const Shop& shop) {
  const Finished done = run(command(shop, {"status", "--json"}));
  REQUIRE(done.code == 0);
  return json::parse(done.output);
}

}  // namespace

TEST_CASE("cli: who may only read the database's folder can look at its log", "[cli]") {
  namespace fs = std::filesystem;
  const Shop shop;
  const std::string program = shop.file("querymark");
  fs::copy_file(kProgram, program);
  const auto look = [&](const std::string& name) {
    std::vector<std::string> words = command(shop, {name});
    words[0] = program;
    if (name == "tail") words.insert(words.end(), {"--once", "--retained"});
    if (name == "wait") words.push_back("qm1.shop." + std::string(32, '0') + ".1f.9c41.2");
    if (::geteuid() == 0)  // root writes through permissions
      words.insert(words.begin(), {"/usr/sbin/runuser", "-u", "nobody", "--"});
    return run(words);
  };
  const auto open_to_all = [&](fs::perms folder) {
    for (const auto& file : fs::directory_iterator(fs::path(shop.path()).parent_path()))
      fs::permissions(file.path(), file.path() == program ? fs::perms(0755) : fs::perms(0644));
    fs::permissions(fs::path(shop.path()).parent_path(), folder);
  };
  const sqlite::Log claimed(shop.path(), "shop");  // by whom no identity is left to be given
  const std::string how = GENERATE("nobody ever followed", "nobody follows now", "one follows");
  CAPTURE(how);
  std::optional<Process> follower;
  if (how != "nobody ever followed") follower.emplace(shop);
  if (how == "nobody follows now") follower.reset();
  SQLite::Database open(shop.path());  // a file in WAL mode, which somebody uses
  open.exec("select count(*) from product");
  open_to_all(fs::perms(0555));
  const Finished status = look("status");
  CAPTURE(status.output);
  CHECK(status.code == 0);
  CHECK_THAT(status.output, Contains(how == "one follows" ? "SUBSCRIBER" : "no subscribers"));
  for (const char* name : {"doctor", "tail"}) {
    const Finished looked = look(name);
    CAPTURE(name, looked.output);
    CHECK(looked.code == 0);
  }
  const Finished refused = look("wait");  // whoever waits follows the log
  CHECK(refused.code != 0);
  CHECK_THAT(refused.output,
             Contains("shop.db-subscribers, which can't be written") && !Contains("insert into"));
  open_to_all(fs::perms(0755));
}

TEST_CASE("cli: status tells how far the targets are, and what is wrong with them", "[cli]") {
  const Shop shop;
  CHECK_THAT(run(command(shop, {"status"})).output, Contains("no shared targets"));
  Process process(shop);
  REQUIRE(drain(shop).code == 0);
  CHECK(status(shop)["targets"][0]["behind"]["rows"] == 0);
  process.set_price(1, 4.0);
  process.set_price(2, 5.0);
  const json target = status(shop)["targets"][0];
  CHECK(target["namespace"] == "shop");
  CHECK(target["behind"]["rows"] == 2);
  CHECK(target["behind"]["seconds"].get<double>() >= 0);
  CHECK(target["breaker"] == "closed");
  CHECK(target["worker"].is_null());
  shop.execute("update querymark_consumer set down_since = 1, down_reason = 'no\x1b[31m'");
  const Finished text = run(command(shop, {"status"}));
  CHECK_THAT(text.output, Contains("down for") && Contains("no\\x1b[31m"));
  CHECK(status(shop)["targets"][0]["breaker"] == "open");
  const Finished narrowed = run(command(shop, {"status", "--namespace", "other"}));
  CHECK_THAT(narrowed.output, Contains("no shared targets"));
  CHECK(run({kProgram, "status", "--db", "sqlite:" + shop.file("none.db")}).code == 3);
}

TEST_CASE("cli: doctor says what hurts and what to do, and is content with what is well", "[cli]") {
  const Shop shop;
  Process process(shop);  // in WAL mode from now on
  REQUIRE(drain(shop).code == 0);
  const Finished well = run(command(shop, {"doctor"}));
  CHECK(well.code == 0);
  CHECK_THAT(well.output, Contains("nothing found"));
  shop.execute("update querymark_consumer set down_since = 1, down_reason = 'refused'");
  const Finished down = run(command(shop, {"doctor", "--json"}));
  CHECK(down.code == 4);
  const json finding = json::parse(down.output);
  CHECK(finding["severity"] == "error");
  CHECK_THAT(finding["what"].get<std::string>(), Contains("takes nothing") && Contains("refused"));
  CHECK_FALSE(finding["advice"].get<std::string>().empty());
  shop.execute("update querymark_consumer set down_since = null, down_reason = null");
  process.set_price(1, 4.0);
  shop.execute("update querymark_log set created_at = created_at - 100000");
  CHECK_THAT(
      run(command(shop, {"doctor"})).output,
      Contains("no worker drains the target") && Contains("querymark worker --namespace shop"));
  // The tier is no more: what it left goes by what is advised.
  const std::string told = run(command(shop, {"doctor"})).output;
  const std::size_t begin = told.find("delete from");
  REQUIRE(begin != std::string::npos);
  shop.execute(told.substr(begin, told.find('\n', begin) - begin));
  CHECK_THAT(run(command(shop, {"doctor"})).output, !Contains("no worker drains"));
  shop.execute("delete from querymark_schema where version > 1");
  const Finished old = run(command(shop, {"doctor"}));
  CHECK(old.code == 4);
  CHECK_THAT(old.output, Contains("querymark migrate"));
}

TEST_CASE("cli: doctor tells of a write-ahead log that a reader keeps from ending", "[cli]") {
  const Shop shop;
  Process process(shop);
  constexpr const char* kWhat = "the write-ahead log has";
  CHECK_THAT(run(command(shop, {"doctor"})).output, !Contains(kWhat));
  shop.execute("create table large (bytes blob); insert into large values (zeroblob(67000000))");
  CHECK_THAT(run(command(shop, {"doctor"})).output, Contains(kWhat));
}

TEST_CASE("cli: tail follows what is committed, with its reason", "[cli]") {
  const Shop shop;
  Process process(shop);
  process.set_price(1, 4.0);
  const Finished kept = run(command(shop, {"tail", "--namespace", "shop", "--retained", "--once"}));
  CHECK(kept.code == 0);
  CHECK_THAT(kept.output, Contains("entity product:1"));
  CHECK(run(command(shop, {"tail", "--namespace", "shop", "--once"})).output.empty());
  Child tail(command(shop, {"tail", "--namespace", "shop", "--json", "--retained"}));
  CHECK(json::parse(tail.hear())["target"] == "product:1");
  process.db.write([](auto& tx) { tx.invalidate(tag("evil\x1b[2J")).reason("by\nhand"); });
  const std::string line = tail.hear();
  CHECK(line.find('\x1b') == std::string::npos);
  const json told = json::parse(line);
  CHECK(told["kind"] == "tag");
  CHECK(told["target"] == "evil\x1b[2J");
  CHECK(told["reason"] == "by\nhand");
  shop.execute(
      "insert into querymark_log (namespace, kind, target, write_id) values ('shop', 'tag', '%', "
      "3)");
  CHECK(json::parse(tail.hear())["kind"] == "malformed");
  tail.signal(SIGTERM);
  CHECK(tail.join() == 0);
}

TEST_CASE("cli: top goes on until it is told to end, or nobody reads it", "[cli]") {
  const Shop shop;
  const Finished twice =
      run(command(shop, {"top", "--json", "--interval", "1ms", "--rounds", "2"}));
  CHECK(twice.code == 0);
  CHECK(std::count(twice.output.begin(), twice.output.end(), '\n') == 2);
  CHECK_THAT(run(command(shop, {"top", "--rounds", "1"})).output, !Contains("\x1b["));
  CHECK(run(command(shop, {"top", "--interval", "0s"})).code == 2);
  {
    Child top(command(shop, {"top", "--interval", "1ms", "--json"}));
    static_cast<void>(top.hear());
    std::filesystem::rename(shop.path(), shop.file("away"));
    json line;
    while (!line.contains("level")) line = json::parse(top.hear());  // those before it are reports
    CHECK(line["log"]["event"] == "tries again");
    CHECK_THAT(line["log"]["error"].get<std::string>(), Contains("the file is missing"));
    std::filesystem::rename(shop.file("away"), shop.path());
  }
  Child top(command(shop, {"top", "--interval", "1h", "--json"}));
  static_cast<void>(top.hear());
  top.signal(SIGINT);
  CHECK(top.join() == 0);
  CHECK(run({"/bin/bash", "-c",
             "set -o pipefail; " + kProgram +
                 " top --json --interval 1ms --db sqlite:" + shop.path() + " | head -n 1"})
            .code == 5);
}
