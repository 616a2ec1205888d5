#include "track/table_triggers.hpp"

#include <algorithm>

#include "querymark/key/target.hpp"
#include "querymark/key/tracked.hpp"
#include "querymark/support/ascii.hpp"
#include "querymark/support/bytes.hpp"
#include "sql_tokens.hpp"

namespace querymark::sqlite {
namespace {

constexpr std::string_view kPrefix = "querymark_";
constexpr std::string_view kMarker = "/* querymark 1 ";
constexpr std::string_view kKinds[] = {"guard_insert_", "guard_update_", "insert_", "update_",
                                       "delete_"};
constexpr std::size_t kMaxColumns = 3;
constexpr std::size_t kLongestForm = 8;  // of `%row:` and its like, and what joins the parts

std::string column_in(std::string_view row, const std::string& column) {
  return std::string(row).append(".").append(quoted_name(column));
}

std::string joined(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (const std::string& part : parts) {
    if (!out.empty()) out += separator;
    out += part;
  }
  return out;
}

// How escape_tracked writes a text.
std::string escaped(const std::string& column) {
  std::string out = column;
  for (const char* pair : {"'%', '%25'", "':', '%3A'", "',', '%2C'", "'+', '%2B'"})
    out = std::string("replace(").append(out).append(", ").append(pair).append(")");
  return out;
}

// The value as it stands in an intent; NULL where it is not reported.
std::string value_of(const ColumnShape& column, std::string_view row) {
  std::string at = column_in(row, column.name);
  if (column.is_rowid) return at;
  if (column.type == RouteType::integer)
    return std::string("case when typeof(")
        .append(at)
        .append(") = 'integer' then ")
        .append(at)
        .append(" end");
  const std::string longest = std::to_string(kMaxRouteValue);
  // First the bare length: of a very long text nothing else is made.
  return std::string("case when typeof(")
      .append(at)
      .append(") = 'text' and length(cast(")
      .append(at)
      .append(" as blob)) <= ")
      .append(longest)
      .append(" and length(cast(")
      .append(escaped(at))
      .append(" as blob)) <= ")
      .append(longest)
      .append(" then ")
      .append(escaped(at))
      .append(" end");
}

// That a value is of another class than its column's: then what it equals is not known.
std::string strange(const ColumnShape& column, std::string_view row) {
  const std::string at = column_in(row, column.name);
  const std::string_view usual = column.type == RouteType::integer ? "'integer'" : "'text'";
  return std::string("typeof(").append(at).append(") not in (").append(usual).append(", 'null')");
}

class TriggerWriter {
 public:
  TriggerWriter(const TableShape& shape, const std::vector<RouteColumns>& routes,
                TriggerRules rules)
      : shape_(shape), routes_(routes), relation_(relation_of(shape)), rules_(rules) {}

  [[nodiscard]] std::vector<TriggerText> all() const {
    std::vector<TriggerText> triggers;
    if (rules_.guard) {
      add(triggers, "guard_insert", "BEFORE INSERT", "", guards(false));
      add(triggers, "guard_update", "BEFORE UPDATE", any_key_changes(), guards(true));
    }
    add(triggers, "insert", "AFTER INSERT", "", reports("new", ""));
    add(triggers, "update", "AFTER UPDATE", "", reports("new", "") + changed_reports());
    add(triggers, "delete", "AFTER DELETE", "", reports("old", ""));
    return triggers;
  }

 private:
  void add(std::vector<TriggerText>& triggers, std::string_view what, std::string_view when,
           const std::string& condition, const std::string& body) const {
    if (body.empty()) return;
    TriggerText trigger{.name = std::string(kPrefix).append(what).append("_").append(shape_.name)};
    trigger.sql.append("CREATE TRIGGER ")
        .append(quoted_name(trigger.name))
        .append(" ")
        .append(when)
        .append(" ON ")
        .append(quoted_name(shape_.name))
        .append(condition)
        .append(" BEGIN\n")
        .append(marker())
        .append(body)
        .append("END");
    triggers.push_back(std::move(trigger));
  }

  // Names in it are escaped so that they can't end the comment.
  [[nodiscard]] std::string marker() const {
    std::vector<std::string> names;
    for (const RouteColumns& route : routes_) {
      std::string name;
      for (const char c : route_name(route)) {
        if (c == '*')
          name += "%2A";
        else
          name += c;
      }
      names.push_back(std::move(name));
    }
    return std::string("  ").append(kMarker).append(joined(names, ",")).append(" */\n");
  }

