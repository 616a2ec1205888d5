#include "querymark/postgres/track.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <set>
#include <utility>

#include "connection.hpp"
#include "postgres_sql.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/shell_word.hpp"
#include "tracked_table.hpp"
#include "untranslatable.hpp"

namespace querymark::postgres {
namespace {

struct EventTrigger {
  const char* name;
  const char* event;
  const char* function;
};
constexpr std::array kEvents{
    EventTrigger{"querymark_definitions", "ddl_command_end", "report_definitions"},
    EventTrigger{"querymark_drops", "sql_drop", "report_drops"},
    EventTrigger{"querymark_departures", "ddl_command_start when tag in ('ALTER TABLE')",
                 "report_departures"}};

struct Events {
  bool may_make = false;
  std::vector<std::string> found{};  ///< `name enabled`
  [[nodiscard]] bool all() const {
    return std::ranges::all_of(kEvents, [this](const EventTrigger& one) {
      return std::ranges::find(found, std::string(one.name) + " A") != found.end();
    });
  }
};

// A connection in a transaction that is rolled back unless it is committed.
class Work {
 public:
  explicit Work(const std::string& url)
      : connection_(url, {.connect_timeout = std::chrono::seconds(10)}) {
    // The caller's path is for the names of tables alone: on it, others' functions could come before the server's.
    connection_.run(
        "begin isolation level read committed; savepoint as_it_was; "
        "set local search_path = pg_catalog, pg_temp");
    require_schema(connection_);
    connection_.run("rollback to savepoint as_it_was");
  }
  [[nodiscard]] Connection& connection() noexcept { return connection_; }

  /// The roots of what is asked for, in the order of their names; `named` tells those that were named.
  [[nodiscard]] std::vector<TableFound> tables(const TrackOptions& options, bool all,
                                               std::set<std::uint32_t>& named) {
    std::vector<std::uint32_t> oids;
    oids.reserve(options.tables.size());
    for (const std::string& name : options.tables) oids.push_back(find(name));
    // From here on names mean the server's own.
    connection_.run(
        "set local search_path = pg_catalog, pg_temp; set local standard_conforming_strings = on; "
        "set local lock_timeout = '10s'");
    std::vector<TableFound> found;
    const auto add = [&](std::uint32_t oid, bool by_name) {
      TableFound table = look_at(oid);
      if (by_name) named.insert(table.root);
      if (std::ranges::find(found, table.root, &TableFound::root) == found.end())
        found.push_back(std::move(table));
    };
    for (const std::uint32_t oid : oids) add(oid, true);
    if (all)
      for (const Row row : connection_.query(sql::track_all.text))
        add(static_cast<std::uint32_t>(row["oid"].as<std::int64_t>()), false);
    std::ranges::sort(found, {}, &TableFound::name);
    return found;
  }
  /// Keeps writers out of a table and its members, and looks at it again: behind the lock nothing of it changes.
  void lock(TableFound& table) {
    // Of a partitioned table, all partitions with it.
    connection_.run("lock table " + table.members.at(0).quoted + " in share row exclusive mode");
    table = find_table(connection_, table.root);
  }
  void run(const std::vector<std::string>& statements) {
    for (const std::string& statement : statements) connection_.run(statement);
  }
  [[nodiscard]] Events events() {
    const ResultSet rows = connection_.query(sql::track_events.text);
    return {.may_make = rows.row(0)["may"].as<bool>(),
            .found = rows.row(0)["events"].as<std::vector<std::string>>()};
  }
  /// Who has event triggers switched off, and what to do about it.
  [[nodiscard]] ResultSet silenced() { return connection_.query(sql::track_silenced.text); }
  void report_definitions() {
    static_cast<void>(connection_.execute(sql::track_report_definitions.text));
  }
  void commit() { connection_.run("commit"); }

 private:
  // One whose names can't be told does not hide the others.
  [[nodiscard]] TableFound look_at(std::uint32_t oid) {
    connection_.run("savepoint looked_at");
    try {
      TableFound table = find_table(connection_, oid);
      connection_.run("release savepoint looked_at");
      return table;
    } catch (const Error& failure) {
      if (!is_untranslatable(failure)) throw;
    }
    connection_.run("rollback to savepoint looked_at");
    const ResultSet rows =
        connection_.query(sql::track_name_in_ascii.text, {as_parameter(std::int64_t{oid})});
    TableFound table;
    table.root = oid;
    table.name = rows.empty() ? std::string("a table that was dropped")
                              : rows.row(0)["name"].as<std::string>();
    table.members.push_back({.oid = oid, .quoted = table.name});
    table.refusal = "its name, or that of a column or a member, has no equivalent in UTF-8";
    return table;
  }
  [[nodiscard]] std::uint32_t find(const std::string& name) {
    std::optional<std::int64_t> oid;
    try {
      const ResultSet rows = connection_.query(sql::track_find.text, {as_parameter(name)});
      oid = rows.row(0)["oid"].as<std::optional<std::int64_t>>();
    } catch (const Error& failure) {
      static constexpr std::array kNoName{"42601", "42602", "0A000"};
      if (std::ranges::find(kNoName, failure.native_code()) == kNoName.end()) throw;
      throw ConfigError(name +
                        " is no name of a table of this database: write it as in SQL, such as "
                        "shop.product or '\"odd name\"'");
    }
    if (!oid) throw ConfigError("there is no table " + name + " on the session's search_path");
    return static_cast<std::uint32_t>(*oid);
  }

