#pragma once

#include <optional>
#include <string>
#include <vector>

#include "property/random.hpp"
#include "querymark/key/list.hpp"
#include "querymark/key/parameters.hpp"

// Random queries and writes over a few small tables, in which nearly every value meets nearly every other.

namespace querymark::test {

/// `i` integers, `t` text, `c` text that a collation compares without case, `u` uuid, `b` boolean, `e` an
/// enumeration.
struct Column {
  std::string name;
  char type;
};

/// A query with its parameters.
struct RandomQuery {
  std::string sql;
  std::vector<OwnedParameter> parameters;
  /// The first parameter is a list of keys, of which only this one's rows are looked at, by its ordinal.
  std::optional<std::size_t> ordinal{};
  OwnedParameter key{};
};

/// Builds queries: all kinds of joins, sublinks, views, derived tables, grouping, WITH, set operations, lists.
class QueryMaker {
 public:
  explicit QueryMaker(Choices& choices) : choices_(choices) {}

  [[nodiscard]] RandomQuery make() {
    query_ = {};
    names_ = 0;
    const std::size_t kind = choices_.below(10);
    left_ = kind < 3 ? 2 + choices_.below(5) : 3;
    if (kind >= 5) {
      const std::size_t which = next_++ % (kSharp + kOfKeys);
      query_.sql = which < kSharp ? sharp(which) : of_keys(which - kSharp);
      return std::move(query_);
    }
    const std::string before = with();
    query_.sql = before + (kind < 3 ? select({}, 2, nullptr) : all_of_few());
    return std::move(query_);
  }

  static std::vector<Column> table_columns(const std::string& prefix) {
    return {{prefix + "id", 'i'}, {prefix + "k", 'i'}, {prefix + "n", 'i'}, {prefix + "x", 'i'},
            {prefix + "t", 't'},  {prefix + "v", 't'}, {prefix + "c", 'c'}, {prefix + "u", 'u'},
            {prefix + "b", 'b'},  {prefix + "e", 'e'}};
  }
  /// A value of a type, as a literal.
  static std::string literal(Choices& choices, char type) {
    const std::size_t number = choices.below(3);
    switch (type) {
      case 'i':
        return std::to_string(number);
      case 'u':
        return "'00000000-0000-0000-0000-00000000000" + std::to_string(number) + "'::uuid";
      case 'b':
        return number % 2 == 0 ? "true" : "false";
      case 'e':
        return number % 2 == 0 ? "'sad'::mood" : "'happy'::mood";
      default:
        return std::vector<std::string>{"'a'", "'A'", "'a,b'"}[number];
    }
  }

 private:
  using Columns = std::vector<Column>;
  struct Item {
    std::string sql;
    Columns columns;
  };

  [[nodiscard]] std::string name() {
    std::string made = "q";
    return made += std::to_string(names_++);
  }
  template <class T>
  [[nodiscard]] T one_of(const std::vector<T>& all) {
    return all[choices_.below(all.size())];
  }
  [[nodiscard]] std::string parameter(OwnedParameter value) {
    query_.parameters.push_back(std::move(value));
    return "$" + std::to_string(query_.parameters.size());
  }
  [[nodiscard]] static const char* sql_type(char type) {
    switch (type) {
      case 'i':
        return "int";
      case 'u':
        return "uuid";
      case 'b':
        return "boolean";
      case 'e':
        return "mood";
      default:
        return "text";
    }
  }
  [[nodiscard]] OwnedParameter bound(char type) {
    const std::size_t number = choices_.below(3);
    if (type == 'i') return {ParameterView::int64(static_cast<std::int64_t>(number)), ""};
    if (type == 'b') return {ParameterView::boolean(number % 2 == 0), ""};
    std::string text = literal(choices_, type);
    text = text.substr(1, text.find('\'', 1) - 1);
    return {ParameterView::text(text), text};
  }
  [[nodiscard]] std::string value(char type) {
    return choices_.one_in(3) ? literal(choices_, type) : parameter(bound(type));
  }
  [[nodiscard]] std::string list(char type) {
    if (choices_.one_in(2)) {
      ListBuilder elements;
      for (std::size_t count = choices_.below(4); count > 0; --count) elements.add(bound(type));
      if (choices_.one_in(6)) elements.add(ParameterView());
      return "any (" + parameter(std::move(elements).build()) + "::" + sql_type(type) + "[])";
    }
    std::string text = "any (array[";
    text += value(type);
    for (std::size_t count = choices_.below(3); count > 0; --count) text += ", " + value(type);
    return text + "]::" + sql_type(type) + "[])";
  }
  [[nodiscard]] std::string in_list(char type) {
    std::string text = "(" + value(type);
    for (std::size_t count = choices_.below(3); count > 0; --count) text += ", " + value(type);
    return text + ")";
  }

