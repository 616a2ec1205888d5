// The operator's commands for what did not reach a shared target.

#include <algorithm>
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <sstream>

#include "support/child.hpp"
#include "support/shop.hpp"

using namespace querymark;
using namespace querymark::test;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

const std::string kProgram = QUERYMARK_PROGRAM;

// A shop with deliveries as a worker may have left them.
struct Left {
  Shop shop;

  Left() { REQUIRE(command("dead list").code == 0); }  // whoever opens a file first, adopts it
  void add(const std::string& state, const std::string& target, const std::string& error,
           int count = 1) const {
    shop.execute(
        "insert into querymark_delivery (namespace, consumer, epoch, first_position, position, "
        "kind, target, state, attempts, available_at, deadline, last_error) "
        "select 'shop', 'tier', epoch, 1, i, 'tag', " +
        target + " || case when i = 1 then '' else i end, '" + state + "', 10, 0, 9999999999999, " +
        error +
        " from querymark_meta, (with recursive n(i) as (select 1 union all select i + 1 from n "
        "where i < " +
        std::to_string(count) + ") select i from n)");
  }
  [[nodiscard]] Finished command(const std::string& arguments) const {
    return run(
        {"/bin/sh", "-c",
         "exec " + kProgram + ' ' + arguments + " --namespace shop --db sqlite:" + shop.path()});
  }
  // Lines of JSON.
  [[nodiscard]] std::vector<json> list(const std::string& arguments) const {
    const Finished done = command(arguments + " --json");
    INFO(done.output);
    REQUIRE(done.code == 0);
    std::vector<json> rows;
    std::istringstream lines(done.output);
    for (std::string line; std::getline(lines, line);) rows.push_back(json::parse(line));
    return rows;
  }
  [[nodiscard]] std::int64_t count(const std::string& state) const {
    return shop.number("select count(*) from querymark_delivery where state = '" + state + "'");
  }
};

}  // namespace

TEST_CASE("cli: deliveries are listed by what an operator has to do with them", "[cli]") {
  const Left left;
  CHECK_THAT(left.command("dead list").output,
             Contains("no dead deliveries in the namespace shop"));
  left.add("pending", "'a'", "'timed out'");
  left.add("dead", "'b'", "'refused'");
  left.add("superseded", "'c'", "null");
  left.add("expired", "'d'", "'too late'");
  CHECK(left.list("delivery list").size() == 3);
  CHECK(left.list("dead list").size() == 2);
  CHECK(left.list("dead list --error refu").size() == 1);
  CHECK(left.list("dead list --consumer other").empty());
  CHECK(left.list("delivery list --state superseded").at(0)["target"] == "c");
  CHECK(left.list("delivery list --limit 1").size() == 1);
  const json dead = left.list("dead list --error refused").at(0);
  CHECK(dead["state"] == "dead");
  CHECK(dead["kind"] == "tag");
  CHECK(dead["attempts"] == 10);
  CHECK(dead["consumer"] == "tier");
  CHECK(dead["last_error"] == "refused");
  CHECK(dead["deadline"] == "2286-11-20T17:46:39.999Z");
  const Finished table = left.command("dead list");
  CHECK_THAT(table.output, Contains("ID") && Contains("tag b") && Contains("refused"));
  CHECK(left.command("delivery list --state gone").code == 2);
  CHECK_THAT(left.command("dead show " + dead["id"].dump()).output,
             Contains("last_error") && Contains("refused"));
  CHECK(left.list("delivery show " + dead["id"].dump()).at(0) == dead);
  CHECK(left.command("dead show 999").code == 1);
  CHECK(left.command("dead show one").code == 2);
}

