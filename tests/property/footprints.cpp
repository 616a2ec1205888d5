// No write that changes a query's result goes by unnoticed: random queries, analysed by a real server, and random
// writes, reported by real triggers. In the same run each rule of the analysis is broken, and must be found broken.
//
// The seed is printed; QUERYMARK_SEED repeats it, QUERYMARK_SECONDS makes it longer: hours, if you like.

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/analyse.hpp"
#include "analysis/ask.hpp"
#include "connection.hpp"
#include "property/footprint_queries.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/postgres/track.hpp"
#include "querymark/postgres/types.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::postgres;
using namespace querymark::test;

namespace {

constexpr const char* kSchema = R"(
create type mood as enum ('sad', 'happy');
create domain small as int;
create collation ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table a (id int primary key, k small, n bigint, x smallint, t text, v varchar(20), c text collate ci,
                u uuid, b boolean, e mood);
create table b (like a including defaults, primary key (id)) partition by range (id);
create table b_1 partition of b for values from (0) to (3);
create table b_2 partition of b for values from (3) to (100);
create table c (like a including defaults, primary key (id));
create table c_more () inherits (c);
create view plain as select id, k, t from a where k is not null;
create view limited as select id, k::int, t from b order by id, k, t limit 3;
create view grouped as select max(id) as id, k, t from a group by k, t;
create view windowed as select (rank() over (order by id, k))::int as id, k, t from a;
create view joined as select a.id, b.k, b.t from a left join b on a.k = b.id;
create view united as select id, k, t from a union all select id, k, t from c;
create function counted(int) returns bigint language sql stable begin atomic select count(*) from c where k = $1; end;
insert into a select n, n % 4, n % 3, n % 2, chr(97 + n % 2), 'ab', chr(65 + n % 2),
  ('00000000-0000-0000-0000-00000000000' || n % 4)::uuid, n % 2 = 0, 'sad' from generate_series(0, 5) n;
insert into b select n, (n + 1) % 4, n % 3, n % 2, 'a,b', 'a', chr(97 + n % 2),
  ('00000000-0000-0000-0000-00000000000' || n % 4)::uuid, n % 2 = 1, 'happy' from generate_series(0, 5) n;
insert into c select n, n % 4, n % 3, n % 2, chr(65 + n % 2), 'A', 'a',
  ('00000000-0000-0000-0000-00000000000' || n % 4)::uuid, n % 2 = 0, 'sad' from generate_series(0, 5) n;
)";

using Texts = std::set<std::string>;

Texts texts_of(const std::vector<Target>& targets) {
  Texts texts;
  for (const Target& target : targets) texts.insert(target.text());
  return texts;
}

bool meet(const Texts& one, const Texts& other) {
  return std::ranges::any_of(one,
                             [&other](const std::string& text) { return other.contains(text); });
}

struct World {
  PgShop shop;
  Connection connection{shop.url(), {}};
  std::size_t queries = 0, routed = 0, writes = 0, harmless = 0, changes = 0;
  std::map<Broken, std::size_t> caught;

  explicit World(Choices& choices) {
    shop.execute(kSchema);
    connection.run("set statement_timeout = '100ms'");  // one that takes longer is not looked at
    for (const char* table : {"a", "b", "c"}) {
      TrackOptions options{.tables = {table}};
      for (const char* column : {"id", "k", "n", "x", "t", "v", "u", "b", "e"})
        if (!choices.one_in(6)) options.routes.push_back({column});
      if (choices.one_in(2)) options.routes.push_back({"k", "t"});
      if (choices.one_in(2)) options.routes.push_back({"t", "n", "b"});
      options.row_level = choices.one_in(4);
      track(shop.url(), options);
    }
  }

  [[nodiscard]] std::vector<std::string> result(const RandomQuery& query) {
    std::vector<ParameterView> values(query.parameters.begin(), query.parameters.end());
    std::vector<std::string> rows;
    std::string sql = "select r::text from (" + query.sql + ") r";
    if (query.ordinal) sql += " where r.ordinality = " + std::to_string(*query.ordinal);
    for (const Row row : connection.query(sql, values)) rows.push_back(row[0].as<std::string>());
    std::ranges::sort(rows);
    return rows;
  }
  // Begins a transaction with a write, and tells what it has reported: one round trip. `before`: the end of the one
  // before.
  [[nodiscard]] Texts reported_by(const std::string& before, const std::string& write) {
    std::vector<Target> all;
    for (const Row row : connection.run(
             before + "; begin; " + write +
             "; select kind, target from querymark.log where xid = pg_current_xact_id()")) {
      const auto targets = targets_in_log(row[0].as<std::string>(), row[1].as<std::string>());
      REQUIRE(targets);
      all.insert(all.end(), targets->begin(), targets->end());
    }
    return texts_of(all);
  }
};