  // Two columns that can be compared; the second of `others`.
  [[nodiscard]] std::string column_pair(const Columns& columns, const Columns& others) {
    for (int tries = 0; tries < 20; ++tries) {
      const Column left = one_of(columns);
      const Column right = one_of(others);
      const bool texts =
          (left.type == 't' || left.type == 'c') && (right.type == 't' || right.type == 'c');
      if ((left.type == right.type || texts) && left.name != right.name)
        return left.name + " = " + right.name;
    }
    return "true";
  }

  [[nodiscard]] std::string condition(const Columns& columns, const Columns& outside, int depth) {
    Columns all = columns;
    all.insert(all.end(), outside.begin(), outside.end());
    const Column column = one_of(choices_.one_in(3) ? all : columns);
    switch (choices_.below(26)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        return column.name + " = " + value(column.type);
      case 5:
        return value(column.type) + " = " + column.name;
      case 6:
      case 7:
        return column_pair(columns, all);
      case 8:
        return column.name + " in " + in_list(column.type);
      case 9:
        return column.name + " = " + list(column.type);
      case 10:
        return column.name + " not in " + in_list(column.type);
      case 11:
        return "(" + condition(columns, outside, depth) + " or " +
               condition(columns, outside, depth) + ")";
      case 12:
        return "not (" + condition(columns, outside, depth) + ")";
      case 13:
        return "(" + condition(columns, outside, depth) + " and " +
               condition(columns, outside, depth) + ")";
      case 14:
        return column.name + " is " + (choices_.one_in(2) ? "" : "not ") + "null";
      case 15:
        return column.name + " is not distinct from " + value(column.type);
      case 16:
        return column.name + " >= " + value(column.type);
      case 17:
        if (column.type == 't') return column.name + "::varchar(1) = " + value('t');
        return column.name + "::text = " + value('t');
      case 18:
        return column.name + " <> " + value(column.type);
      case 19:
        return column.name + " = all (" + list(column.type).substr(5);
      case 20:
        return alike(all);
      default:
        if (depth == 0 || left_ == 0) return column.name + " = " + value(column.type);
        return sublink(all, depth - 1);
    }
  }
  [[nodiscard]] std::string sublink(const Columns& outside, int depth) {
    const Column column = one_of(outside);
    switch (choices_.below(4)) {
      case 0:
        return "exists (" + select(outside, depth, nullptr) + ")";
      case 1:
        return "not exists (" + select(outside, depth, nullptr) + ")";
      case 2:
        return column.name + (choices_.one_in(3) ? " not in (" : " in (") +
               column_of(outside, column.type, depth) + ")";
      default:
        return "1 <= (select count(*) from (" + select(outside, depth, nullptr) + ") s)";
    }
  }
  // Queries of one column of a type.
  [[nodiscard]] std::string column_of(const Columns& outside, char type, int depth) {
    const Item item = from(depth);
    for (const Column& column : item.columns)
      if (column.type == type)
        return "select " + column.name + " from " + item.sql + where(item.columns, outside, depth);
    return "select " + literal(choices_, type) + (type == 'c' ? " collate ci" : "");
  }
  [[nodiscard]] std::string where(const Columns& columns, const Columns& outside, int depth) {
    if (choices_.one_in(6)) return "";
    std::string text =
        " where " + (outside.empty() || choices_.one_in(2) ? condition(columns, outside, depth)
                                                           : column_pair(columns, outside));
    if (choices_.one_in(3)) text += " and " + condition(columns, outside, depth);
    return text;
  }

