#include "equalities.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace querymark::postgres {
namespace {

// The server's own operators `=`, by their oids, which no version has changed: those under which equal
// values are written alike. Not numeric (1.0 = 1.00), float (-0), char(n), dates.
std::optional<Sense> sense_of(Oid op) noexcept {
  switch (op) {
    case 94:    // int2 = int2
    case 96:    // int4 = int4
    case 410:   // int8 = int8
    case 15:    // int4 = int8
    case 416:   // int8 = int4
    case 532:   // int2 = int4
    case 533:   // int4 = int2
    case 1862:  // int2 = int8
    case 1868:  // int8 = int2
      return Sense::integer;
    case 91:
      return Sense::boolean;
    case 2972:
      return Sense::uuid;
    case 98:
      return Sense::text;
    case 3516:
      return Sense::enumeration;
    default:
      return std::nullopt;
  }
}

// Casts between integers: they keep the value, or fail.
bool keeps_integer(std::int64_t function) noexcept {
  constexpr std::array<std::int64_t, 6> kCasts{481, 754, 313, 480, 314, 714};
  return std::ranges::find(kCasts, function) != kCasts.end();
}

const Node& without_relabel(const Node& expression) {
  const Node* inner = &expression;
  while (inner->is("RELABELTYPE")) inner = &(*inner)["arg"];
  return *inner;
}

// A value that is passed by reference, behind its header of four bytes.
std::optional<std::string> variable_length(const std::string& bytes) {
  if (bytes.size() < 4) return std::nullopt;
  std::uint32_t header = 0;
  for (int byte = 3; byte >= 0; --byte)
    header = header << 8U | static_cast<unsigned char>(bytes[static_cast<std::size_t>(byte)]);
  if ((header & 3U) != 0 || header >> 2U != bytes.size())
    return std::nullopt;  // not as it should be
  return bytes.substr(4);
}

std::string uuid_text(const std::string& bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at == 4 || at == 6 || at == 8 || at == 10) text += '-';
    const auto byte = static_cast<unsigned char>(bytes[at]);
    text += kDigits[byte >> 4U];
    text += kDigits[byte & 15U];
  }
  return text;
}

std::int64_t integer_of(const std::string& bytes, std::size_t size) noexcept {
  std::uint64_t bits = 0;
  for (std::size_t byte = size; byte-- > 0;)
    bits = bits << 8U | static_cast<unsigned char>(bytes[byte]);
  const unsigned shift = 64U - 8U * static_cast<unsigned>(size);
  return static_cast<std::int64_t>(bits << shift) >> shift;
}

}  // namespace

RouteType route_type(Sense sense) noexcept {
  switch (sense) {
    case Sense::integer:
      return RouteType::integer;
    case Sense::boolean:
      return RouteType::boolean;
    case Sense::uuid:
      return RouteType::uuid;
    case Sense::text:
    case Sense::enumeration:
      break;
  }
  return RouteType::text;
}

std::optional<Equalities::Found> Equalities::of(const ColumnId& column) const {
  std::vector<std::pair<ColumnId, std::optional<Sense>>> reached{{column, std::nullopt}};
  std::optional<Found> best;
  for (std::size_t at = 0; at < reached.size(); ++at) {
    const auto [from, sense] = reached[at];
    for (const Equality& equality : all_) {
      if (sense && *sense != equality.sense) continue;
      const auto reach = [&](const ColumnId& to) {
        const auto known = [&](const auto& one) { return one.first == to; };
        if (std::ranges::none_of(reached, known)) reached.emplace_back(to, equality.sense);
      };
      if (equality.other && equality.column == from) reach(*equality.other);
      if (equality.other && *equality.other == from) reach(equality.column);
      if (!equality.other && equality.column == from &&
          (!best || equality.values.size() < best->values.size()))
        best = Found{equality.sense, equality.values};
    }
  }
  return best;
}