  Connection connection_;
};

[[noreturn]] void explain(const Error& failure, const std::string& doing) {
  if (failure.native_code() == "55P03")
    throw Error("cannot " + doing +
                    ": open transactions keep the tables busy; end them, then run it again (" +
                    failure.what() + ')',
                {.retryable = true, .native_code = failure.native_code()});
  if (failure.native_code() == "42501")
    throw Error("cannot " + doing +
                    ": the role must own the tables, and may need CREATE on the schema querymark "
                    "and INSERT on "
                    "querymark.log (" +
                    failure.what() + ')',
                {.native_code = failure.native_code()});
  throw;
}

std::vector<std::string> names_of(const TrackedHead& head) {
  std::vector<std::string> names;
  names.reserve(head.routes.size());
  for (const auto& route : head.routes) names.push_back(route_name(route));
  return names;
}

// What makes event triggers what they should be; none where they are, or the role may not.
std::vector<std::string> statements_for_events(const Events& events) {
  std::vector<std::string> statements;
  if (!events.may_make) return statements;
  for (const EventTrigger& one : kEvents) {
    const std::string name(one.name);
    if (std::ranges::find(events.found, name + " A") != events.found.end()) continue;
    statements.push_back("drop event trigger if exists " + name);
    statements.push_back("create event trigger " + name + " on " + one.event +
                         " execute function querymark." + one.function + "()");
    statements.push_back("alter event trigger " + name + " enable always");
  }
  return statements;
}

}  // namespace

TrackReport track(const std::string& url, const TrackOptions& options) {
  Work work(url);
  try {
    TrackReport report;
    bool changed = false;
    std::set<std::uint32_t> named;
    for (TableFound& table : work.tables(options, options.all, named)) {
      TrackedTable& told =
          report.tables.emplace_back(TrackedTable{.table = table.name, .relation = table.relation});
      const bool by_name = named.contains(table.root);
      if (table.refusal.empty() && !options.dry_run) work.lock(table);
      if (!table.refusal.empty()) {
        if (by_name) throw ConfigError(table.name + " can't be tracked: " + table.refusal);
        told.note = "not tracked: " + table.refusal;
        continue;
      }
      TrackedHead head;
      try {
        head = head_for(table, options, told.note);
      } catch (const ConfigError& problem) {
        if (by_name) throw;
        told.note = std::string("not tracked: ") + problem.what();
        continue;
      }
      told.routes = names_of(head);
      told.statements = statements_to_track(table, head, firing_for(table, options));
      if (!options.dry_run) work.run(told.statements);
      changed = changed || !told.statements.empty();
    }
    const Events events = work.events();
    const auto definitions = statements_for_events(events);
    if (options.dry_run) return report;
    work.run(definitions);
    if (changed || !definitions.empty()) work.report_definitions();
    work.commit();
    return report;
  } catch (const Error& failure) {
    explain(failure, "track tables");
  }
}

TrackReport untrack(const std::string& url, const TrackOptions& options) {
  Work work(url);
  try {
    TrackReport report;
    bool changed = false;
    std::set<std::uint32_t> named;
    // The event triggers first: they would put back what is taken away.
    std::vector<std::string> definitions;
    auto tables = work.tables(options, options.all, named);
    if (options.all)
      for (const EventTrigger& one : kEvents)
        for (const std::string& found : work.events().found)
          if (found.starts_with(std::string(one.name) + ' '))
            definitions.push_back(std::string("drop event trigger ") + one.name);
    if (!options.dry_run) work.run(definitions);
    for (TableFound& table : tables) {
      if (!named.contains(table.root) && !table.tracked()) continue;
      if (!options.dry_run && table.refusal.empty()) work.lock(table);
      TrackedTable told{.table = table.name, .relation = table.relation};
      told.statements = statements_to_untrack(table);
      if (!options.dry_run) work.run(told.statements);
      changed = changed || !told.statements.empty();
      report.tables.push_back(std::move(told));
    }
    if (options.dry_run) return report;
    if (changed || !definitions.empty()) work.report_definitions();
    work.commit();
    return report;
  } catch (const Error& failure) {
    explain(failure, "untrack tables");
  }
}

std::vector<Finding> check_tracking(const std::string& url, const TrackOptions& options) {
  using enum Finding::Severity;
  Work work(url);
  std::vector<Finding> findings;
  std::set<std::uint32_t> named;
  const bool every = options.all || options.tables.empty();
  for (const TableFound& table : work.tables(options, every, named)) {
    const bool asked = options.all || named.contains(table.root);
    const std::string advice = "querymark track " + shell_word(table.members.at(0).quoted);
    if (!table.tracked()) {
      findings.push_back({asked ? warning : notice,
                          table.name + " reports no writes: " +
                              (table.refusal.empty() ? "it is not tracked" : table.refusal),
                          table.refusal.empty() ? advice : ""});
      continue;
    }
    const auto head = table.head();
    const bool good = table.refusal.empty() && head && head->relation == table.relation &&
                      statements_to_track(table, *head, firing_for(table, options)).empty();
    if (!good)
      findings.push_back({error,
                          "the triggers of " + table.name +
                              " are not what they should be: one is missing on one of its " +
                              std::to_string(table.members.size()) +
                              " members, disabled, or of another version or name",
                          advice});
  }
  if (!work.events().all())
    findings.push_back(
        {warning, "nothing reports changes of definitions (DDL), so no result is kept without tags",
         "have a superuser run querymark track, which makes event triggers"});
  for (const Row row : work.silenced())
    findings.push_back(
        {error,
         "event triggers are switched off for " + row["who"].as<std::string>() +
             ": changes of definitions (DDL) there are not reported, so no result is "
             "kept without tags",
         row["advice"].as<std::string>()});
  return findings;
}

}  // namespace querymark::postgres