  [[nodiscard]] Item table() {
    const std::string alias = name();
    const std::string prefix = alias + '.';
    return {one_of<std::string>({"a", "a", "b", "c"}) + " " + alias, table_columns(prefix)};
  }
  [[nodiscard]] Item view() {
    const std::string alias = name();
    const std::string prefix = alias + '.';
    const auto view =
        one_of<std::string>({"plain", "limited", "grouped", "windowed", "joined", "united"});
    return {view + " " + alias, {{prefix + "id", 'i'}, {prefix + "k", 'i'}, {prefix + "t", 't'}}};
  }
  [[nodiscard]] Item derived(int depth) {
    Columns columns;
    const std::string inner = select({}, depth, &columns);
    return renamed(inner, columns, "");
  }
  [[nodiscard]] Item renamed(const std::string& inner, const Columns& columns,
                             const char* lateral) {
    const std::string alias = name();
    Columns outer;
    std::string list;
    for (std::size_t at = 0; at < columns.size(); ++at) {
      const std::string column = "o" + std::to_string(at);
      list += (at == 0 ? "" : ", ") + column;
      outer.push_back({alias + '.' + column, columns[at].type});
    }
    return {lateral + ("(" + inner) + ") " + alias + " (" + list + ")", outer};
  }
  [[nodiscard]] Item from(int depth) {
    Item item = base(depth);
    for (std::size_t more = choices_.below(3); more > 0 && left_ > 0; --more) {
      Item other = base(depth);
      if (left_ > 0 && choices_.one_in(6)) {  // in parentheses: a join on the other side
        const Item third = base(0);
        other = join(std::move(other), third, depth);
        other.sql = "(" + other.sql + ")";
      }
      item = join(std::move(item), other, depth);
    }
    if (depth > 0 && left_ > 0 && choices_.one_in(8)) {
      Columns columns;
      const std::string inner = select(item.columns, depth - 1, &columns);
      const Item lateral = renamed(inner, columns, "lateral ");
      item.sql += (choices_.one_in(2) ? " left join " : " join ") + lateral.sql + " on true";
      item.columns.insert(item.columns.end(), lateral.columns.begin(), lateral.columns.end());
    }
    return item;
  }
  [[nodiscard]] Item base(int depth) {
    if (left_ > 0) --left_;
    if (!with_.empty() && choices_.one_in(6)) {
      const std::string alias = name();
      return {with_ + " " + alias,
              {{alias + ".id", 'i'}, {alias + ".k", 'i'}, {alias + ".t", 't'}}};
    }
    if (choices_.one_in(4)) return view();
    if (depth > 0 && left_ > 0 && choices_.one_in(3)) return derived(depth - 1);
    return table();
  }
  [[nodiscard]] Item join(Item left, const Item& right, int depth) {
    Columns all = left.columns;
    all.insert(all.end(), right.columns.begin(), right.columns.end());
    const std::size_t kind = choices_.below(7);
    if (kind == 0) {
      left.sql += " cross join " + right.sql;
    } else if (kind == 1) {
      // Only conditions that a full join can be made by.
      std::string on = column_pair(left.columns, right.columns);
      left.sql += " full join " + right.sql + " on " + on;
      if (on != "true" && choices_.one_in(3))
        left.sql += " and " + column_pair(left.columns, right.columns);
    } else {
      left.sql += std::vector<std::string>{" join ", " join ", " left join ", " left join ",
                                           " right join "}[kind - 2];
      left.sql +=
          right.sql + " on " +
          (choices_.one_in(3) ? condition(all, {}, 0) : column_pair(left.columns, right.columns));
      if (choices_.one_in(3))
        left.sql += " and " + condition(all, {}, depth > 0 && choices_.one_in(4) ? 1 : 0);
    }
    left.columns = std::move(all);
    return left;
  }