std::vector<int> Equalities::columns_of(int level, int place) const {
  std::vector<int> columns;
  const auto note = [&](const ColumnId& column) {
    if (column.level == level && column.place == place &&
        std::ranges::find(columns, column.column) == columns.end())
      columns.push_back(column.column);
  };
  for (const Equality& equality : all_) {
    note(equality.column);
    if (equality.other) note(*equality.other);
  }
  return columns;
}

void Conditions::add(Equalities& equalities, const Node& condition) const {
  if (condition.kind() == Node::Kind::list) {  // an implicit AND
    for (const Node& part : condition.items()) add(equalities, part);
  } else if (condition.is("BOOLEXPR")) {
    const std::string& op = condition.word("boolop");
    if (op == "and" || (op == "or" && broken == Broken::or_is_and) ||
        (op == "not" && broken == Broken::not_is_nothing))
      for (const Node& part : condition["args"].items()) add(equalities, part);
  } else if (condition.is("OPEXPR")) {
    add_operator(equalities, condition);
  } else if (condition.is("SCALARARRAYOPEXPR")) {
    add_list(equalities, condition);
  }
}

std::optional<Sense> Conditions::sense(const Node& operation) const {
  const auto sense = sense_of(static_cast<Oid>(operation.number("opno")));
  // Nothing is known of texts that a collation takes for equal.
  if (sense == Sense::text && broken != Broken::any_collation &&
      facts.loose_collations.contains(static_cast<Oid>(operation.number("inputcollid"))))
    return std::nullopt;
  // Nor of a value of an enumeration that gets another name under a writer, who reports it by the former one: it is an
  // event trigger that has such a change wait.
  if (sense == Sense::enumeration && !facts.reports_definitions) return std::nullopt;
  return sense;
}

void Conditions::add_operator(Equalities& equalities, const Node& operation) const {
  const auto meant = sense(operation);
  const auto& sides = operation["args"].items();
  if (!meant || sides.size() != 2) return;
  const auto left = column(sides[0]);
  const auto right = column(sides[1]);
  if (left && right) {
    equalities.add({.column = *left, .sense = *meant, .other = right});
  } else if (left || right) {
    auto values = value(sides[left ? 1 : 0], *meant);
    if (values && !values->empty())
      equalities.add(
          {.column = left ? *left : *right, .sense = *meant, .values = *std::move(values)});
  }
}

void Conditions::add_list(Equalities& equalities, const Node& operation) const {
  const auto meant = sense(operation);
  const auto& sides = operation["args"].items();
  if (!meant || sides.size() != 2) return;
  if (!operation.flag("useOr") && broken != Broken::not_in_is_in) return;
  const auto one = column(sides[0]);
  if (!one) return;
  const Node& list = without_relabel(sides[1]);
  std::vector<RouteValue> values;
  if (list.is("PARAM")) {
    const auto parameter = value(list, *meant);
    if (!parameter) return;
    values = *parameter;
    for (RouteValue& each : values) each.elements = true;
  } else if (list.is("ARRAYEXPR") || list.is("ARRAY")) {
    if (list.flag("multidims")) return;
    for (const Node& element : list["elements"].items()) {
      const auto known = value(element, *meant);
      if (!known) return;
      values.insert(values.end(), known->begin(), known->end());  // of NULL there is none
      if (broken == Broken::narrow_lists) break;
    }
  }
  if (!values.empty() && values.size() <= kMaxRouteValues)
    equalities.add({.column = *one, .sense = *meant, .values = std::move(values)});
}

std::optional<ColumnId> Conditions::column(const Node& expression) const {
  const Node& inner = without_relabel(expression);
  if (inner.is("FUNCEXPR") && broken == Broken::casts_keep && !inner["args"].none())
    return column(inner["args"].items().front());
  if (!inner.is("VAR")) return std::nullopt;
  const auto up = broken == Broken::levels_mixed ? 0 : inner.number("varlevelsup");
  if (up < 0 || static_cast<std::size_t>(up) >= levels.size()) return std::nullopt;
  return column_at(inner, levels.size() - 1 - static_cast<std::size_t>(up));
}

