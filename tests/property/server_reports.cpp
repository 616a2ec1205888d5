// Triggers report each row that a statement has changed on PostgreSQL, whatever other triggers, rules and the
// actions of foreign keys do beside it, however it comes to its rows, and wherever these move to. Rows are
// compared before and after each write.
//
// QUERYMARK_SECONDS runs the first test for so long instead.

#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "connection.hpp"
#include "property/server_schema.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/postgres/track.hpp"
#include "querymark/postgres/types.hpp"
#include "support/pg_shop.hpp"

using namespace querymark;
using namespace querymark::postgres;
using namespace querymark::test;

namespace {

// What is taken away from the triggers, to see that it would be missed.
enum class Broken : std::uint8_t { nothing, old_rows, new_rows, members, always, truncations };

constexpr std::array kBreaks{
    "select 1",
    "do $$ declare f oid; begin for f in select oid from pg_proc where pronamespace = "
    "'querymark'::regnamespace and proname like 't\\_%' loop execute "
    "replace(pg_get_functiondef(f), 'from qm_old r', 'from qm_old r where false'); end loop; end "
    "$$",
    "do $$ declare f oid; begin for f in select oid from pg_proc where pronamespace = "
    "'querymark'::regnamespace and proname like 't\\_%' loop execute "
    "replace(pg_get_functiondef(f), 'from qm_new r', 'from qm_new r where false'); end loop; end "
    "$$",
    "do $$ declare g record; begin for g in select tgrelid::regclass as t, tgname as n from "
    "pg_trigger join pg_inherits on inhrelid = tgrelid where tgname like 'querymark%' loop "
    "execute format('drop trigger %I on %s', g.n, g.t); end loop; end $$",
    "do $$ declare g record; begin for g in select tgrelid::regclass as t, tgname as n from "
    "pg_trigger where tgname like 'querymark%' loop "
    "execute format('alter table only %s enable trigger %I', g.t, g.n); end loop; end $$",
    "do $$ declare g record; begin for g in select tgrelid::regclass as t, tgname as n from "
    "pg_trigger where tgname = 'querymark_truncate' loop "
    "execute format('drop trigger %I on %s', g.n, g.t); end loop; end $$"};

struct Reports {
  std::size_t writes = 0;
  std::size_t failed = 0;
  std::size_t changed = 0;  // rows
  std::size_t by_rows = 0;  // of them, those that were told apart
  std::string wrong;        // the first that was not reported

  void add(const Reports& more) {
    writes += more.writes;
    failed += more.failed;
    changed += more.changed;
    by_rows += more.by_rows;
    if (wrong.empty()) wrong = more.wrong;
  }
};

struct TableRow {
  std::string table;
  std::string id;  // empty: null
  std::string k;
  std::string rest;
  friend auto operator<=>(const TableRow&, const TableRow&) = default;
};

// One database, in which a world takes the place of the one before.
struct Server {
  PgShop shop;
  Connection connection{shop.url(), {}};

  Server() { connection.run("set client_min_messages = error; set statement_timeout = '1s'"); }
  bool fails(const std::string& sql) {
    try {
      connection.run(sql);
      return false;
    } catch (const Error&) {  // as random SQL does
      return true;
    }
  }
};

class World {
 public:
  World(Server& server, Choices& choices, Broken broken)
      : server_(server),
        choices_(choices),
        row_level_(broken == Broken::nothing && choices.one_in(3)),
        schema_(choices) {
    fails("drop schema public cascade; create schema public");
    for (const std::string& sql : schema_.make()) fails(sql);
    for (int i = 0; i < 20; ++i) fails(schema_.write());
    for (std::size_t i = choices_.below(4); i > 0; --i) add_trigger();
    if (choices_.one_in(3)) fails(schema_.rule());
    TrackOptions options{.routes = {{"id"}, {"k"}, {"k", "id"}}, .all = true};
    options.row_level = row_level_;
    track(server_.shop.url(), options);
    // Changes of definitions would count as reports of everything, and take long.
    for (const char* event : {"definitions", "drops", "departures"})
      fails(std::string("drop event trigger querymark_") + event);
    server_.connection.run("reset statement_timeout");
    server_.connection.run(kBreaks.at(static_cast<std::size_t>(broken)));
    server_.connection.run("set statement_timeout = '1s'");
    before_ = look().rows;
  }

  Reports run(std::size_t steps) {
    for (std::size_t i = 0; i < steps && found_.wrong.empty(); ++i)
      if (choices_.one_in(15))
        add_trigger();
      else
        write();
    return found_;
  }

 private:
  using Rows = std::map<TableRow, int>;
  struct Look {
    Rows rows;
    std::set<std::string> hit;
  };