  // Few tables, all of whose columns are shown, so that nearly every write of a row that is found changes it.
  [[nodiscard]] std::string all_of_few() {
    Item item = choices_.one_in(3) ? view() : choices_.one_in(5) ? derived(0) : table();
    if (!choices_.one_in(3)) item = join(std::move(item), choices_.one_in(4) ? view() : table(), 0);
    std::string text;
    for (const Column& column : item.columns)
      text += (text.empty() ? "select " : ", ") + column.name;
    if (choices_.one_in(6)) text += ", counted(" + std::to_string(choices_.below(3)) + ")";
    text += " from " + item.sql;
    if (choices_.one_in(5)) return text;
    text += " where " + condition(item.columns, {}, 1);
    return choices_.one_in(4) ? text + " and " + condition(item.columns, {}, 1) : text;
  }
  // Queries at which a rule may be wrong, each about a column by which rows may be told apart.
  static constexpr std::size_t kSharp = 16;
  [[nodiscard]] std::string sharp(std::size_t which) {
    const Column column = one_of(table_columns(""));
    const std::string of = "l." + column.name;
    const std::string is = column.name + " = " + value(column.type);
    const auto tables = [this] { return one_of<std::string>({"a", "a", "b", "c"}); };
    const std::string left = tables();
    const std::string right = tables();
    const auto join = [&](const char* kind, const std::string& on) {
      return "select l.*, r.* from " + left + " l " + kind + " join " + right +
             " r on l.id = r.id and " + on;
    };
    switch (which) {
      case 0:
        return join("left", "l." + is);
      case 1:
        return join("right", "r." + is);
      case 2:
        return join("full", "l." + is);
      case 3:
        return "select l.*, r.* from (" + left + " l left join c s on l." + is + ") join " + right +
               " r on l.id = r.id";
      case 4:
        return "select l.* from " + left + " l where l." + is + " or l.id = 1";
      case 5:
        return "select l.* from " + left + " l where not (l." + is + ")";
      case 6:
        return "select l.* from " + left + " l where " + of + " = all (" +
               parameter(ListBuilder().build()) + "::" + sql_type(column.type) + "[])";
      case 7:
        return "select l.* from " + left + " l where " + of + " in (" +
               literal(choices_, column.type) + ", " + literal(choices_, column.type) + ")";
      case 8:
        return "select l.* from " + left + " l where l.v::varchar(1) = 'a'";
      case 9:
        return "select l.*, r.* from " + left + " l join " + right + " r on " +
               (choices_.one_in(2) ? "l.t" : "l.v") + " = r.c where r.c = " + value('c');
      case 10:
        return "select l.id, (select count(*) from " + right + " r where l." + is + ") from " +
               left + " l";
      case 11:
        return "select d.* from (select * from " + left + " order by id limit 2) d where d." + is;
      case 12:
        return "select d.* from (select *, row_number() over (order by id) from " + left +
               ") d where d." + is;
      case 13:
        return "select d.* from (select distinct on (k) * from " + left +
               " order by k, id) d where d." + is;
      case 14:
        return "with w as (select * from " + left + " where " + is +
               ") select w.*, r.id from w left join " + right + " r on r.id = w.id";
      default:
        return "select counted(" + std::to_string(choices_.below(3)) + "), " +
               parameter(bound('i')) + "::int";
    }
  }

