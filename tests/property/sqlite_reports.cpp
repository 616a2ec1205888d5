// Triggers report each row that a statement has changed, whether it has failed, and whatever other triggers, the
// actions of foreign keys and conflict clauses do between its changes and their reports: where SQLite lets a table
// be tracked at all. Rows are compared before and after each write.
//
// QUERYMARK_SECONDS runs the first test for so long instead.

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <map>

#include "property/keyed_schema.hpp"
#include "querymark/support/error.hpp"
#include "support/tracked_file.hpp"

using namespace querymark;
using namespace querymark::test;

namespace {

struct Broken {
  bool guard = true;
  bool look_again = true;  // at whether a table can be tracked, when there are new triggers
};

struct Reports {
  std::size_t changed = 0;         // rows of tables that are tracked
  std::size_t left_by_failed = 0;  // of them, by statements that failed
  std::size_t untracked = 0;       // of tables that can't be
  std::string wrong;               // the first that was not reported

  void add(const Reports& more) {
    changed += more.changed;
    left_by_failed += more.left_by_failed;
    untracked += more.untracked;
    if (wrong.empty()) wrong = more.wrong;
  }
};

class World {
 public:
  World(Choices& choices, const Broken& broken)
      : choices_(choices),
        schema_(choices),
        broken_(broken),
        story_(schema_.make()),
        file_(story_) {
    // Triggers that set each other off without end.
    sqlite3_progress_handler(
        file_.writer().getHandle(), 1000,
        [](void* left) { return --*static_cast<int*>(left) < 0 ? 1 : 0; }, &steps_left_);
    for (int i = 0; i < 20; ++i) fails(schema_.write());
    fails(choices_.one_in(3) ? "pragma foreign_keys = off" : "pragma foreign_keys = on");
    if (choices_.one_in(3)) fails("pragma recursive_triggers = on");
    for (std::size_t i = choices_.below(4); i > 0; --i) fails(schema_.trigger());
    track();
  }

  Reports run(std::size_t steps) {
    for (std::size_t i = 0; i < steps && found_.wrong.empty(); ++i) {
      if (!choices_.one_in(12)) {
        write();
        continue;
      }
      fails(schema_.trigger());
      if (broken_.look_again) track();
    }
    return found_;
  }

 private:
  using Rows = std::map<std::string, std::string>;  // by their ids

  bool fails(const std::string& sql) {
    story_ += sql + ";\n";
    steps_left_ = 300;
    const bool failed = file_.fails(sql);
    steps_left_ = 1'000'000;
    if (failed) story_ += std::string("  -- ") + file_.writer().getErrorMsg() + "\n";
    return failed;
  }

  void track() {
    for (const char* table : KeyedSchema::kTables) {
      tracked_[table] = true;
      try {
        file_.track({table}, {{"id"}});
      } catch (const ConfigError&) {  // something can cut its reports short
        tracked_[table] = false;
      }
      if (broken_.guard) continue;
      for (const char* what : {"insert", "update"})
        file_.execute(std::string("drop trigger if exists querymark_guard_") + what + '_' + table);
    }
  }

  Rows rows_of(const char* table) {
    Rows rows;
    SQLite::Statement all(file_.writer(),
                          std::string("select id, quote(k) || quote(p) || quote(v) from ") + table);
    while (all.executeStep())
      rows[all.getColumn(0).getString()] += all.getColumn(1).getString() + ' ';
    return rows;
  }

  void write() {
    std::map<std::string, Rows> before;
    for (const char* table : KeyedSchema::kTables) before[table] = rows_of(table);
    static_cast<void>(file_.reported());
    const bool together = choices_.one_in(2);
    if (together) fails("begin");
    bool failed = fails(schema_.write());
    if (together && choices_.one_in(4)) failed = fails(schema_.write()) || failed;
    if (together && fails("commit")) fails("rollback");
    const std::set<std::string> hit = file_.invalidated();
    for (const char* table : KeyedSchema::kTables)
      compare(table, before[table], rows_of(table), hit, failed);
  }

  void compare(const std::string& table, const Rows& before, const Rows& after,
               const std::set<std::string>& hit, bool failed) {
    Rows all = before;
    all.insert(after.begin(), after.end());
    for (const auto& [id, row] : all) {
      const auto was = before.find(id);
      const auto is = after.find(id);
      if (was != before.end() && is != after.end() && was->second == is->second) continue;
      if (!tracked_.at(table)) {
        ++found_.untracked;
        continue;
      }
      ++found_.changed;
      found_.left_by_failed += failed ? 1 : 0;
      const std::string relation = relation_name("main", table);
      const std::string value[] = {id};
      if (hit.contains(all_rows_of(relation).text()) ||
          (hit.contains(any_row_of(relation).text()) &&
           hit.contains(row_of(relation, "id", value).text())))
        continue;
      if (found_.wrong.empty())
        found_.wrong = story_ + "row " + id + " of " + table + " unreported";
    }
  }

  Choices& choices_;
  KeyedSchema schema_;
  Broken broken_;
  std::string story_;
  TrackedFile file_;
  int steps_left_ = 1'000'000;
  std::map<std::string, bool> tracked_;
  Reports found_;
};

Reports run_world(std::uint64_t seed, const Broken& broken = {}) {
  Choices choices(seed);
  World world(choices, broken);
  return world.run(40);
}

// Whether a broken rule is noticed within so many worlds.
bool is_noticed(const Broken& broken) {
  return any_seed(600, [&](std::uint64_t seed) { return !run_world(seed, broken).wrong.empty(); });
}

}  // namespace

TEST_CASE("reports sqlite: each row that has changed is reported, whatever else runs beside it",
          "[automatic]") {
  Reports found;
  each_seed(120, [&](std::uint64_t seed) {
    INFO("QUERYMARK_SEED=" << seed);
    found.add(run_world(seed));
    INFO(found.wrong);
    REQUIRE(found.wrong.empty());
  });
  WARN(found.changed << " changed, " << found.left_by_failed << " of them by what failed, "
                     << found.untracked << " in tables that can't be tracked");
  CHECK(found.changed > 50);
  CHECK(found.untracked > 0);
}

TEST_CASE("reports sqlite: without the guard what REPLACE removes goes unreported", "[automatic]") {
  CHECK(is_noticed({.guard = false}));
}

TEST_CASE("reports sqlite: what cuts a report short is missed by who does not look for it",
          "[automatic]") {
  CHECK(is_noticed({.look_again = false}));
}