  // One row of the log for each route: of `row`, and of what `rest` says (FROM, WHERE).
  [[nodiscard]] std::string report(const RouteColumns& route, std::string_view row,
                                   const std::string& rest) const {
    std::vector<std::string> values;
    std::vector<std::string> oddities;
    for (const std::string& name : route) {
      const ColumnShape& column = *shape_.find(name);
      values.push_back(value_of(column, row));
      if (!column.is_rowid) oddities.push_back(strange(column, row));
    }
    const std::string relation = quoted_text(relation_);
    std::string prefix(":");
    prefix.append(route_name(route)).append(":");
    std::string rows = std::string("coalesce(")
                           .append(quoted_text(prefix))
                           .append(" || ")
                           .append(joined(values, " || '+' || "))
                           .append(", '')");
    std::string kind = "'rows'";
    if (!oddities.empty()) {
      const std::string odd = joined(oddities, " or ");
      kind = std::string("case when ").append(odd).append(" then 'relation' else 'rows' end");
      rows = std::string("case when ")
                 .append(odd)
                 .append(" then '' else ")
                 .append(rows)
                 .append(" end");
    }
    return std::string("  insert into querymark_log (namespace, kind, target)\n    select '*', ")
        .append(kind)
        .append(",\n      ")
        .append(relation)
        .append(" || ")
        .append(rows)
        .append(rest)
        .append(";\n");
  }

  [[nodiscard]] std::string reports(std::string_view row, const std::string& rest) const {
    if (routes_.empty())
      return std::string(
                 "  insert into querymark_log (namespace, kind, target) values ('*', 'rows', ")
          .append(quoted_text(relation_))
          .append(");\n");
    std::string body;
    for (const RouteColumns& route : routes_) body += report(route, row, rest);
    return body;
  }

  // What a row was, where that is not what it has become.
  [[nodiscard]] std::string changed_reports() const {
    std::string body;
    for (const RouteColumns& route : routes_) {
      std::vector<std::string> changes;
      for (const std::string& column : route)
        changes.push_back(
            column_in("old", column).append(" is not ").append(column_in("new", column)));
      body += report(route, "old", "\n     where " + joined(changes, " or "));
    }
    return body;
  }

  static std::string key_change(const KeyColumn& part) {
    const std::string collate =
        part.collation.empty() ? "" : " collate " + quoted_name(part.collation);
    return column_in("new", part.column)
        .append(collate)
        .append(" is not ")
        .append(column_in("old", part.column));
  }

  static std::string key_changes(const UniqueKey& key) {
    std::vector<std::string> changes;
    for (const KeyColumn& part : key) changes.push_back(key_change(part));
    return joined(changes, " or ");
  }

  [[nodiscard]] std::string any_key_changes() const {
    std::vector<std::string> changes;
    changes.reserve(shape_.keys.size());
    for (const UniqueKey& key : shape_.keys) changes.push_back(key_changes(key));
    return " WHEN " + joined(changes, " or ");
  }

  // Whether whoever has an equal key has equal values in the route.
  [[nodiscard]] bool covers(const UniqueKey& key, const RouteColumns& route) const {
    return std::ranges::all_of(route, [&](const std::string& name) {
      const ColumnShape& column = *shape_.find(name);
      return std::ranges::any_of(key, [&](const KeyColumn& part) {
        return ascii::equal(part.column, column.name) &&
               (column.type == RouteType::integer || ascii::equal(part.collation, "binary"));
      });
    });
  }

  [[nodiscard]] std::string guards(bool updates) const {
    std::string body;
    for (const UniqueKey& key : shape_.keys) {
      std::vector<std::string> equal;
      for (const KeyColumn& part : key) {
        std::string now = column_in("new", part.column);
        if (!part.instead_of_null.empty())
          now = std::string("coalesce(")
                    .append(now)
                    .append(", ")
                    .append(part.instead_of_null)
                    .append(")");
        const std::string collate =
            part.collation.empty() ? "" : " collate " + quoted_name(part.collation);
        equal.push_back(column_in("r", part.column).append(collate).append(" = ").append(now));
      }
      std::string rest = "\n      from " + quoted_name(shape_.name) + " as r\n     where " +
                         joined(equal, " and ");
      if (updates) rest.append(" and (").append(key_changes(key)).append(")");
      // An update may come to nothing once the other row is gone: what a foreign key does for that can take the
      // row along that is updated. Then nobody reports the new values.
      for (const RouteColumns& route : routes_)
        if (updates || !covers(key, route)) body += report(route, "r", rest);
    }
    return body;
  }