  // Statements for a list of keys: some keep keys apart, some look at the rows of several.
  static constexpr std::size_t kOfKeys = 8;
  [[nodiscard]] std::string of_keys(std::size_t which) {
    const Column column = one_of(table_columns(""));
    std::vector<OwnedParameter> keys;
    for (int i = 0; i < 3; ++i) keys.push_back(bound(column.type));
    ListBuilder elements;
    for (const OwnedParameter& key : keys) elements.add(key);
    const std::string list =
        parameter(std::move(elements).build()) + "::" + sql_type(column.type) + "[]";
    if (which != 0) {
      query_.ordinal = 1 + choices_.below(keys.size());
      query_.key = keys[*query_.ordinal - 1];
    }
    const std::string table = one_of<std::string>({"a", "a", "b", "c"});
    const std::string from = " from unnest(" + list + ") with ordinality as k (v) " +
                             (choices_.one_in(2) ? "join " : "left join ") + table + " r on r." +
                             column.name + " = k.v";
    switch (which) {
      case 0:
        return "select r.*" + from;
      case 1:
        return "select k.ordinality, r.*" + from;
      case 2:
        return "select k.ordinality, count(r.id), max(r.k), min(r.t)" + from +
               " group by k.ordinality";
      case 3:
        return "select k.ordinality, r.id, count(*) over ()" + from;
      case 4:
        return "select k.ordinality, r.*" + from + " order by r.id, k.ordinality limit 2";
      case 5:
        return "select distinct on (r.k) k.ordinality, r.*" + from +
               " order by r.k, r.id, k.ordinality";
      case 6:
        return "select k.ordinality, (select count(*) from " + table + " s where s." + column.name +
               " = any (" + list + "))" + from;
      default:
        return "select k.ordinality, r.*" + from + " where exists (select from a s where s." +
               column.name + " = k.v and s.id <> r.id)";
    }
  }

  // A text that equals another only under a collation.
  [[nodiscard]] std::string alike(const Columns& columns) {
    for (int tries = 0; tries < 20; ++tries) {
      const Column exact = one_of(columns);
      const Column loose = one_of(columns);
      if (exact.type == 't' && loose.type == 'c')
        return exact.name + " = " + loose.name + " and " + loose.name + " = " + value('c');
    }
    return "true";
  }

