#include "analyse.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "keys_apart.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/support/ascii.hpp"
#include "verdicts.hpp"
#include "walk.hpp"

namespace querymark::postgres {
namespace {

// The route with the fewest rows behind it: a unique one, else one of more columns.
const RelationFacts::Route* best_route(const RelationFacts& relation, const Seen& seen) {
  const RelationFacts::Route* best = nullptr;
  for (const auto& route : relation.routes) {
    const bool known = std::ranges::all_of(route.columns, [&](const std::string& name) {
      return std::ranges::any_of(seen.columns, [&](const auto& column) {
        const auto found = relation.columns.find(column.first);
        return found != relation.columns.end() && found->second == name;
      });
    });
    const auto rank = [](const RelationFacts::Route& one) {
      return std::pair(one.unique, one.columns.size());
    };
    if (known && (best == nullptr || rank(route) > rank(*best))) best = &route;
  }
  return best;
}

Occurrence occurrence_of(const RelationFacts& relation, const Seen& seen) {
  Occurrence occurrence{.relation = relation.reported_as.empty()
                                        ? relation_name(relation.schema, relation.name)
                                        : relation.reported_as};
  const RelationFacts::Route* route = best_route(relation, seen);
  if (route == nullptr) return occurrence;
  occurrence.route = route_name(route->columns);
  for (const std::string& name : route->columns)
    for (const auto& [number, found] : seen.columns)
      if (const auto column = relation.columns.find(number);
          column != relation.columns.end() && column->second == name)
        occurrence.columns.push_back({route_type(found.sense), found.values});
  return occurrence;
}

void add_seen(const std::vector<Seen>& all, const Facts& facts, Analysis& analysis) {
  for (const Seen& seen : all) {
    const auto found = facts.relations.find(seen.relation);
    if (found == facts.relations.end())
      throw MalformedTree{"it reads a relation that the catalogue does not show"};
    const RelationFacts& relation = found->second;
    Occurrence occurrence = occurrence_of(relation, seen);
    if (std::ranges::find(analysis.occurrences, occurrence) == analysis.occurrences.end())
      analysis.occurrences.push_back(std::move(occurrence));
  }
}

// What triggers report is of tables: what a view shows its own analysis would tell.
void judge_promised(const std::string& name, Oid id, const Facts& facts, Judgement& judgement) {
  const auto found = facts.relations.find(id);
  if (found == facts.relations.end())
    judgement.add(Verdict::refuse, "there is no table " + name + ", which .reads() names");
  else if (found->second.kind == 'v')
    judgement.add(Verdict::refuse,
                  name + ", which .reads() names, is a view: name the tables behind it");
}

void add_promised(const Facts& facts, Analysis& analysis) {
  for (const auto& [name, id] : facts.promised_reads)
    if (const auto found = facts.relations.find(id); found != facts.relations.end()) {
      Occurrence any = occurrence_of(found->second, {.relation = id});
      if (std::ranges::find(analysis.occurrences, any) == analysis.occurrences.end())
        analysis.occurrences.push_back(std::move(any));
    }
}

void judge(const Trees& trees, const Told& told, std::string_view sql, Backslash backslash,
           Judgement& judgement) {
  judge_tree(trees.query(), told.facts, judgement);
  for (const auto& [id, tree] : trees.views()) judge_tree(tree, told.facts, judgement);
  for (const auto& [id, tree] : trees.bodies()) judge_tree(tree, told.facts, judgement);
  for (const auto& [id, relation] : told.facts.relations)
    judge_relation(relation, told.facts, judgement);
  if (has_dates(trees.query(), told.facts) && speaks_of_today(sql, backslash))
    judgement.add(Verdict::refuse, "it has a date that may be another one tomorrow ('today')");
  for (const Oid type : told.parameters)
    if (reads(type, told.facts) == Reads::otherwise)
      judgement.add(Verdict::refuse,
                    "it has a parameter of a type whose texts may change their meaning");
  for (const auto& [name, id] : told.facts.promised_reads)
    judge_promised(name, id, told.facts, judgement);
  if (!told.facts.reports_definitions && !told.facts.definitions_polled)
    judgement.add(Verdict::ttl_only,
                  "nothing reports changes of definitions: have a superuser run `querymark track`, "
                  "for its event triggers, or poll (Options::ddl)");
}

}  // namespace

Trees::Trees(std::string_view tree) : whole_(Node::read(tree)) {
  const auto& statements = whole_.items();
  if (statements.size() != 1 || statements[0].items().size() != 2 ||
      !statements[0].items()[0].is("QUERY") || !statements[0].items()[1].is("QUERY"))
    throw MalformedTree{"it is no single query to the server"};
  collect_names(query(), names_);
}

bool Trees::plain_bytes() const {
  const auto& outputs = whole_.items()[0].items()[1]["targetList"].items();
  if (outputs.size() != 1) throw MalformedTree{"it is no single query to the server"};
  const std::string& bytes = outputs[0]["expr"]["constvalue"].text();
  return bytes.size() >= 4 && bytes[0] == 1 && bytes[3] == 0;
}

void Trees::learn(const Facts& facts) {
  const auto take = [this](std::map<Oid, Node>& into, Oid id, const std::string& text) {
    if (text.empty() || into.contains(id)) return;
    collect_names(into.emplace(id, Node::read(text)).first->second, names_);
  };
  for (const auto& [id, relation] : facts.relations) take(views_, id, relation.rule);
  for (const auto& [id, function] : facts.functions) take(bodies_, id, function.body);
}

Names Trees::wanted(const Facts& facts) const {
  Names wanted = names_;
  if (makes_json(facts)) wanted.functions.insert(facts.json_casts.begin(), facts.json_casts.end());
  std::erase_if(wanted.relations, [&](Oid id) { return facts.relations.contains(id); });
  std::erase_if(wanted.functions, [&](Oid id) { return facts.functions.contains(id); });
  std::erase_if(wanted.types, [&](Oid id) { return facts.types.contains(id); });
  std::erase_if(wanted.operators, [&](Oid id) { return facts.operators.contains(id); });
  return wanted;
}

Analysis analyse(const Told& told, std::string_view sql, Backslash backslash, Broken broken) {
  return walked(told, sql, backslash, broken).analysis;
}

Walked walked(const Told& told, std::string_view sql, Backslash backslash, Broken broken) {
  Walked made;
  Analysis& analysis = made.analysis;
  try {
    Trees trees(told.tree);
    trees.learn(told.facts);
    Judgement judgement;
    judge(trees, told, sql, backslash, judgement);
    const auto view = [&trees](Oid id) {
      const auto found = trees.views().find(id);
      return found == trees.views().end() ? nullptr : &found->second;
    };
    Walk walk(told.facts, view, broken);
    walk.query(trees.query(), true);
    for (const auto& [id, body] : trees.bodies())
      for (const Node* query : queries_of(body)) walk.query(*query, false);
    made.seen = std::move(walk).take();
    add_seen(made.seen, told.facts, analysis);
    add_promised(told.facts, analysis);
    analysis.keys_apart = keys_are_apart(trees.query(), broken);
    for (std::size_t at = 0; at < told.parameters.size(); ++at)
      if (reads(told.parameters[at], told.facts) == Reads::dates) analysis.dates.push_back(at);
    analysis.local = told.facts.definitions_polled && !told.facts.reports_definitions;
    analysis.verdict = judgement.verdict;
    analysis.why = std::move(judgement.why);
  } catch (const MalformedTree& malformed) {
    analysis = {.verdict = Verdict::refuse, .why = malformed.what};
  }
  if (analysis.verdict == Verdict::refuse) {
    analysis.occurrences.clear();
    made.seen.clear();
  }
  return made;
}

bool speaks_of_today(std::string_view sql, Backslash backslash) {
  constexpr std::array<std::string_view, 4> kWords{"now", "today", "tomorrow", "yesterday"};
  SqlTokens tokens(sql, backslash);
  while (const auto token = tokens.next()) {
    if (token->kind != SqlToken::Kind::text) continue;
    std::string text(sql.substr(token->begin, token->end - token->begin));
    text = ascii::to_lower(text);
    // An escape may spell any letter, and a text in several pieces any word.
    if (text.starts_with("e'") || text.starts_with("u&") || text.find('\\') != std::string::npos ||
        text.find('\n') != std::string::npos)
      return true;
    if (std::ranges::any_of(
            kWords, [&](std::string_view word) { return text.find(word) != std::string::npos; }))
      return true;
  }
  return false;
}

}  // namespace querymark::postgres
