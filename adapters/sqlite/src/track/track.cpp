#include "querymark/sqlite/track.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "connection.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/sqlite/url.hpp"
#include "querymark/support/ascii.hpp"
#include "schema.hpp"
#include "sql_tokens.hpp"
#include "sqlite_sql.hpp"
#include "track/tracking.hpp"

namespace querymark::sqlite {
namespace {

// The tables that are meant, each once, by their names.
std::vector<TableShape> tables_of(Connection& connection, const TrackOptions& options) {
  std::vector<TableShape> shapes;
  const auto add = [&](TableShape shape) {
    if (std::ranges::find(shapes, shape.name, &TableShape::name) == shapes.end())
      shapes.push_back(std::move(shape));
  };
  for (const std::string& name : options.tables) {
    TableShape shape = shape_of(connection, name);
    if (shape.kind == TableShape::Kind::missing) throw ConfigError("there is no table " + name);
    add(std::move(shape));
  }
  if (options.all) {
    const ResultSet names = connection.query(sql::tracked_candidates, {});
    for (const Row row : names) add(shape_of(connection, row["name"].as<std::string>()));
  }
  std::ranges::sort(shapes, {}, &TableShape::name);
  return shapes;
}

bool is_named(const TrackOptions& options, const TableShape& shape) {
  return std::ranges::any_of(
      options.tables, [&](const std::string& name) { return ascii::equal(name, shape.name); });
}

// As the schema spells the columns; a column that is not there stays as it is given, and is refused.
std::vector<RouteColumns> spelt(const TableShape& shape, std::vector<RouteColumns> routes) {
  for (RouteColumns& route : routes)
    for (std::string& name : route)
      if (const ColumnShape* column = shape.find(name)) name = column->name;
  return routes;
}

// The routes that a table gets, and why not others.
std::vector<RouteColumns> routes_for(const TableShape& shape, const TrackOptions& options,
                                     std::string& note) {
  std::vector<RouteColumns> wanted;
  const Tracking before = tracking_of(shape);
  const bool asked = !options.routes.empty();
  if (asked)
    wanted = options.routes;
  else if (before.routes)
    wanted = *before.routes;
  else if (!shape.primary_key.empty())
    wanted = {shape.primary_key};
  else
    note = "it has no primary key";
  std::vector<RouteColumns> routes;
  for (RouteColumns& route : spelt(shape, std::move(wanted))) {
    const auto refusal = refusal_of(shape, route);
    if (!refusal) {
      if (std::ranges::find(routes, route) == routes.end()) routes.push_back(std::move(route));
      continue;
    }
    if (asked && !options.all) throw ConfigError(shape.name + ": " + *refusal);
    note = *refusal;
  }
  return routes;
}

TrackedTable described(const TableShape& shape, const std::vector<RouteColumns>& routes) {
  TrackedTable table{.table = shape.name, .relation = relation_of(shape)};
  for (const RouteColumns& route : routes) table.routes.push_back(route_name(route));
  return table;
}

void drop_ours(const TableShape& shape, TrackedTable& table) {
  for (const TriggerText& trigger : shape.triggers)
    if (is_ours(trigger)) table.statements.push_back("DROP TRIGGER " + quoted_name(trigger.name));
}

// A table that was renamed has taken along the triggers that bear this table's name.
void drop_strays(Connection& connection, const TableShape& shape,
                 const std::vector<TriggerText>& wanted, TrackedTable& table) {
  for (const TriggerText& trigger : wanted) {
    const ParameterView name[] = {as_parameter(trigger.name)};
    const ResultSet owner = connection.query(sql::trigger_owner, name);
    if (!owner.empty() && !ascii::equal(owner.row(0)["tbl_name"].view(), shape.name))
      table.statements.push_back("DROP TRIGGER " + quoted_name(trigger.name));
  }
}

TrackedTable tracked_anew(Connection& connection, const TableShape& shape,
                          const TrackOptions& options) {
  std::string note;
  const std::vector<RouteColumns> routes = routes_for(shape, options, note);
  TrackedTable table = described(shape, routes);
  table.note = std::move(note);
  const Tracking before = tracking_of(shape);
  if (before.tracked() && before.routes == routes) return table;
  const std::vector<TriggerText> wanted = triggers_of(shape, routes);
  drop_ours(shape, table);
  drop_strays(connection, shape, wanted, table);
  for (const TriggerText& trigger : wanted) table.statements.push_back(trigger.sql);
  return table;
}

using Plan = std::function<std::optional<TrackedTable>(Connection&, const TableShape&)>;

// Reads, plans and runs in one transaction, in which nobody else writes.
TrackReport change(const std::string& where, const TrackOptions& options, const Plan& plan) {
  const std::string path = path_of(where);
  Connection connection(path, Connection::Use::write, {.busy_timeout = std::chrono::seconds(10)});
  require_schema(connection, path);
  ScopedTransaction transaction(
      connection, options.dry_run ? ScopedTransaction::Kind::read : ScopedTransaction::Kind::write);
  TrackReport report;
  bool changes = false;
  for (const TableShape& shape : tables_of(connection, options)) {
    auto table = plan(connection, shape);
    if (!table) continue;
    changes = changes || !table->statements.empty();
    if (!options.dry_run)
      for (const std::string& statement : table->statements) connection.run(statement);
    report.tables.push_back(std::move(*table));
  }
  if (options.dry_run) return report;
  if (changes) {
    static_cast<void>(connection.execute(sql::tell_definitions, {}));
    static_cast<void>(connection.execute(sql::told_definitions, {}));
  }
  transaction.commit();
  return report;
}

void require_tables(const TrackOptions& options) {
  if (options.tables.empty() && !options.all) throw ConfigError("name the tables, or ask for all");
}

std::optional<Finding> finding_of(const TableShape& shape, bool wanted) {
  using enum Finding::Severity;
  const Tracking tracking = tracking_of(shape);
  if (tracking.tracked()) return std::nullopt;
  const std::string what = "table " + shape.name + ": " + tracking.why;
  const bool refused = refusal_of(shape).has_value();
  if (tracking.has_ours)
    return Finding{error, what + "; queries that read it are not cached",
                   refused ? "mend that, or untrack it" : "run querymark track again"};
  const auto severity = wanted ? warning : notice;
  if (refused) return Finding{severity, what, "queries that read it are not cached"};
  return Finding{severity, what, "run querymark track, or leave what reads it uncached"};
}

}  // namespace

TrackReport track(const std::string& where, const TrackOptions& options) {
  require_tables(options);
  return change(
      where, options,
      [&](Connection& connection, const TableShape& shape) -> std::optional<TrackedTable> {
        const auto refusal = refusal_of(shape);
        if (!refusal) return tracked_anew(connection, shape, options);
        if (is_named(options, shape)) throw ConfigError(shape.name + ": " + *refusal);
        TrackedTable left{.table = shape.name, .note = *refusal};
        return left;
      });
}

TrackReport untrack(const std::string& where, const TrackOptions& options) {
  require_tables(options);
  return change(where, options,
                [&](Connection&, const TableShape& shape) -> std::optional<TrackedTable> {
                  TrackedTable table = described(shape, {});
                  drop_ours(shape, table);
                  if (table.statements.empty() && !is_named(options, shape)) return std::nullopt;
                  return table;
                });
}

std::vector<Finding> check_tracking(const std::string& where, const TrackOptions& options) {
  const std::string path = path_of(where);
  Connection connection(path, Connection::Use::read, {.busy_timeout = std::chrono::seconds(10)});
  require_schema(connection, path);
  const ScopedTransaction transaction(connection, ScopedTransaction::Kind::read);
  std::vector<Finding> findings;
  if (std::string why = why_nothing_is_tracked(connection); !why.empty())
    findings.push_back({Finding::Severity::error, std::move(why), "drop it"});
  TrackOptions every = options;
  every.all = options.all || options.tables.empty();
  for (const TableShape& shape : tables_of(connection, every))
    if (auto finding = finding_of(shape, options.all || is_named(options, shape)))
      findings.push_back(std::move(*finding));
  return findings;
}

}  // namespace querymark::sqlite
