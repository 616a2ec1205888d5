// What follows from trees as servers of several versions have written them (tests/data/trees).

#include <catch2/catch.hpp>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "analysis/analyse.hpp"
#include "analysis/verdicts.hpp"

using namespace querymark;
using namespace querymark::postgres;

namespace {

struct StoredQuery {
  std::string name;
  std::string sql;
  std::string tree;
  std::vector<std::string> expected;  // occurrences, without the schema
};

struct StoredTrees {
  Facts facts;
  std::vector<StoredQuery> queries;

  explicit StoredTrees(const std::string& version) {
    std::ifstream file(QUERYMARK_TEST_DATA "/trees/postgres_" + version + ".txt");
    REQUIRE(file);
    Oid relation = 0;
    for (std::string line; std::getline(file, line);) {
      const std::string what = line.substr(0, line.find(' '));
      const std::string rest = line.substr(std::min(line.size(), what.size() + 1));
      if (what == "relation") relation = add_relation(rest);
      if (what == "rule") facts.relations[relation].rule = rest;
      if (what == "query") queries.push_back({rest, {}, {}, {}});
      if (what == "sql") queries.back().sql = rest;
      if (what == "tree") queries.back().tree = rest;
      if (what == "expect") queries.back().expected.push_back(rest);
    }
    facts.plain_bytes = facts.utf8 = facts.reports_definitions = true;
  }

  Oid add_relation(const std::string& text) {
    std::istringstream words(text);
    Oid id = 0;
    RelationFacts relation{.schema = "t"};
    std::string columns;
    words >> id >> relation.name >> relation.kind >> columns;
    std::istringstream each(columns);
    for (std::string column; std::getline(each, column, ',');) {
      const std::string name = column.substr(column.find('=') + 1);
      relation.columns[std::stoi(column)] = name;
      relation.routes.push_back({{name}, name == "id"});
    }
    if (relation.kind == 'r') relation.reported_as = "t:" + relation.name;
    facts.relations[id] = std::move(relation);
    return id;
  }

  // What the server would say of all else that a tree names: that it is its own, and harmless.
  [[nodiscard]] Told told(const std::string& tree) const {
    Told told{.tree = tree, .facts = facts};
    Trees trees(tree);
    trees.learn(told.facts);
    const Names wanted = trees.wanted(told.facts);
    for (const Oid id : wanted.functions)
      told.facts.functions[id] = {.name = "f", .volatility = 'i', .own = true};
    told.facts.functions[1] = {.name = "g", .volatility = 'i', .own = true};
    for (const Oid id : wanted.operators) told.facts.operators[id] = 1;
    for (const Oid id : wanted.types)
      told.facts.types[id] = {.name = "a type", .own = true, .input = 'i'};
    return told;
  }
};

std::vector<std::string> lines_of(const Analysis& analysis) {
  std::istringstream text(analysis.str());
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);)
    if (line.starts_with("  t:")) lines.push_back(line.substr(4));
  return lines;
}

Analysis analysed(const Told& told, const std::string& sql) {
  return analyse(told, sql, Backslash::plain);
}

}  // namespace

TEST_CASE("postgres trees: each says the same in every version", "[analysis]") {
  const auto* version = GENERATE("15", "17");
  const StoredTrees stored(version);
  REQUIRE(stored.queries.size() > 20);
  for (const StoredQuery& query : stored.queries) {
    INFO(version << ", " << query.name << ": " << query.sql);
    const Analysis analysis = analysed(stored.told(query.tree), query.sql);
    CHECK(analysis.why == "");
    CHECK(analysis.verdict == Verdict::cache);
    CHECK(lines_of(analysis) == query.expected);
  }
}

TEST_CASE("postgres trees: one that is cut off, or has something else in it, is refused",
          "[analysis]") {
  const StoredTrees stored("15");
  const Told told = stored.told(stored.queries[0].tree);
  const std::string& tree = told.tree;
  for (std::size_t length = 0; length < tree.size(); ++length) {
    Told cut = told;
    cut.tree.resize(length);
    const Analysis analysis = analysed(cut, "");
    CHECK(analysis.verdict == Verdict::refuse);
    CHECK(!analysis.why.empty());
  }
  // No field is taken for granted; those that are not looked at may be missing.
  int refused = 0;
  for (std::size_t at = tree.find(" :"); at != std::string::npos; at = tree.find(" :", at + 1)) {
    Told other = told;
    other.tree.replace(at, 2, " :x");
    if (analysed(other, "").verdict == Verdict::refuse) ++refused;
  }
  CHECK(refused > 20);
}

TEST_CASE("postgres trees: what is not known is refused by its name", "[analysis]") {
  const StoredTrees stored("15");
  Told told = stored.told(stored.queries[0].tree);
  const auto at = told.tree.find("{OPEXPR");
  REQUIRE(at != std::string::npos);
  told.tree.replace(at, 7, "{NEWEXPR");
  const Analysis analysis = analysed(told, "");
  CHECK(analysis.verdict == Verdict::refuse);
  CHECK(analysis.why == "the server's tree holds NEWEXPR, which this library does not know");
  CHECK(analysis.occurrences.empty());
}

TEST_CASE("postgres trees: fields that are not known are passed over", "[analysis]") {
  const StoredTrees stored("17");
  Told told = stored.told(stored.queries[0].tree);
  for (const std::string node : {"{QUERY", "{VAR", "{PARAM", "{OPEXPR", "{RANGETBLENTRY"})
    for (std::size_t at = told.tree.find(node); at != std::string::npos;
         at = told.tree.find(node, at + node.size()))
      told.tree.insert(at + node.size(),
                       " :novelty (1 {CONST :constisnull true :consttype 23} \"a\\ b\")");
  told.facts.types[23] = {.name = "int4", .own = true, .input = 'i'};
  CHECK(lines_of(analysed(told, "")) == stored.queries[0].expected);
}

TEST_CASE("postgres trees: the kinds of nodes that are known are each listed once", "[analysis]") {
  std::set<std::string_view> names;
  for (const NodeVerdict& verdict : node_verdicts()) {
    CHECK(names.insert(verdict.node).second);
    CHECK((verdict.verdict == Verdict::cache) == verdict.why.empty());
  }
}

TEST_CASE("postgres trees: a text that may spell `today` is not overlooked", "[analysis]") {
  const auto speaks = [](const char* sql) { return speaks_of_today(sql, Backslash::plain); };
  CHECK(speaks("select date 'today'"));
  CHECK(speaks("select date ' TOMORROW '"));
  CHECK(speaks("select timestamp $$now$$"));
  CHECK(speaks("select date E'\\x74oday'"));
  CHECK(speaks("select date U&'\\0074oday'"));
  CHECK(speaks("select date 'to'\n'day'"));
  CHECK(!speaks("select date '2026-01-01', today -- 'now'"));
}
