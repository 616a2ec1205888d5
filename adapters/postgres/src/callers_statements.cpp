#include "callers_statements.hpp"

#include <algorithm>
#include <utility>

namespace querymark::postgres {

CallersStatements::Use CallersStatements::use(std::string_view sql,
                                              std::span<const ParameterView> values,
                                              MonotonicTime now) {
  if (sql.size() > kLongest) return {};
  const auto found = by_sql_.find(sql);
  if (found == by_sql_.end()) {
    known_.push_front({.sql = std::string(sql)});
    by_sql_.emplace(known_.front().sql, known_.begin());
    if (known_.size() > kMost) drop(std::prev(known_.end()));
    return {};
  }
  const Place place = found->second;
  known_.splice(known_.begin(), known_, place);
  if (place->resting > 0) {
    if (place->resting != kForGood) --place->resting;
    return {};
  }
  if (!place->text) place->text.emplace(sql);
  if (!place->text->lasts_with(values)) return {};
  if (place->prepared && now - place->named > kAge) unname(*place);
  if (place->name.empty()) {
    place->name = "querymark_call_" + std::to_string(++named_);
    place->named = now;
  }
  return {place->name, place->prepared, place->text->calls(), place->text->fills_in()};
}

void CallersStatements::prepared(std::string_view sql, std::span<const unsigned> types) {
  const auto found = by_sql_.find(sql);
  if (found == by_sql_.end()) return;
  found->second->prepared = true;
  if (!found->second->text->lasts_with_types(types)) keep_text(sql);
}

void CallersStatements::took(std::string_view sql, const Use& use, std::chrono::nanoseconds time) {
  const auto found = by_sql_.find(sql);
  if (found == by_sql_.end()) return;
  Known& known = *found->second;
  if (use.name.empty() || known.by_name < kOwnPlans) {
    known.slowest = std::max(known.slowest, time);
    if (!use.name.empty()) ++known.by_name;
    return;
  }
  const bool slow = time > known.slowest * kTimes && time > known.slowest + kLonger;
  if (!slow || ++known.slow < kSlow) return;
  unname(known);
  known.resting = kRest;
}

void CallersStatements::unname(Known& known) {
  if (known.prepared) dropped_.push_back(std::move(known.name));
  known.name.clear();
  known.prepared = false;
  known.slowest = {};
  known.by_name = 0;
  known.slow = 0;
}

void CallersStatements::prepare_anew() {
  for (Known& known : known_) unname(known);
}

void CallersStatements::forget(std::string_view sql) {
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) drop(found->second);
}

void CallersStatements::keep_text(std::string_view sql) {
  const auto found = by_sql_.find(sql);
  if (found == by_sql_.end()) return;
  unname(*found->second);
  found->second->resting = kForGood;
}

void CallersStatements::drop(Place place) {
  if (place->prepared) dropped_.push_back(place->name);
  by_sql_.erase(place->sql);
  known_.erase(place);
}

std::optional<std::string> CallersStatements::take_dropped() {
  if (dropped_.empty()) return std::nullopt;
  std::optional<std::string> name(std::move(dropped_.front()));
  dropped_.pop_front();
  return name;
}

void CallersStatements::keep_dropped(std::vector<std::string> names) {
  for (std::string& name : names) dropped_.push_back(std::move(name));
}

}  // namespace querymark::postgres
