// Which routes are advised, from what is known of queries.

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "querymark/automatic/advice.hpp"
#include "querymark/support/error.hpp"

using namespace querymark;
using Catch::Matchers::Contains;

namespace {

using Columns = std::vector<std::string>;

// A table with the primary key id, tracked by it unless `by_route` says that another route is missing.
TableUse item(std::vector<TiedColumn> tied) {
  return {.table = "item",
          .relation = "main:item",
          .tracked = true,
          .routes = {{"id"}},
          .tied = std::move(tied),
          .keys = {{"id"}}};
}
TableUse untracked(std::vector<TiedColumn> tied) {
  TableUse use = item(std::move(tied));
  use.tracked = false;
  use.routes.clear();
  return use;
}
QueryUse of(std::vector<TableUse> tables) { return {Verdict::cache, "", std::move(tables)}; }

Advice advice_on(const std::vector<FoundOut>& found, std::vector<std::uint64_t> calls = {}) {
  std::vector<SeenQuery> queries;
  for (std::size_t at = 0; at < found.size(); ++at)
    queries.push_back(
        {.sql = "q" + std::to_string(at), .calls = at < calls.size() ? calls[at] : 1});
  return advise(queries, found);
}

}  // namespace

TEST_CASE("advice: a column that a query names is a route, beside those that there are",
          "[advice]") {
  const Advice advice = advice_on({of({item({{"shop"}})})});
  REQUIRE(advice.tables.size() == 1);
  CHECK(advice.tables[0].routes[0].columns == Columns{"shop"});
  CHECK(advice.tables[0].routes[0].gains == std::vector<std::size_t>{0});
  CHECK(advice.tables[0].command() == "querymark track --by id --by shop item");
  CHECK(advice.left.empty());
  CHECK(advice.good == 0);
}

TEST_CASE("advice: a key is the whole route; of other columns the ones that tell most",
          "[advice]") {
  CHECK(advice_on({of({untracked({{"shop"}, {"id"}})})}).tables[0].routes[0].columns ==
        Columns{"id"});
  CHECK(advice_on({of({item({{"paid", RouteType::boolean},
                             {"shop", RouteType::integer},
                             {"name", RouteType::text},
                             {"code", RouteType::uuid}})})})
            .tables[0]
            .routes[0]
            .columns == Columns{"shop", "name", "code"});
}

TEST_CASE(
    "advice: of too many routes those that most calls gain from; the others share, or are told",
    "[advice]") {
  std::vector<FoundOut> found;
  for (const char* column : {"a", "b", "c", "d"}) found.emplace_back(of({item({{column}})}));
  found.emplace_back(of({item({{"b"}, {"e"}})}));
  const Advice advice = advice_on(found, {1, 9, 8, 7, 2});
  REQUIRE(advice.tables.size() == 1);
  const auto& routes = advice.tables[0].routes;
  REQUIRE(routes.size() == 3);
  CHECK(routes[0].columns == Columns{"b"});
  CHECK(routes[0].gains == std::vector<std::size_t>{1, 4});
  CHECK(advice.tables[0].command() == "querymark track --by id --by b --by c --by d item");
  REQUIRE(advice.left.size() == 1);
  CHECK(advice.left[0].query == 0);
  CHECK_THAT(advice.left[0].why, Contains("one more route, a,"));
}

TEST_CASE("advice: a table that is not tracked may be worth it without a route", "[advice]") {
  const Advice advice = advice_on({of({untracked({})})});
  REQUIRE(advice.tables.size() == 1);
  CHECK(advice.tables[0].kept_at_all == std::vector<std::size_t>{0});
  CHECK(advice.tables[0].command() == "querymark track item");
  REQUIRE(advice.left.size() == 1);
  CHECK(advice.left[0].relation == "main:item");
}

TEST_CASE("advice: routes of a table whose triggers are broken are taken up again", "[advice]") {
  TableUse broken = item({{"id"}, {"shop"}});
  broken.tracked = false;
  broken.routes = {{"shop"}};
  const Advice advice = advice_on({of({broken})});
  REQUIRE(advice.tables.size() == 1);
  CHECK(advice.tables[0].command() == "querymark track --by shop item");
}

TEST_CASE("advice: what no route helps is told with its reason", "[advice]") {
  const Advice advice = advice_on({QueryUse{Verdict::refuse, "it calls random()", {}},
                                   "syntax error", of({item({})}), of({}), of({[] {
                                     TableUse told_apart = item({{"id"}});
                                     told_apart.by_route = true;
                                     return told_apart;
                                   }()})});
  CHECK(advice.tables.empty());
  CHECK(advice.good == 2);
  REQUIRE(advice.left.size() == 3);
  CHECK(advice.left[0].why == "it calls random()");
  CHECK(advice.left[1].why == "syntax error");
  CHECK_THAT(advice.left[2].why, Contains("must equal a parameter"));
  CHECK_THAT(advice.str(), Contains("2 of 5 queries need nothing"));
}

TEST_CASE("advice: commands mean the same to a shell, whatever tables and columns are called",
          "[advice]") {
  const auto command = [](const std::string& table, Columns columns) {
    return TableAdvice{.table = table, .routes = {{std::move(columns), {}}}}.command();
  };
  CHECK(command(R"(public."it's")", {"a b"}) == R"(querymark track --by 'a b' 'public."it'\''s"')");
  CHECK(command("$(rm)", {"`x`", "\n"}) == "querymark track --by '`x`,\n' '$(rm)'");
  CHECK(command("--all", {"-c"}) == "querymark track --by=-c -- --all");
  CHECK(command("", {"ü"}) == "querymark track --by 'ü' ''");
  CHECK(command("t", {"a,b"}).empty());
}

TEST_CASE("advice: a reason does not repeat the text that it stands beside", "[advice]") {
  const auto why = [](const std::string& text) {
    return advice_on({FoundOut(text)}).left[0].why;  // of "q0"
  };
  CHECK(why("cannot run \"q0\": ERROR: no") == "cannot run it: ERROR: no");
  CHECK(why("bad SQL: near q0, in \"q0\"") == "bad SQL: near q0");
  CHECK(why("call it elsewhere: q0") == "call it elsewhere");
  CHECK(advise({{.sql = ""}}, {FoundOut("nothing: ")}).left[0].why == "nothing: ");
}

TEST_CASE("advice: an error tells of its query alone, unless the connection is lost", "[advice]") {
  const auto ask = [](const SeenQuery& query) -> QueryUse {
    if (query.sql == "broken") throw Error("syntax error");
    if (query.sql == "lost") throw Error("gone", {.connection_lost = true});
    return of({item({{"shop"}})});
  };
  const Advice advice = advise({{.sql = "broken"}, {.sql = "good"}}, ask);
  CHECK(advice.left[0].why == "syntax error");
  CHECK(advice.tables[0].routes[0].gains == std::vector<std::size_t>{1});
  CHECK_THROWS_AS(advise({{.sql = "lost"}}, ask), Error);
}