  bool fails(const std::string& sql) {
    const bool failed = server_.fails(sql);
    story_ += sql + (failed ? ";  -- fails\n" : ";\n");
    return failed;
  }
  void add_trigger() {
    for (const std::string& sql : schema_.trigger()) fails(sql);
  }

  // All rows, and what has been reported since the last look.
  Look look() {
    Look found;
    std::string sql;
    for (const std::string name : ServerSchema::kTables)
      sql += "select '" + name +
             "' as t, coalesce(id::text, '') as id, coalesce(k::text, '') as k, "
             "concat_ws(',', coalesce(p::text, '-'), v) as rest from " +
             name + " union all ";
    for (const Row row : server_.connection.run(
             sql + "select null, kind, target, '' from querymark.log where namespace = '*'")) {
      if (row[0].as<std::optional<std::string>>()) {
        ++found.rows[{row[0].as<std::string>(), row[1].as<std::string>(), row[2].as<std::string>(),
                      row[3].as<std::string>()}];
        continue;
      }
      const auto targets = targets_in_log(row[1].as<std::string>(), row[2].as<std::string>());
      if (!targets) found_.wrong = story_ + "a row of the log can't be read";
      if (targets)
        for (const Target& target : *targets) found.hit.insert(target.text());
    }
    server_.connection.run("truncate querymark.log");
    return found;
  }

  void write() {
    ++found_.writes;
    const bool replica = choices_.one_in(8);
    if (replica) fails("set session_replication_role = replica");
    if (choices_.one_in(2)) {
      if (fails(schema_.write())) ++found_.failed;
    } else {
      in_transaction();
    }
    if (replica) fails("reset session_replication_role");
    Look now = look();
    compare(before_, now.rows, now.hit);
    compare(now.rows, before_, now.hit);
    before_ = std::move(now.rows);
  }
  // Until something fails that no savepoint takes back.
  void in_transaction() {
    fails("begin");
    if (choices_.one_in(3))
      fails("set constraints all " + std::string(choices_.one_in(2) ? "deferred" : "immediate"));
    for (std::size_t i = 0; i < 1 + choices_.below(3); ++i) {
      fails("savepoint s");
      if (fails(schema_.write()) || choices_.one_in(4)) fails("rollback to savepoint s");
    }
    const bool prepared = choices_.one_in(6) && !fails("prepare transaction 'x'");
    if (prepared ? fails("commit prepared 'x'") : fails("commit")) {
      ++found_.failed;
      fails("rollback");
    }
  }

  // Each row that there are more of in one than in the other.
  void compare(const Rows& more, const Rows& fewer, const std::set<std::string>& hit) {
    for (const auto& [row, count] : more) {
      const auto other = fewer.find(row);
      if (other != fewer.end() && other->second >= count) continue;
      ++found_.changed;
      const std::string relation = relation_name("public", row.table);
      if (hit.contains(all_rows_of(relation).text())) continue;
      ++found_.by_rows;
      bool told = hit.contains(any_row_of(relation).text());
      const auto by = [&](const std::string& route, std::vector<std::string> values) {
        for (const std::string& value : values)
          if (value.empty()) return;  // is equal to nothing
        told = told && hit.contains(row_of(relation, route, values).text());
      };
      by("id", {row.id});
      by("k", {row.k});
      by("k+id", {row.k, row.id});
      if (!told && found_.wrong.empty())
        found_.wrong = story_ + "row " + row.id + " of " + row.table + " unreported";
    }
  }

  Server& server_;
  Choices& choices_;
  bool row_level_;
  ServerSchema schema_;
  std::string story_;
  Rows before_;
  Reports found_;
};

Reports run_world(Server& server, std::uint64_t seed, Broken broken = Broken::nothing) {
  Choices choices(seed);
  World world(server, choices, broken);
  return world.run(40);
}

}  // namespace

TEST_CASE("reports server: each row that has changed is reported, whatever else runs beside it",
          "[automatic]") {
  Server server;
  Reports found;
  each_seed(20, [&](std::uint64_t seed) {
    INFO("QUERYMARK_SEED=" << seed);
    found.add(run_world(server, seed));
    INFO(found.wrong);
    REQUIRE(found.wrong.empty());
  });
  WARN(found.writes << " writes, " << found.failed << " failed; " << found.changed
                    << " rows changed, " << found.by_rows << " of them told apart");
  CHECK(found.by_rows > 20);
}

TEST_CASE("reports server: what is taken away from the triggers is missed", "[automatic]") {
  const auto broken = GENERATE(Broken::old_rows, Broken::new_rows, Broken::members, Broken::always,
                               Broken::truncations);
  Server server;
  CAPTURE(static_cast<int>(broken));
  CHECK(any_seed(
      100, [&](std::uint64_t seed) { return !run_world(server, seed, broken).wrong.empty(); }));
}