  // `columns`: gets what comes out; null: anything may.
  [[nodiscard]] std::string select(const Columns& outside, int depth, Columns* columns) {
    if (depth > 0 && choices_.one_in(10)) return set_operation(outside, depth, columns);
    const Item item = from(depth);
    Columns out;
    for (std::size_t count = choices_.below(3) + 1; count > 0; --count)
      out.push_back(one_of(item.columns));
    std::string list;
    for (const Column& column : out) list += (list.empty() ? "" : ", ") + column.name;
    const std::string tail = " from " + item.sql + where(item.columns, outside, depth);
    const auto give = [&] {
      if (columns != nullptr) *columns = out;
    };
    const auto number = [&](const std::string& expression) {
      list += ", " + expression;
      out.push_back({"", 'i'});
    };
    switch (choices_.below(12)) {
      case 0: {  // grouped
        const std::string by = list;
        number("count(*)::int");
        give();
        return "select " + list + tail + " group by " + by +
               (choices_.one_in(3) ? " having count(*) > 1" : "");
      }
      case 1: {
        const std::string by = list;
        number("count(*)::int");
        give();
        return "select " + list + tail + " group by grouping sets ((" + by + "), ())";
      }
      case 2:
        out = {{"", 'i'}};
        give();
        return "select count(*)::int" + tail;
      case 3:
        give();
        return "select distinct " + list + tail;
      case 4:
        give();
        return "select distinct on (" + out[0].name + ") " + list + tail + " order by " + list +
               total(item);
      case 5:
        give();
        return "select " + list + tail + " order by " + list + total(item) + " limit " +
               std::to_string(choices_.below(3) + 1) + (choices_.one_in(3) ? " offset 1" : "");
      case 6:
        number("(row_number() over (order by " + list + total(item) + "))::int");
        give();
        return "select " + list + tail;
      case 7:
        number("(count(*) over (partition by " + out[0].name + "))::int");
        give();
        return "select " + list + tail;
      case 8:
        if (depth == 0) break;
        number("(select count(*) from (" + select(item.columns, depth - 1, nullptr) + ") s)::int");
        break;
      case 9:
        number("counted(" + std::to_string(choices_.below(4)) + ")::int");
        break;
      default:
        break;
    }
    give();
    return "select " + list + tail;
  }
  // The rest of an order in which no two rows are equal but those that are the same.
  [[nodiscard]] static std::string total(const Item& item) {
    std::string list;
    for (const Column& column : item.columns) {
      list += ", ";
      list += column.name;
      if (column.type == 'c') list += " collate \"C\"";
    }
    return list;
  }
  [[nodiscard]] std::string set_operation(const Columns& outside, int depth, Columns* columns) {
    if (columns != nullptr) *columns = {{"", 'i'}};
    const auto op = one_of<std::string>({" union ", " union all ", " except ", " intersect "});
    return column_of(outside, 'i', depth - 1) + op + column_of(outside, 'i', depth - 1);
  }
  [[nodiscard]] std::string with() {
    with_.clear();
    if (!choices_.one_in(6)) return "";
    const Item item = table();
    const std::string prefix = item.columns[0].name.substr(0, item.columns[0].name.size() - 2);
    const std::string inner = "select " + prefix + "id, " + prefix + "k::int, " + prefix +
                              "t from " + item.sql + where(item.columns, {}, 0);
    with_ = "w";
    if (choices_.one_in(3))
      return "with recursive w (id, k, t) as (" + inner +
             " union select p.k, p.n::int, p.t from a p, w where p.id = w.k) ";
    return std::string("with w (id, k, t) as ") + (choices_.one_in(2) ? "materialized (" : "(") +
           inner + ") ";
  }

  Choices& choices_;
  RandomQuery query_;
  std::string with_;
  int names_ = 0;
  std::size_t next_ = 0;  // of the sharp ones
  std::size_t left_ = 0;  // more tables than that, and results take too long
};

/// A statement that changes some rows of one of the tables, or none.
inline std::string random_write(Choices& choices, const std::vector<std::string>& tables) {
  std::string table = tables.empty() ? "a" : tables[choices.below(tables.size())];
  if (choices.one_in(8)) table = "c";
  if (table == "b" && choices.one_in(4)) table = "b_1";
  const auto columns = QueryMaker::table_columns("");
  const auto pick = [&] { return columns[choices.below(columns.size())]; };
  const auto condition = [&] {
    const Column column = pick();
    if (choices.one_in(3)) return "id = " + std::to_string(choices.below(6));
    return column.name + " = " + QueryMaker::literal(choices, column.type);
  };
  const auto value = [&](const Column& column) {
    return choices.one_in(8) ? std::string("null") : QueryMaker::literal(choices, column.type);
  };
  switch (choices.below(6)) {
    case 0:
    case 1: {
      std::string row = std::to_string(table == "b_1" ? choices.below(3) : choices.below(6));
      for (std::size_t at = 1; at < columns.size(); ++at) row += ", " + value(columns[at]);
      return "insert into " + table + " values (" + row + ") on conflict " +
             (choices.one_in(2) ? "do nothing"
                                : "(id) do update set k = excluded.k, t = excluded.t");
    }
    case 2:
      return "delete from " + table + " where " + condition();
    case 3:
      return "update " + table + " set id = id where " + condition();
    default: {
      const Column column = columns[1 + choices.below(columns.size() - 1)];
      if (choices.one_in(3))
        return "update " + table + " set " + column.name + " = " + value(column);
      return "update " + table + " set " + column.name + " = " + value(column) + " where " +
             condition();
    }
  }
}

}  // namespace querymark::test