  const TableShape& shape_;
  const std::vector<RouteColumns>& routes_;
  std::string relation_;
  TriggerRules rules_;
};

std::string unescaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string_view code = text.substr(at, 3);
    if (code == "%25")
      out += '%';
    else if (code == "%3A")
      out += ':';
    else if (code == "%2C")
      out += ',';
    else if (code == "%2B")
      out += '+';
    else if (code == "%2A")
      out += '*';
    else {
      out += text[at];
      continue;
    }
    at += 2;
  }
  return out;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t at = 0;;) {
    const std::size_t end = text.find(separator, at);
    parts.push_back(text.substr(at, end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

}  // namespace

std::string relation_of(const TableShape& shape) { return relation_name("main", shape.name); }

std::optional<std::string> refusal_of(const TableShape& shape) {
  using enum TableShape::Kind;
  switch (shape.kind) {
    case missing:
      return "there is no such table";
    case view:
      return "it is a view: track the tables that it reads";
    case virtual_table:
      return "it is a virtual table, on which there are no triggers";
    case internal:
      return "it belongs to SQLite, to a virtual table or to querymark";
    case TableShape::Kind::table:
      break;
  }
  const std::string relation = relation_of(shape);
  if (!is_plain_utf8(relation)) return "its name is not UTF-8";
  if (relation.size() + kLongestForm > Target::kMaxText) return "its name is too long";
  if (!shape.cut_short.empty())
    return "a foreign key's action may lead to " + shape.cut_short +
           ", and FAIL in that ends a statement between a change and its report; ABORT does not";
  return std::nullopt;
}

std::optional<std::string> refusal_of(const TableShape& shape, const RouteColumns& route) {
  if (route.empty() || route.size() > kMaxColumns) return "a route has one to three columns";
  if (!shape.unroutable.empty()) return shape.unroutable;
  for (const std::string& name : route) {
    const ColumnShape* column = shape.find(name);
    if (column == nullptr) return "it has no column " + name;
    if (!column->unroutable.empty()) return "by " + column->name + ": " + column->unroutable;
    if (std::ranges::count(route, name) > 1) return "a route names " + name + " twice";
  }
  const std::size_t longest = relation_of(shape).size() + route_name(route).size() +
                              route.size() * (kMaxRouteValue + 1) + kLongestForm;
  if (longest > Target::kMaxText) return "its name and those of the columns are too long";
  if (!is_plain_utf8(route_name(route))) return "a column's name is not UTF-8";
  return std::nullopt;
}

std::vector<TriggerText> triggers_of(const TableShape& shape,
                                     const std::vector<RouteColumns>& routes, TriggerRules rules) {
  return TriggerWriter(shape, routes, rules).all();
}

bool is_ours(const TriggerText& trigger) noexcept {
  const auto begins = [](std::string_view text, std::string_view with) {
    return text.size() > with.size() && ascii::equal(text.substr(0, with.size()), with);
  };
  if (!begins(trigger.name, kPrefix)) return false;
  const std::string_view rest = std::string_view(trigger.name).substr(kPrefix.size());
  return trigger.sql.find(kMarker) != std::string::npos ||
         std::ranges::any_of(kKinds, [&](std::string_view kind) { return begins(rest, kind); });
}

std::optional<std::vector<RouteColumns>> routes_in(std::string_view trigger_sql) {
  const std::size_t begin = trigger_sql.find(kMarker);
  if (begin == std::string_view::npos) return std::nullopt;
  const std::string_view rest = trigger_sql.substr(begin + kMarker.size());
  const std::size_t end = rest.find(" */");
  if (end == std::string_view::npos) return std::nullopt;
  std::vector<RouteColumns> routes;
  if (end == 0) return routes;
  for (const std::string_view route : split(rest.substr(0, end), ',')) {
    routes.emplace_back();
    for (const std::string_view column : split(route, '+'))
      routes.back().push_back(unescaped(column));
  }
  return routes;
}

}  // namespace querymark::sqlite
