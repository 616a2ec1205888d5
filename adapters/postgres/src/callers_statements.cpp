#include "callers_statements.hpp"

#include <utility>

namespace querymark::postgres {

CallersStatements::Use CallersStatements::use(std::string_view sql) {
  if (sql.size() > kLongest) return {};
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) {
    const Place place = found->second;
    known_.splice(known_.begin(), known_, place);
    if (place->name.empty()) place->name = "querymark_write_" + std::to_string(++named_);
    return {place->name, place->prepared};
  }
  known_.push_front({.sql = std::string(sql), .name = {}});
  by_sql_.emplace(known_.front().sql, known_.begin());
  if (known_.size() > kMost) drop(std::prev(known_.end()));
  return {};
}

void CallersStatements::prepared(std::string_view sql) noexcept {
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) found->second->prepared = true;
}

void CallersStatements::forget(std::string_view sql) {
  if (const auto found = by_sql_.find(sql); found != by_sql_.end()) drop(found->second);
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

}  // namespace querymark::postgres