std::optional<ColumnId> Conditions::column_at(const Node& variable, std::size_t level) const {
  const auto place = variable.number("varno");
  const auto column = variable.number("varattno");
  const auto& places = (*levels[level].query)["rtable"].items();
  if (place < 1 || static_cast<std::size_t>(place) > places.size() || column < 1)
    return std::nullopt;
  const Node& entry = places[static_cast<std::size_t>(place) - 1];
  if (entry.number("rtekind") != 2)
    return ColumnId{levels[level].id, static_cast<int>(place), static_cast<int>(column)};
  // A join's: whatever stands for it.
  const auto& stand_for = entry["joinaliasvars"].items();
  if (static_cast<std::size_t>(column) > stand_for.size()) return std::nullopt;
  const Node& meant = without_relabel(stand_for[static_cast<std::size_t>(column) - 1]);
  if (!meant.is("VAR") || meant.number("varlevelsup") != 0 || meant.number("varno") >= place)
    return std::nullopt;  // such as coalesce(a.id, b.id) of a full join
  return column_at(meant, level);
}

std::optional<std::vector<RouteValue>> Conditions::value(const Node& expression,
                                                         Sense sense) const {
  const Node& inner = without_relabel(expression);
  if (inner.is("CONST")) return constant(inner, sense);
  if (inner.is("FUNCEXPR") && sense == Sense::integer && keeps_integer(inner.number("funcid"))) {
    const auto& given = inner["args"].items();
    return given.size() == 1 ? value(given[0], sense) : std::nullopt;
  }
  if (!inner.is("PARAM") || inner.number("paramkind") != 0 || !parameters) return std::nullopt;
  const auto id = inner.number("paramid");
  if (id < 1) return std::nullopt;
  return std::vector{RouteValue{.parameter = static_cast<std::size_t>(id - 1)}};
}

std::optional<std::vector<RouteValue>> Conditions::constant(const Node& constant,
                                                            Sense sense) const {
  if (constant.flag("constisnull")) return std::vector<RouteValue>();
  const Node& datum = constant["constvalue"];
  if (datum.kind() != Node::Kind::datum || !facts.plain_bytes) return std::nullopt;
  const std::string& bytes = datum.text();
  const auto type = static_cast<Oid>(constant.number("consttype"));
  const auto one = [](std::string text) {
    return std::vector{RouteValue{.constant = std::move(text)}};
  };
  switch (sense) {
    case Sense::integer: {
      const std::size_t size = type == 20 ? 8 : type == 23 ? 4 : type == 21 ? 2 : 0;
      if (size == 0 || bytes.size() < size) return std::nullopt;
      return one(std::to_string(integer_of(bytes, size)));
    }
    case Sense::boolean:
      if (type != 16 || bytes.empty()) return std::nullopt;
      return one(bytes[0] != 0 ? "true" : "false");
    case Sense::uuid:
      if (type != 2950 || bytes.size() != 16) return std::nullopt;
      return one(uuid_text(bytes));
    case Sense::text: {
      if ((type != 25 && type != 1043) || !facts.utf8) return std::nullopt;
      auto text = variable_length(bytes);
      if (!text) return std::nullopt;
      return one(*std::move(text));
    }
    case Sense::enumeration: {
      const auto known = facts.types.find(type);
      if (known == facts.types.end() || bytes.size() < 4) return std::nullopt;
      const auto label =
          known->second.labels.find(static_cast<Oid>(integer_of(bytes, 4) & 0xffffffffLL));
      if (label == known->second.labels.end()) return std::nullopt;
      return one(label->second);
    }
  }
  return std::nullopt;
}

}  // namespace querymark::postgres
