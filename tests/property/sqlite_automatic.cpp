// Nobody declares a tag: whatever is written, each result that has really changed carries a target that the
// triggers' reports have hit. Schemas, queries and writes are drawn by lot; results are compared before and
// after each write. Each rule of soundness is broken in turn, and has to be missed.
//
// QUERYMARK_SECONDS runs the first test for so long instead.

#include <algorithm>
#include <catch2/catch.hpp>

#include "analysis/analyse.hpp"
#include "property/random.hpp"
#include "property/sqlite_texts.hpp"
#include "querymark/support/error.hpp"
#include "support/tracked_file.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

struct Broken {
  sqlite::TextRules rules{};
  bool guard = true;
};

struct Counts {
  std::size_t judged = 0;  // results beside writes
  std::size_t changed = 0;
  std::size_t harmless = 0;  // not hit
  std::size_t idle = 0;      // hit, and as they were
  std::size_t uncached = 0;  // queries
  std::string wrong;         // the first that has changed and was not hit

  void add(const Counts& more) {
    judged += more.judged;
    changed += more.changed;
    harmless += more.harmless;
    idle += more.idle;
    uncached += more.uncached;
    if (wrong.empty()) wrong = more.wrong;
  }
};

using SortedRows = std::vector<std::string>;

std::string shown(const Field& cell) {
  const auto type = std::to_string(static_cast<int>(cell.type())) + ' ';
  switch (cell.type()) {
    case ValueType::null:
      return "null";
    case ValueType::int64:
      return type + std::to_string(cell.as<std::int64_t>());
    case ValueType::float64:
      return type + std::to_string(cell.as<double>());
    default:
      return type + std::string(cell.view());
  }
}

// One file, some queries whose results are known, and a writer.
class World {
 public:
  World(Choices& choices, const Broken& broken)
      : choices_(choices), schema_(choices), file_(schema_.sql) {
    file_.execute(choices_.one_in(2) ? "pragma foreign_keys = on"
                                     : "pragma recursive_triggers = on");
    WriteMaker writes(schema_, choices_);
    for (int i = 0; i < 40; ++i) attempt(writes.make());
    for (const TableLot& table : schema_.tables) track(table);
    reader_ = std::make_unique<sqlite::Connection>(file_.path(), sqlite::Connection::Use::read,
                                                   sqlite::Connection::Settings{});
    QueryMaker queries(schema_, choices_);
    for (int i = 0; i < 25; ++i) add(queries.make(), broken.rules);
    if (broken.guard) return;
    for (const TableLot& table : schema_.tables)
      for (const char* what : {"insert", "update"})
        file_.execute(std::string("drop trigger if exists querymark_guard_") + what + '_' +
                      table.name);
  }

  Counts run(std::size_t writes) {
    WriteMaker maker(schema_, choices_);
    for (std::size_t i = 0; i < writes && counts_.wrong.empty(); ++i) write(maker.make());
    return counts_;
  }

 private:
  struct Known {
    QueryLot query;
    std::string analysis;
    std::set<std::string> targets;
    SortedRows rows;
  };

  // What stays of it counts.
  void attempt(const std::string& sql) {
    file_.fails(sql);
    file_.fails("rollback");  // of a savepoint before what failed
  }

  void track(const TableLot& table) {
    try {
      file_.track({table.name}, table.routes);
    } catch (const ConfigError&) {  // one of these can't tell rows apart
      file_.track({table.name});
    }
  }

  void add(QueryLot query, const sqlite::TextRules& rules) {
    Known known{.query = std::move(query)};
    try {
      const Analysis analysis = sqlite::analyse(*reader_, known.query.sql, rules).analysis;
      if (analysis.verdict != Verdict::cache) {
        ++counts_.uncached;
        return;
      }
      known.analysis = analysis.str();
      std::vector<ParameterView> values = views(known.query);
      if (known.query.place) values[0] = known.query.key;
      for (const Target& target :
           known.query.place ? targets_of_one_key(analysis, values) : targets_of(analysis, values))
        known.targets.insert(target.text());
      known.rows = rows_of(known.query);
    } catch (const Error&) {  // ambiguous names and their like
      return;
    }
    known_.push_back(std::move(known));
  }

