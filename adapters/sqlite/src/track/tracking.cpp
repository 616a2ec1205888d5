#include "track/tracking.hpp"

#include <algorithm>

#include "sql_tokens.hpp"
#include "sqlite_sql.hpp"

namespace querymark::sqlite {
namespace {

bool runs_after(const std::string& trigger_sql) {
  const auto tokens = tokens_of(trigger_sql);
  if (!tokens) return true;
  for (std::size_t at = 3; at < tokens->size(); ++at) {  // behind CREATE TRIGGER and a name
    if ((*tokens)[at].is_word("on")) return false;
    if ((*tokens)[at].is_word("after")) return true;
  }
  return false;
}

// Of AFTER triggers SQLite runs the one first that was created last. One of a user's may end the statement
// and leave the change: by RAISE(IGNORE), RAISE(FAIL), or where a statement in it fails under OR FAIL.
const TriggerText* find_later(const TableShape& shape) {
  bool behind = false;
  for (const TriggerText& trigger : shape.triggers) {
    if (is_ours(trigger))
      behind = true;
    else if (behind && runs_after(trigger.sql))
      return &trigger;
  }
  return nullptr;
}

std::vector<TriggerText> ours_of(const TableShape& shape) {
  std::vector<TriggerText> ours;
  for (const TriggerText& trigger : shape.triggers)
    if (is_ours(trigger)) ours.push_back(trigger);
  return ours;
}

}  // namespace

Tracking tracking_of(const TableShape& shape) {
  Tracking found;
  std::vector<TriggerText> ours = ours_of(shape);
  found.has_ours = !ours.empty();
  if (auto refusal = refusal_of(shape)) {
    found.why = std::move(*refusal);
    return found;
  }
  if (!found.has_ours) {
    found.why = "it is not tracked";
    return found;
  }
  for (const TriggerText& trigger : ours) {
    found.routes = routes_in(trigger.sql);
    if (found.routes) break;
  }
  if (!found.routes) {
    found.why = "its triggers are not those of this version";
    return found;
  }
  for (const RouteColumns& route : *found.routes) {
    if (auto refusal = refusal_of(shape, route)) {
      found.why = "its rows are no longer told apart: " + *refusal;
      return found;
    }
  }
  std::vector<TriggerText> wanted = triggers_of(shape, *found.routes);
  std::ranges::sort(ours, {}, &TriggerText::name);
  std::ranges::sort(wanted, {}, &TriggerText::name);
  if (ours != wanted)
    found.why =
        "its triggers are not those that its schema asks for: one is missing, or the table or a "
        "trigger was changed";
  else if (const TriggerText* later = find_later(shape))
    found.why = "the trigger " + later->name +
                " was created after ours, runs before them, and may end a statement between a "
                "change and its report";
  return found;
}

std::string why_nothing_is_tracked(Connection& connection) {
  const ParameterView log[] = {as_parameter("querymark_log")};
  // Ours lets everything in: see 0007_log_ids.sql.
  constexpr std::string_view kOurs = "CREATE TRIGGER querymark_log_newest before delete on ";
  for (const Row trigger : connection.query(sql::table_triggers, log))
    if (!trigger["sql"].view().starts_with(kOurs))
      return "there is a trigger on querymark_log, " + trigger["name"].as<std::string>() +
             ": what it does may keep reports out";
  return {};
}

}  // namespace querymark::sqlite
