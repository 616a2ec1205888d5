#include "tracked_table.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>

#include "postgres_sql.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/postgres/types.hpp"
#include "querymark/support/error.hpp"

namespace querymark::postgres {
namespace {

std::vector<std::string> trigger_names() {
  std::vector<std::string> names;
  for (const Change change : kChanges) names.push_back(trigger_name(change));
  return names;
}

// `querymark_update A 0 t_16412_3_update`
TableFound::Trigger read_trigger(const std::string& text) {
  const std::size_t name = text.find(' ');
  return {.name = text.substr(0, name),
          .enabled = text.at(name + 1),
          .firing = text.at(name + 3) == '1' ? Firing::row : Firing::statement,
          .function = text.substr(name + 5)};
}

bool is_plain(const std::string& name) {
  return std::ranges::none_of(name, [](unsigned char c) { return c < ' '; });
}

void read_members(const ResultSet& rows, TableFound& table) {
  for (const Row row : rows) {
    TableFound::Member member{.oid = row["oid"].as<std::int64_t>(),
                              .quoted = row["quoted"].as<std::string>(),
                              .kind = row["kind"].as<std::string>().at(0)};
    for (const std::string& trigger : row["triggers"].as<std::vector<std::string>>())
      member.triggers.push_back(read_trigger(trigger));
    const std::string shown = row["schema"].as<std::string>() + '.' + row["name"].as<std::string>();
    const auto refuse = [&](bool when, const char* why) {
      if (when && table.refusal.empty()) table.refusal = shown + ' ' + why;
    };
    refuse(row["parents"].as<std::int64_t>() > 1, "has two parents");
    refuse(member.kind == 'f', "is a foreign table");
    refuse(member.kind != 'r' && member.kind != 'p', "is no table");
    refuse(row["persistence"].as<std::string>() == "t", "is a temporary table");
    refuse(row["system"].as<bool>(), "belongs to the server, or to querymark");
    table.subscribed = table.subscribed || row["subscribed"].as<bool>();
    table.members.push_back(std::move(member));
  }
}

std::string function_name(const TableFound& table, int generation, Change change, Firing firing) {
  std::string name = "t_" + std::to_string(table.root) + '_' + std::to_string(generation) + '_';
  name.append(word(change));
  return firing == Firing::row ? name.append("_row") : name;
}

// Rows stand in tables; for a partitioned one there are statements only.
Firing firing_on(const TableFound::Member& member, Change change, Firing firing) {
  return member.kind == 'p' ? Firing::statement : firing_of(change, firing);
}

bool is_as_it_should_be(const TableFound& table, const TableFound::Member& member,
                        const TrackedHead& head, Change change, Firing firing) {
  const auto trigger =
      std::ranges::find(member.triggers, trigger_name(change), &TableFound::Trigger::name);
  if (trigger == member.triggers.end() || trigger->enabled != 'A' || trigger->firing != firing)
    return false;
  const auto function = table.functions.find(trigger->function);
  return function != table.functions.end() && function->second.safe &&
         function->second.source == report_source(head, change, firing, table.partitioned());
}

// The next one, so that no writer runs the function of another generation. (None could: dropping the triggers waits
// for all who have written, and functions are dropped, never replaced. So nothing shows where a number comes again.)
int next_generation(const TableFound& table) {
  int newest = 0;
  for (const auto& [name, function] : table.functions) {
    const std::size_t begin = name.find('_', 2) + 1;
    int generation = 0;
    std::from_chars(name.data() + begin, name.data() + name.size(), generation);
    newest = std::max(newest, generation);
  }
  return newest + 1;
}

void drop_triggers(const TableFound& table, std::vector<std::string>& statements) {
  for (const auto& member : table.members)
    for (const auto& trigger : member.triggers)
      statements.push_back("drop trigger " + trigger.name + " on " + member.quoted);
  for (const auto& [name, function] : table.functions)
    if (!function.elsewhere)
      statements.push_back("drop function querymark." + quoted_name(name) + "()");
}

std::string shown(const std::vector<std::string>& route) {
  std::string text;
  for (const std::string& column : route) text.append(text.empty() ? "" : ",").append(column);
  return text;
}

// Why rows can't be told apart by these columns; empty: they can.
std::string problem_of(const TableFound& table, const std::vector<std::string>& route) {
  if (route.empty() || route.size() > 3) return "a route has one to three columns";
  std::set<std::string> once;
  for (const std::string& name : route) {
    const auto column = std::ranges::find(table.columns, name, &TableFound::Column::name);
    if (column == table.columns.end()) return table.name + " has no column " + name;
    if (!column->routable)
      return "equal values of " + table.name + '.' + name + ", of type " + column->type +
             ", may be written differently";
    if (!is_plain(name)) return "the name of a column holds a control character";
    if (!once.insert(name).second) return "a route names a column once";
  }
  return "";
}

}  // namespace

bool TableFound::tracked() const {
  return std::ranges::any_of(members, [](const Member& one) { return !one.triggers.empty(); });
}

bool TableFound::partitioned() const { return members.front().kind == 'p'; }

std::optional<TrackedHead> TableFound::head() const {
  for (const auto& function : functions) {
    const std::string& source = function.second.source;
    if (source.empty() || source[0] != '\n') continue;
    const std::size_t line = source.find('\n', 1);
    const std::size_t end = line == std::string::npos ? line : source.find('\n', line + 1);
    if (end == std::string::npos) continue;
    if (auto head = TrackedHead::read(std::string_view(source).substr(1, end - 1))) return head;
  }
  return std::nullopt;
}

TableFound find_table(Connection& connection, std::uint32_t oid) {
  TableFound table;
  const auto id = [](std::uint32_t value) {
    return as_parameter(static_cast<std::int64_t>(value));
  };
  const auto names = trigger_names();
  const OwnedParameter ours = as_parameter(names);
  const ResultSet members = connection.query(sql::track_members.text, {id(oid), ours});
  if (members.empty()) throw ConfigError("a table was dropped meanwhile; run it again");
  const Row root = members.row(0);
  table.root = static_cast<std::uint32_t>(root["oid"].as<std::int64_t>());
  const auto schema = root["schema"].as<std::string>();
  const auto name = root["name"].as<std::string>();
  table.name = schema + '.' + name;
  table.relation = relation_name(schema, name);
  read_members(members, table);
  if (table.refusal.empty() && (!is_plain(schema) || !is_plain(name)))
    table.refusal = "its name holds a control character";
  for (const Row row : connection.query(sql::track_columns.text, {id(table.root)}))
    table.columns.push_back(
        {.name = row["name"].as<std::string>(),
         .type = row["type"].as<std::string>(),
         .routable = row["routable"].as<bool>() && !row["loose"].as<bool>(),
         .key = static_cast<int>(row["key"].as<std::optional<std::int64_t>>().value_or(-1) + 1)});
  std::vector<std::int64_t> oids;
  oids.reserve(table.members.size());
  for (const auto& member : table.members) oids.push_back(member.oid);
  const OwnedParameter all = as_parameter(oids);
  for (const Row row : connection.query(sql::track_functions.text, {id(table.root), all}))
    table.functions.emplace(row["name"].as<std::string>(),
                            TableFound::Function{.source = row["source"].as<std::string>(),
                                                 .safe = row["safe"].as<bool>(),
                                                 .elsewhere = row["elsewhere"].as<bool>()});
  return table;
}

TrackedHead head_for(const TableFound& table, const TrackOptions& options, std::string& note) {
  TrackedHead head{.relation = table.relation, .routes = options.routes};
  if (!options.routes.empty()) {
    for (const auto& route : options.routes)
      if (const std::string problem = problem_of(table, route); !problem.empty())
        throw ConfigError("rows can't be told apart by " + shown(route) + ": " + problem);
    return head;
  }
  if (const auto before = table.head()) {
    for (const auto& route : before->routes)
      if (problem_of(table, route).empty())
        head.routes.push_back(route);
      else
        note = "no longer by " + shown(route) + ": " + problem_of(table, route);
    return head;
  }
  std::vector<std::string> key;
  std::vector<TableFound::Column> columns = table.columns;
  std::ranges::sort(columns, {}, &TableFound::Column::key);
  for (const auto& column : columns)
    if (column.key > 0) key.push_back(column.name);
  if (key.empty())
    note = "it has no primary key: any write counts for all its rows";
  else if (const std::string problem = problem_of(table, key); !problem.empty())
    note = "not by its primary key: " + problem;
  else
    head.routes.push_back(std::move(key));
  return head;
}

Firing firing_for(const TableFound& table, const TrackOptions& options) {
  const bool row = std::ranges::any_of(table.members, [](const TableFound::Member& member) {
    return std::ranges::any_of(member.triggers, [](const TableFound::Trigger& trigger) {
      return trigger.firing == Firing::row;
    });
  });
  return options.row_level || table.subscribed || row ? Firing::row : Firing::statement;
}

std::vector<std::string> statements_to_track(const TableFound& table, const TrackedHead& head,
                                             Firing firing) {
  std::vector<std::string> statements;
  const bool good = std::ranges::all_of(table.members, [&](const auto& member) {
    return std::ranges::all_of(kChanges, [&](Change change) {
      return is_as_it_should_be(table, member, head, change, firing_on(member, change, firing));
    });
  });
  if (good) return statements;
  drop_triggers(table, statements);
  const int generation = next_generation(table);
  std::set<std::string> made;
  std::vector<std::string> triggers;
  for (const auto& member : table.members)
    for (const Change change : kChanges) {
      const Firing on = firing_on(member, change, firing);
      const std::string function = function_name(table, generation, change, on);
      if (made.insert(function).second)
        statements.push_back(
            create_function(function, report_source(head, change, on, table.partitioned())));
      triggers.push_back(create_trigger(member.quoted, function, change, on));
      triggers.push_back("alter table only " + member.quoted + " enable always trigger " +
                         trigger_name(change));
    }
  statements.insert(statements.end(), triggers.begin(), triggers.end());
  return statements;
}

std::vector<std::string> statements_to_untrack(const TableFound& table) {
  std::vector<std::string> statements;
  drop_triggers(table, statements);
  return statements;
}

}  // namespace querymark::postgres