TEST_CASE("cli: a decision asks first, and is made of what was named", "[cli]") {
  const Left left;
  left.add("dead", "'a'", "'refused'", 3);
  left.add("dead", "'z'", "'timed out'");
  left.add("pending", "'b'", "'timed out'");
  CHECK(left.command("dead discard").code == 2);
  CHECK(left.command("dead discard --all --error x").code == 2);
  const Finished unasked = left.command("dead discard --all < /dev/null");
  CHECK(unasked.code == 1);
  CHECK_THAT(unasked.output, Contains("discard 4 dead deliveries of the namespace shop?") &&
                                 Contains("nothing was changed") && Contains("--yes"));
  // Whoever reads JSON reads nothing else, where nobody sits at a terminal.
  for (const char* decision : {"dead discard --all", "delivery cancel 999999 --yes"}) {
    const Finished told = left.command(std::string(decision) + " --json < /dev/null");
    CAPTURE(told.output);
    CHECK(told.code == 1);
    CHECK(json::parse(told.output)["log"]["exit_code"] == 1);
  }
  CHECK(left.command("dead discard --all < /dev/zero").code == 1);
  CHECK(left.count("dead") == 4);

  CHECK_THAT(run({"/bin/sh", "-c",
                  "echo y | " + kProgram + " dead discard --error refused --namespace shop --db " +
                      "sqlite:" + left.shop.path()})
                 .output,
             Contains("3 of 3 discarded"));
  CHECK(left.count("discarded") == 3);
  CHECK(left.count("dead") == 1);
  const std::string id = left.list("dead list").at(0)["id"].dump();
  const Finished retried = left.command("dead retry --yes --json " + id);
  CHECK(retried.code == 0);
  CHECK(json::parse(retried.output)["changed"] == 1);
  CHECK(left.count("pending") == 2);
  const Finished again = left.command("dead retry --yes " + id);
  CHECK(again.code == 1);
  CHECK_THAT(again.output, Contains("is pending: it can't be retried"));
  std::istringstream told(left.command("dead retry --yes --json " + id).output);
  for (std::string line; std::getline(told, line);) CHECK(json::accept(line));
  CHECK(left.command("delivery cancel --all --yes").code == 0);
  CHECK(left.count("cancelled") == 2);
  CHECK(left.command("dead retry --yes 999").code == 1);
}

TEST_CASE("cli: what names and errors hold does not act on a terminal", "[cli]") {
  const Left left;
  left.add("dead",
           "'evil' || char(27) || '[2J' || char(10) || 'fake 1 row' || char(155) || char(8238)",
           "'x' || char(13) || char(7) || '''; drop table querymark_log; --'");
  const Finished table = left.command("dead list");
  CHECK_THAT(table.output, Contains("\\x1b[2J\\nfake") && Contains("\\u009b") &&
                               Contains("\\u202e") && Contains("\\x0d\\x07"));
  CHECK(std::count(table.output.begin(), table.output.end(), '\n') == 2);
  for (const std::string& shown :
       {table.output, left.command("dead list --json").output, left.command("dead show 1").output,
        left.command("dead show 1 --json").output})
    for (const char c : shown) CHECK((c == '\n' || (c >= ' ' && c <= '~')));
  CHECK(left.list("dead list").at(0)["target"] == "evil\x1b[2J\nfake 1 row\xC2\x9B\xE2\x80\xAE");
  const Finished odd = run({kProgram, "dead", "list", "--db", "sqlite:" + left.shop.path(),
                            "--namespace", "no\x1b[31m\nsuch"});
  CHECK_THAT(odd.output, Contains("no\\x1b[31m\\nsuch"));
  CHECK_THAT(run({kProgram, "fo\x1b[31mo"}).output, Contains("fo\\x1b[31mo"));
}

TEST_CASE("cli: dead letters without number are listed and decided on page by page", "[cli]") {
  const Left left;
  left.add("dead", "'t'", "'refused'", 20'000);
  CHECK(left.list("dead list").size() == 100);
  CHECK_THAT(left.command("dead list --limit 10").output, Contains("more follow: --after 10"));
  CHECK(left.list("dead list --limit 10 --after 10").at(0)["id"] == 11);
  CHECK(left.list("dead list --limit 0").size() == 20'000);
  // A reader that has seen enough.
  CHECK(run({"/bin/bash", "-c",
             "set -o pipefail; " + kProgram + " dead list --limit 0 --namespace shop --db sqlite:" +
                 left.shop.path() + " | head -n 1"})
            .code == 5);
  CHECK_THAT(left.command("dead discard --all < /dev/null").output, Contains("more than 1000"));
  const Finished all = left.command("dead discard --all --yes");
  CHECK(all.code == 0);
  CHECK_THAT(all.output, Contains("20000 of 20000 discarded"));
  CHECK(left.count("dead") == 0);
}
