#include "advise.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "passing.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/support/error.hpp"
#include "statement_text.hpp"
#include "track/tracked_table.hpp"

namespace querymark::postgres {
namespace {

// Each query is judged as if all its tables were tracked and changes of definitions reported: what stays in the
// way then is not for `track` to mend.
class Adviser {
 public:
  Adviser(Connection& connection, const SettingList& settings)
      : connection_(connection), settings_(settings) {}

  QueryUse use_of(const SeenQuery& query) {
    try {
      static_cast<void>(require_reading(query.sql, connection_.backslash()));
      Told told = ask_of_text(connection_, {settings_, query.promises}, query.sql);
      reports_definitions_ = reports_definitions_ && told.facts.reports_definitions;
      suppose_tracked(told.facts);
      const Walked made = walked(told, query.sql, connection_.backslash());
      QueryUse use{.verdict = made.analysis.verdict, .why = made.analysis.why};
      for (const Seen& seen : made.seen) add(seen, told.facts, use);
      for (const auto& [name, id] : told.facts.promised_reads)
        add({.relation = id}, told.facts, use);
      return use;
    } catch (const ConfigError& refusal) {
      return {.verdict = Verdict::refuse, .why = refusal.what()};
    } catch (const MalformedTree& malformed) {
      return {.verdict = Verdict::refuse, .why = malformed.what};
    } catch (const Error& failure) {
      std::string why = refusal_of(failure);
      if (failure.connection_lost() || why.empty()) throw;
      return {.verdict = Verdict::refuse, .why = std::move(why)};
    }
  }

  [[nodiscard]] bool reports_definitions() const noexcept { return reports_definitions_; }

 private:
  // As `track` would see it. Tables that views and functions lead to, too.
  const TableFound& table(Oid id) {
    const auto known = tables_.find(id);
    if (known != tables_.end()) return known->second;
    TableFound found = in_passing(connection_, std::string("begin") + kAsServer,
                                  [&] { return find_table(connection_, id); });
    return tables_.emplace(id, std::move(found)).first->second;
  }

  void suppose_tracked(Facts& facts) {
    facts.reports_definitions = true;
    for (auto& [id, relation] : facts.relations) {
      if (relation.system || relation.persistence == 't' ||
          (relation.kind != 'r' && relation.kind != 'p'))
        continue;
      const TableFound& found = table(id);
      if (!relation.reported_as.empty()) continue;
      if (found.refusal.empty())
        relation.reported_as = found.relation;
      else
        relation.untracked = found.refusal;
      supposed_.insert(id);
    }
  }

  void add(const Seen& seen, const Facts& facts, QueryUse& use) {
    const auto relation = facts.relations.find(seen.relation);
    const auto found = tables_.find(seen.relation);
    if (relation == facts.relations.end()) return;
    if (found == tables_.end()) {
      use.tables.push_back(
          {.table = relation->second.name,
           .relation = relation_name(relation->second.schema, relation->second.name),
           .tracked = true,
           .why = "it reports as a whole that it was made anew"});
      return;
    }
    const TableFound& table = found->second;
    TableUse& one =
        use.tables.emplace_back(TableUse{.table = table.members.at(0).quoted,
                                         .relation = table.relation,
                                         .tracked = !supposed_.contains(seen.relation)});
    if (const auto head = table.head()) one.routes = head->routes;
    for (const auto& [number, equal] : seen.columns)
      add_tied(number, equal, relation->second, table, one);
    one.by_route =
        one.tracked && std::ranges::any_of(one.routes, [&](const auto& route) {
          return std::ranges::all_of(route, [&](const std::string& column) {
            return std::ranges::find(one.tied, column, &TiedColumn::name) != one.tied.end();
          });
        });
    one.keys = keys_of(relation->second, table);
  }

  static void add_tied(int number, const Equalities::Found& equal, const RelationFacts& relation,
                       const TableFound& table, TableUse& use) {
    const auto name = relation.columns.find(number);
    if (name == relation.columns.end()) return;
    const auto column = std::ranges::find(table.columns, name->second, &TableFound::Column::name);
    if (column != table.columns.end() && column->routable)
      use.tied.push_back({column->name, route_type(equal.sense)});
  }

  static std::vector<std::vector<std::string>> keys_of(const RelationFacts& relation,
                                                       const TableFound& table) {
    std::vector<TableFound::Column> columns = table.columns;
    std::erase_if(columns, [](const TableFound::Column& column) { return column.key == 0; });
    std::ranges::sort(columns, {}, &TableFound::Column::key);
    std::vector<std::vector<std::string>> keys = relation.uniques;
    std::vector<std::string> primary;
    primary.reserve(columns.size());
    for (const auto& column : columns) primary.push_back(column.name);
    keys.insert(keys.begin(), std::move(primary));
    return keys;
  }

  Connection& connection_;
  const SettingList& settings_;
  bool reports_definitions_ = true;
  std::map<Oid, TableFound> tables_;
  std::set<Oid> supposed_;
};

}  // namespace

Advice advise_on(Connection& connection, const SettingList& settings,
                 std::vector<SeenQuery> queries) {
  Adviser adviser(connection, settings);
  Advice advice = querymark::advise(std::move(queries),
                                    [&](const SeenQuery& query) { return adviser.use_of(query); });
  if (!adviser.reports_definitions())
    advice.notes.emplace_back(
        "nothing reports changes of definitions, so nothing is kept without tags: have a superuser "
        "run `querymark track`, for its event triggers, or poll (Options::ddl)");
  return advice;
}

}  // namespace querymark::postgres