  static std::vector<ParameterView> views(const QueryLot& query) {
    return {query.parameters.begin(), query.parameters.end()};
  }

  SortedRows rows_of(const QueryLot& query) {
    const ResultSet set = reader_->query(query.sql, views(query));
    SortedRows rows;
    for (const Row row : set) {
      // What has no key is nobody's.
      if (query.place && row[0].as<std::optional<std::int64_t>>() != query.place) continue;
      std::string text;
      for (std::size_t column = 0; column < row.size(); ++column) text += shown(row[column]) + '|';
      rows.push_back(std::move(text));
    }
    std::ranges::sort(rows);
    return rows;
  }

  void write(const std::string& sql) {
    static_cast<void>(file_.reported());
    attempt(sql);
    const std::set<std::string> hit = file_.invalidated();
    for (Known& known : known_) {
      const bool is_hit = hit.contains("flush") ||
                          std::ranges::any_of(known.targets, [&](const std::string& target) {
                            return hit.contains(target);
                          });
      SortedRows now = rows_of(known.query);
      const bool changed = now != known.rows;
      ++counts_.judged;
      counts_.changed += changed ? 1 : 0;
      counts_.harmless += is_hit ? 0 : 1;
      counts_.idle += is_hit && !changed ? 1 : 0;
      if (changed && !is_hit && counts_.wrong.empty()) tell(known, sql, hit);
      known.rows = std::move(now);
    }
  }

  void tell(const Known& known, const std::string& sql, const std::set<std::string>& hit) {
    counts_.wrong = schema_.sql + "\n" + known.query.sql + "\n" + known.analysis + "\ncarries";
    for (const std::string& target : known.targets) counts_.wrong += ' ' + target;
    counts_.wrong += "\nwritten: " + sql + "\nhit";
    for (const std::string& target : hit) counts_.wrong += ' ' + target;
  }

  Choices& choices_;
  SchemaLot schema_;
  TrackedFile file_;
  std::unique_ptr<sqlite::Connection> reader_;
  std::vector<Known> known_;
  Counts counts_;
};

Counts run_world(std::uint64_t seed, const Broken& broken = {}) {
  Choices choices(seed);
  World world(choices, broken);
  return world.run(40);
}

// Whether a broken rule is noticed within so many worlds.
bool is_noticed(const Broken& broken) {
  return any_seed(400, [&](std::uint64_t seed) { return !run_world(seed, broken).wrong.empty(); });
}

}  // namespace

TEST_CASE("automatic sqlite: a result that has changed was hit, whatever was asked and written",
          "[automatic]") {
  Counts counts;
  each_seed(60, [&](std::uint64_t seed) {
    INFO("QUERYMARK_SEED=" << seed);
    counts.add(run_world(seed));
    INFO(counts.wrong);
    REQUIRE(counts.wrong.empty());
  });
  WARN(counts.judged << " judged, " << counts.changed << " changed, " << counts.harmless
                     << " judged harmless, " << counts.idle << " hit in vain, " << counts.uncached
                     << " queries not cached");
  CHECK(counts.changed > counts.judged / 100);
  CHECK(counts.harmless > counts.judged / 10);
}

TEST_CASE("automatic sqlite: without the guard what REPLACE removes is missed", "[automatic]") {
  CHECK(is_noticed({.guard = false}));
}

TEST_CASE("automatic sqlite: a text rule that is broken is noticed", "[automatic]") {
  CHECK(is_noticed({.rules = {.alternatives = false}}));
  CHECK(is_noticed({.rules = {.between = false}}));
  CHECK(is_noticed({.rules = {.left_joins = false}}));
  CHECK(is_noticed({.rules = {.named_once = false}}));
  CHECK(is_noticed({.rules = {.types_alike = false}}));
  CHECK(is_noticed({.rules = {.keys_apart = false}}));
}
