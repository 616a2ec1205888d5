#include "walk.hpp"

#include <algorithm>
#include <utility>

#include "keys_apart.hpp"

namespace querymark::postgres {
namespace {

// As the server numbers them.
constexpr int kTable = 0;
constexpr int kSubquery = 1;
constexpr int kDeepest = 200;  // levels within levels, views expanded

enum class Join : std::uint8_t { inner = 0, left = 1, full = 2, right = 3 };

Join join_of(const Node& join) {
  const auto type = join.number("jointype");
  if (type < 0 || type > 3)
    throw MalformedTree{"the server's tree has a join of a kind that is not known"};
  return static_cast<Join>(type);
}

const Node& entry_of(const Node& query, int place) {
  const auto& places = query["rtable"].items();
  if (place < 1 || static_cast<std::size_t>(place) > places.size())
    throw MalformedTree{"the server's tree names a place of a range table that is not there"};
  return places[static_cast<std::size_t>(place) - 1];
}

bool is_grouped(const Node& query, std::int64_t reference) {
  return reference != 0 && std::ranges::any_of(query["groupClause"].items(), [&](const Node& by) {
           return by.number("tleSortGroupRef") == reference;
         });
}

}  // namespace

std::vector<const Node*> queries_of(const Node& tree) {
  std::vector<const Node*> queries;
  if (tree.is("QUERY")) queries.push_back(&tree);
  for (const Node& item : tree.items()) {
    const auto inner = queries_of(item);
    queries.insert(queries.end(), inner.begin(), inner.end());
  }
  return queries;
}

void Walk::query(const Node& query, bool parameters) {
  parameters_ = parameters || broken_ == Broken::body_parameters;
  level(query, {}, {}, 0);
}

void Walk::level(const Node& query, const Equalities& outside, const Asked& asked, Oid of_view) {
  if (levels_.size() >= kDeepest) throw MalformedTree{"queries nest too deep"};
  levels_.push_back({next_level_++, &query});
  visited_.emplace_back();
  const Node& from = query["jointree"];

  Equalities known = outside;
  add_asked(known, query, asked);
  if (parameters_) add_unnested(known, query);
  conditions().add(known, from["quals"]);
  Equalities surviving = known;
  for (const Node& part : from["fromlist"].items()) surviving.add(always(part));

  if (query["setOperations"].none())
    for (const Node& part : from["fromlist"].items()) joined(part, surviving);
  // What no FROM leads to: the arms of a set operation; and who knows.
  const auto& places = query["rtable"].items();
  for (int place = 1; place <= static_cast<int>(places.size()); ++place) {
    const Node& entry = places[static_cast<std::size_t>(place) - 1];
    if (visited_.back().contains(place)) continue;
    // A view's rule has two entries for the view itself, OLD and NEW, that nobody reads.
    const bool of_rule = entry.number("rtekind") == kTable && of_view != 0 &&
                         static_cast<Oid>(entry.number("relid")) == of_view &&
                         !entry.flag("inFromCl");
    if (!of_rule && broken_ != Broken::misses_arms) named(place, {});
  }

  // Sublinks of WHERE and of the select list run for rows for which the rest of WHERE holds.
  sublinks(from["quals"], surviving);
  sublinks(query["targetList"], query["groupingSets"].none() ? surviving : Equalities());
  for (const Node& part : from["fromlist"].items()) conditions_of_joins(part);
  for (const auto& [name, value] : query.fields())
    if (name != "targetList" && name != "jointree" && name != "cteList") sublinks(value, {});
  for (const Node& with : query["cteList"].items())
    if (broken_ != Broken::misses_with) level(with["ctequery"], {}, {}, 0);
  visited_.pop_back();
  levels_.pop_back();
}

void Walk::joined(const Node& part, const Equalities& known) {
  if (part.is("RANGETBLREF")) {
    named(static_cast<int>(part.number("rtindex")), known);
    return;
  }
  if (!part.is("JOINEXPR"))
    throw MalformedTree{"the server's tree joins what is not known: " + part.text()};
  visited_.back().insert(static_cast<int>(part.number("rtindex")));
  const Node& left = part["larg"];
  const Node& right = part["rarg"];
  Equalities matched = known;
  conditions().add(matched, part["quals"]);
  switch (join_of(part)) {
    case Join::inner:
      matched.add(always(left));
      matched.add(always(right));
      joined(left, matched);
      joined(right, matched);
      break;
    case Join::left:
      joined(left, broken_ == Broken::left_join_routes_left ? matched : known);
      matched.add(always(left));
      joined(right, matched);
      break;
    case Join::right:
      matched.add(always(right));
      joined(left, matched);
      joined(right, broken_ == Broken::right_join_routes_right ? matched : known);
      break;
    case Join::full: {
      const Equalities& both = broken_ == Broken::full_join_routes_both ? matched : known;
      joined(left, both);
      joined(right, both);
      break;
    }
  }
}

// What holds of each row that comes out of a part of FROM. (What holds of a side that may be missing could be handed
// on, too: an equality with a column of it is not true of a row that is missing. It is not needed.)
Equalities Walk::always(const Node& part) const {
  Equalities hold;
  if (!part.is("JOINEXPR")) return hold;
  const Join join = join_of(part);
  if (join == Join::inner || (join == Join::left && broken_ == Broken::outer_on_holds))
    conditions().add(hold, part["quals"]);
  if (join == Join::inner || join == Join::left) hold.add(always(part["larg"]));
  if (join == Join::inner || join == Join::right) hold.add(always(part["rarg"]));
  return hold;
}

void Walk::named(int place, const Equalities& known) {
  visited_.back().insert(place);
  const Level here = levels_.back();
  const Node& entry = entry_of(*here.query, place);
  const auto kind = entry.number("rtekind");
  if (kind != kTable && kind != kSubquery) return;
  Asked asked;
  for (const int column : known.columns_of(here.id, place))
    if (auto found = known.of({here.id, place, column})) asked.emplace(column, *std::move(found));
  if (kind == kSubquery) {
    level(entry["subquery"], {}, entry.flag("lateral") ? Asked() : asked, 0);
    return;
  }
  const auto relation = static_cast<Oid>(entry.number("relid"));
  const Node* rule = view_(relation);
  if (rule == nullptr) {
    seen_.push_back({relation, std::move(asked)});
    return;
  }
  const bool parameters = std::exchange(parameters_, false);
  for (const Node* query : queries_of(*rule)) level(*query, {}, asked, relation);
  parameters_ = parameters;
}

void Walk::add_asked(Equalities& known, const Node& query, const Asked& asked) const {
  for (const Node& output : query["targetList"].items()) {
    const auto found = asked.find(static_cast<int>(output.number("resno")));
    if (found == asked.end() || !passes(query, output)) continue;
    const Node& expression = output["expr"];
    if (const auto column = conditions().column(expression);
        column && column->level == levels_.back().id)
      known.add({.column = *column, .sense = found->second.sense, .values = found->second.values});
  }
}

// Each row of `unnest($n)` is an element of the parameter; what is missing in an outer join equals nothing.
void Walk::add_unnested(Equalities& known, const Node& query) const {
  const auto& places = query["rtable"].items();
  for (std::size_t at = 0; at < places.size(); ++at)
    if (const auto found = unnested(places[at], facts_))
      known.add({.column = {levels_.back().id, static_cast<int>(at) + 1, 1},
                 .sense = found->sense,
                 .values = {{.parameter = found->parameter, .elements = true}}});
}

// Whether what is asked of a column may be asked of the rows that it is made of. (Arms of a set operation, and what
// stands in WITH, are met by another way, on which nothing is asked.)
bool Walk::passes(const Node& query, const Node& output) const {
  const auto unless = [this](Broken rule, bool stops) { return stops && broken_ != rule; };
  if (unless(Broken::passes_limit, !query["limitCount"].none() || !query["limitOffset"].none()) ||
      unless(Broken::passes_window, query.flag("hasWindowFuncs")) ||
      unless(Broken::passes_distinct_on, query.flag("hasDistinctOn")) ||
      !query["groupingSets"].none() || !query["setOperations"].none() ||
      query.flag("hasTargetSRFs"))
    return false;
  const bool grouped =
      !query["groupClause"].none() || query.flag("hasAggs") || !query["havingQual"].none();
  return !grouped || is_grouped(query, output.number("ressortgroupref"));
}

void Walk::sublinks(const Node& part, const Equalities& known) {
  if (part.is("QUERY")) return;  // of a derived table: it is met by way of FROM
  if (part.is("SUBLINK") && broken_ == Broken::misses_sublinks) return;
  if (part.is("SUBLINK")) {
    level(part["subselect"], known, {}, 0);
    sublinks(part["testexpr"], known);
    return;
  }
  for (const Node& item : part.items()) sublinks(item, known);
  for (const auto& [name, value] : part.fields()) sublinks(value, known);
}

void Walk::conditions_of_joins(const Node& part) {
  if (!part.is("JOINEXPR")) return;
  sublinks(part["quals"], {});
  conditions_of_joins(part["larg"]);
  conditions_of_joins(part["rarg"]);
}

}  // namespace querymark::postgres
