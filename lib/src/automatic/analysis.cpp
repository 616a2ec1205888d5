#include "querymark/automatic/analysis.hpp"

#include <algorithm>
#include <utility>

#include "querymark/key/list.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/support/bytes.hpp"

namespace querymark {
namespace {

// As triggers write it; nothing where an equal value might be written otherwise, or is not reported.
std::optional<std::string> written(RouteType type, ParameterView value) {
  switch (type) {
    case RouteType::integer:
      if (value.type() == ValueType::int64) return std::to_string(value.as_int64());
      return std::nullopt;
    case RouteType::boolean:
      if (value.type() == ValueType::boolean) return value.as_int64() != 0 ? "true" : "false";
      return std::nullopt;
    case RouteType::text:
      if (value.type() == ValueType::text) return std::string(value.as_view());
      return std::nullopt;
    case RouteType::uuid: {
      if (value.type() != ValueType::text || value.as_view().size() != 36) return std::nullopt;
      std::string text(value.as_view());
      for (char& c : text) c = 'A' <= c && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
      const auto fits = [&text](std::size_t at) {
        const bool dash = at == 8 || at == 13 || at == 18 || at == 23;
        return dash ? text[at] == '-'
                    : ('0' <= text[at] && text[at] <= '9') || ('a' <= text[at] && text[at] <= 'f');
      };
      for (std::size_t at = 0; at < text.size(); ++at)
        if (!fits(at)) return std::nullopt;
      return text;
    }
  }
  return std::nullopt;
}

// All values of a column; nothing: not told apart.
std::optional<std::vector<std::string>> values_of(const RoutedColumn& column,
                                                  std::span<const ParameterView> parameters) {
  std::vector<std::string> values;
  const auto add = [&](std::optional<std::string> value) {
    if (!value || !is_plain_utf8(*value) || escape_tracked(*value).size() > kMaxRouteValue ||
        values.size() == kMaxRouteValues)
      return false;
    values.push_back(std::move(*value));
    return true;
  };
  for (const RouteValue& value : column.values) {
    if (!value.parameter) {
      if (!add(value.constant)) return std::nullopt;
      continue;
    }
    if (*value.parameter >= parameters.size()) return std::nullopt;
    const ParameterView given = parameters[*value.parameter];
    if (!value.elements) {
      if (!add(written(column.type, given))) return std::nullopt;
      continue;
    }
    if (given.type() != ValueType::list) return std::nullopt;
    for (const ParameterView element : elements_of_list(given)) {
      if (element.type() == ValueType::null) continue;  // equals nothing
      if (!add(written(column.type, element))) return std::nullopt;
    }
  }
  return values;
}

// Each combination of the columns' values; nothing: too many.
std::optional<std::vector<std::vector<std::string>>> rows_of(
    const Occurrence& occurrence, std::span<const ParameterView> parameters) {
  std::vector<std::vector<std::string>> rows{{}};
  for (const RoutedColumn& column : occurrence.columns) {
    const auto values = values_of(column, parameters);
    if (!values || rows.size() * values->size() > kMaxRouteValues) return std::nullopt;
    std::vector<std::vector<std::string>> longer;
    for (const auto& row : rows)
      for (const std::string& value : *values) {
        longer.push_back(row);
        longer.back().push_back(value);
      }
    rows = std::move(longer);
  }
  return rows;
}

// One that spells a date by numbers: there are no words in it.
bool is_plain_date(ParameterView value) {
  if (value.type() == ValueType::list)
    return std::ranges::all_of(elements_of_list(value), is_plain_date);
  if (value.type() == ValueType::timestamp || value.type() == ValueType::null) return true;
  return value.type() == ValueType::text &&
         value.as_view().find_first_not_of("0123456789-:. +TZ") == std::string_view::npos;
}

void add_once(std::vector<Target>& targets, Target target) {
  if (std::ranges::find(targets, target) == targets.end()) targets.push_back(std::move(target));
}

}  // namespace

std::string_view to_string(Verdict verdict) noexcept {
  switch (verdict) {
    case Verdict::cache:
      return "cache";
    case Verdict::ttl_only:
      return "ttl only";
    case Verdict::refuse:
      break;
  }
  return "refuse";
}

bool Promises::calls_pure(std::string_view schema, std::string_view name) const {
  return std::ranges::any_of(pure, [&](const std::string& promised) {
    if (promised == name) return true;
    return promised.size() == schema.size() + 1 + name.size() && promised.starts_with(schema) &&
           promised[schema.size()] == '.' && promised.ends_with(name);
  });
}

std::string key_of(const Promises& promises) {
  std::string key;
  const auto add = [&key](char kind, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      key += kind;
      key.append(std::to_string(name.size())).append(":").append(name);
    }
  };
  add('r', promises.reads);
  add('p', promises.pure);
  return key;
}

std::string Analysis::str() const {
  std::string text(to_string(verdict));
  if (!why.empty()) text.append(": ").append(why);
  if (local) text.append("\n  kept in this process alone: definitions are polled");
  if (keys_apart) text.append("\n  each key in $1 by itself");
  for (const Occurrence& occurrence : occurrences) {
    text.append("\n  ").append(occurrence.relation);
    if (occurrence.route.empty()) {
      text.append(", any row");
      continue;
    }
    text.append(" by ").append(occurrence.route).append(" =");
    for (const RoutedColumn& column : occurrence.columns) {
      const char* separator = " ";
      for (const RouteValue& value : column.values) {
        text.append(separator);
        if (value.parameter)
          text.append("$")
              .append(std::to_string(*value.parameter + 1))
              .append(value.elements ? "[]" : "");
        else
          text.append(value.constant);
        separator = " or ";
      }
    }
  }
  return text;
}

std::vector<Target> targets_of(const Analysis& analysis,
                               std::span<const ParameterView> parameters) {
  std::vector<Target> targets;
  for (const Occurrence& occurrence : analysis.occurrences) {
    const auto rows = occurrence.route.empty() ? std::nullopt : rows_of(occurrence, parameters);
    if (!rows) {
      add_once(targets, any_row_of(occurrence.relation));
      continue;
    }
    for (const auto& row : *rows)
      add_once(targets, row_of(occurrence.relation, occurrence.route, row));
    add_once(targets, all_rows_of(occurrence.relation));
  }
  add_once(targets, schema_of_all());
  return targets;
}

std::vector<Target> targets_of_one_key(const Analysis& analysis,
                                       std::span<const ParameterView> parameters) {
  // Else the key, which is no list, is not told apart.
  if (!analysis.keys_apart || parameters.empty()) return targets_of(analysis, parameters);
  const OwnedParameter key = std::move(ListBuilder().add(parameters[0])).build();
  std::vector<ParameterView> values(parameters.begin(), parameters.end());
  values[0] = key;
  return targets_of(analysis, values);
}

bool mean_the_same(const Analysis& analysis, std::span<const ParameterView> parameters) {
  return std::ranges::all_of(analysis.dates, [parameters](std::size_t at) {
    return at < parameters.size() && is_plain_date(parameters[at]);
  });
}

}  // namespace querymark