// One query and some writes; false where it fails when it runs, or takes too long.
bool examine(World& world, Choices& choices, const RandomQuery& query) {
  std::optional<Told> told;
  std::vector<std::string> before;
  try {
    told = ask_of_text(world.connection, {}, query.sql);
    before = world.result(query);
  } catch (const Error&) {
    return false;
  }
  ++world.queries;
  const auto backslash = world.connection.backslash();
  const Analysis analysis = analyse(*told, query.sql, backslash);
  UNSCOPED_INFO(query.sql);
  UNSCOPED_INFO(analysis.str());
  REQUIRE(analysis.verdict == Verdict::cache);
  if (std::ranges::any_of(analysis.occurrences,
                          [](const Occurrence& one) { return !one.route.empty(); }))
    ++world.routed;
  std::vector<ParameterView> values(query.parameters.begin(), query.parameters.end());
  if (query.ordinal) values[0] = query.key;
  const auto targets_by = [&](const Analysis& by) {
    return texts_of(query.ordinal ? targets_of_one_key(by, values) : targets_of(by, values));
  };
  const Texts targets = targets_by(analysis);
  // What broken rules would make of it; asked for when it matters.
  std::optional<std::map<Broken, Texts>> others;
  const auto broken_rules = [&]() -> const std::map<Broken, Texts>& {
    if (others) return *others;
    others.emplace();
    for (int rule = 1; rule <= static_cast<int>(kLastBroken); ++rule) {
      const auto broken = static_cast<Broken>(rule);
      Texts wrong = targets_by(analyse(*told, query.sql, backslash, broken));
      if (wrong != targets) others->emplace(broken, std::move(wrong));
    }
    return *others;
  };
  std::vector<std::string> tables;
  for (const Occurrence& one : analysis.occurrences)
    tables.push_back(one.relation.substr(one.relation.find(':') + 1));
  std::string end = "rollback";
  for (int write = 0; write < 20; ++write) {
    const std::string sql = random_write(choices, tables);
    std::optional<std::vector<std::string>> after;
    Texts hit;
    try {
      hit = world.reported_by(end, sql);
      after = world.result(query);
    } catch (
        const Error&) {  // a value that the partition doesn't take, or a result that can't be told
    }
    const bool keep = after && choices.one_in(2);
    end = keep ? "commit" : "rollback";
    if (!after) continue;
    ++world.writes;
    const bool changed = *after != before;
    if (changed) ++world.changes;
    if (!meet(targets, hit)) {
      ++world.harmless;
      INFO("seed " << choices.seed() << ", write: " << sql);
      CHECK(!changed);
    }
    if (changed)
      for (const auto& [broken, wrong] : broken_rules())
        if (!meet(wrong, hit)) ++world.caught[broken];
    if (keep) before = *after;
  }
  world.connection.run(end);
  return true;
}

std::chrono::seconds budget() { return seconds_or(40); }

}  // namespace

TEST_CASE("footprints: no write that changes a result goes by unnoticed, and each rule is needed",
          "[footprints]") {
  const std::uint64_t first = Choices::first_seed();
  const auto begin = std::chrono::steady_clock::now();
  std::map<Broken, std::size_t> caught;
  std::size_t queries = 0, routed = 0, writes = 0, harmless = 0, changes = 0, failed = 0;
  // A busy machine takes longer until each broken rule has been noticed.
  const auto goes_on = [&] {
    const auto spent = std::chrono::steady_clock::now() - begin;
    return spent < budget() ||
           (caught.size() < static_cast<std::size_t>(kLastBroken) && spent < 5 * budget());
  };
  for (std::uint64_t round = 0; goes_on(); ++round) {
    Choices choices(first + round);
    World world(choices);
    QueryMaker maker(choices);
    for (int query = 0; query < 150 && goes_on(); ++query) {
      if (!examine(world, choices, maker.make())) ++failed;
      for (const auto& [broken, count] : world.caught) caught[broken] += count;
      world.caught.clear();
    }
    queries += world.queries, routed += world.routed, writes += world.writes;
    harmless += world.harmless, changes += world.changes;
  }
  std::cout << "footprints: seed " << first << ", " << queries << " queries (" << failed
            << " could not run), " << routed << " with a route, " << writes << " writes, "
            << changes << " changed the result, " << harmless
            << " were judged harmless; broken rules noticed:";
  for (int rule = 1; rule <= static_cast<int>(kLastBroken); ++rule) {
    std::cout << ' ' << caught[static_cast<Broken>(rule)];
    INFO("rule " << rule << " of Broken, seed " << first);
    CHECK(caught[static_cast<Broken>(rule)] > 0);
  }
  std::cout << '\n';
  CHECK(harmless > writes / 10);
  CHECK(routed > queries / 10);
}
