#pragma once

#include <optional>
#include <string>
#include <vector>

#include "property/random.hpp"
#include "querymark/key/list.hpp"
#include "querymark/key/parameter.hpp"

// Schemas, queries and writes by lot, of few values, so that rows meet.

namespace querymark::test {

struct ColumnLot {
  std::string name;
  bool text = false;
};
struct TableLot {
  std::string name;
  std::string sql;
  std::vector<ColumnLot> columns;
  std::vector<std::vector<std::string>> routes;
};

/// A schema: three tables, each in one of several forms, indexes and views.
struct SchemaLot {
  std::vector<TableLot> tables;
  std::vector<std::string> views;
  std::string sql;

  explicit SchemaLot(Choices& c) {
    const bool strict = c.one_in(4);
    add({"product",
         c.one_in(2) ? "id integer primary key, category int, name text unique"
                     : "id integer primary key, category int not null default 2, name text collate "
                       "nocase, unique (category, name)",
         {{"id"}, {"category"}, {"name", true}},
         {}},
        strict ? " strict" : "", c);
    const char* const kActions[] = {"cascade", "set null", "set default"};
    add({"item",
         std::string("shop text, id int, product int default 1 references product on delete ") +
             kActions[c.below(3)] + " on update " + kActions[c.below(3)] +
             ", primary key (shop, id)",
         {{"shop", true}, {"id"}, {"product"}},
         {}},
        c.one_in(2) ? " without rowid" : "", c);
    add({"tag",
         "product int, name text not null default 'b'" +
             std::string(c.one_in(2) ? ", unique (product, name)" : ""),
         {{"product"}, {"name", true}},
         {}},
        "", c);
    if (c.one_in(3)) sql += "create unique index tag_name on tag (name collate nocase);";
    if (c.one_in(6)) sql += "create unique index item_part on item (product) where id > 2;";
    if (c.one_in(2)) sql += "create index item_product on item (product);";
    if (c.one_in(3))
      sql +=
          "create trigger echo after update on tag when new.product = 3 begin "
          "update product set category = category + 1 where id = 3; end;";
    if (c.one_in(4))
      sql +=
          "create trigger prune before insert on item when new.id = 4 begin delete from tag where "
          "product = 4; end;";
    add_view("shown", "select id, category as shown from product where category < 3");
    add_view("counted", "select product as id, count(*) as n from item group by product");
    add_view("both", "select p.id, t.name from product p left join tag t on t.product = p.id");
    add_view("deep", "select id, 1 as one from shown");
  }

 private:
  void add(TableLot table, const std::string& options, Choices& c) {
    table.sql = "create table " + table.name + " (" + table.sql + ")" + options + ";";
    sql += table.sql;
    for (std::size_t count = c.below(3) + 1; count > 0; --count) {
      std::vector<std::string> route;
      for (const ColumnLot& column : table.columns)
        if (c.one_in(2)) route.push_back(column.name);
      if (!route.empty()) table.routes.push_back(route);
    }
    tables.push_back(std::move(table));
  }
  void add_view(const std::string& name, const std::string& query) {
    views.push_back(name);
    sql += "create view " + name + " as " + query + ";";
  }
};

/// A query, with the parameters of a call.
struct QueryLot {
  std::string sql;
  std::vector<OwnedParameter> parameters;
  /// The first parameter is a list of keys, of which only this one's rows are looked at.
  std::optional<std::int64_t> place{};
  OwnedParameter key{};
};

class QueryMaker {
 public:
  QueryMaker(const SchemaLot& schema, Choices& c) : schema_(schema), c_(c) {}

  QueryLot make() {
    query_ = {};
    if (c_.one_in(6)) {
      query_.sql = of_keys();
      return query_;
    }
    if (c_.one_in(12)) {
      query_.sql = across_types();
      return query_;
    }
    std::string sql;
    const bool with = c_.one_in(8);
    if (with)
      sql += c_.one_in(2)
                 ? "with product as (select id, category, 'x' as name from product where id < 4) "
                 : "with few as (select id from item where product = 2) ";
    sql += select(0);
    if (c_.one_in(12)) sql += pick({" union ", " union all ", " except "}) + select(0, true);
    query_.sql = sql;
    return query_;
  }

  std::string literal(bool text) {
    if (c_.one_in(15))
      return pick({"null", "7.0", "' 2 '", "'2'", "2.5", "x'61'", "-1", "+3", "0x2"});
    return text ? "'" + text_value() + "'" : std::to_string(c_.below(5));
  }

 private:
  struct Scope {
    std::string alias;
    std::vector<ColumnLot> columns;
  };

  std::string pick(std::initializer_list<const char*> of) {
    return *(of.begin() + c_.below(of.size()));
  }
  // Some equal a number, and are written otherwise.
  std::string text_value() { return pick({"a", "b", "A", "c:d", "e,f", "02", " 2 "}); }

  std::string parameter(bool text) {
    OwnedParameter value;
    if (c_.one_in(20))
      value = OwnedParameter::copy_of(c_.one_in(2) ? ParameterView() : ParameterView::float64(2));
    else if (text != c_.one_in(20))
      value = OwnedParameter::copy_of(ParameterView::text(c_.one_in(20) ? "2" : text_value()));
    else
      value = OwnedParameter::copy_of(ParameterView::int64(static_cast<std::int64_t>(c_.below(5))));
    query_.parameters.push_back(value);
    return c_.one_in(3) ? "?" + std::to_string(query_.parameters.size()) : "?";
  }
  std::string value(bool text) { return c_.one_in(3) ? literal(text) : parameter(text); }

  std::string list_parameter(bool text) {
    ListBuilder list;
    for (std::size_t count = c_.below(4); count > 0; --count) {
      if (c_.one_in(10))
        list.add(ParameterView());
      else if (text)
        list.add(ParameterView::text(text_value()));
      else
        list.add(ParameterView::int64(static_cast<std::int64_t>(c_.below(5))));
    }
    query_.parameters.push_back(std::move(list).build());
    return "(select value from json_each(?" + std::to_string(query_.parameters.size()) + "))";
  }

  const ColumnLot& column_of(const TableLot& table, bool text) {
    for (;;)
      if (const ColumnLot& one = table.columns[c_.below(table.columns.size())]; one.text == text)
        return one;
  }
  // A number that a text equals, which need not be written like it.
  std::string across_types() {
    const TableLot& left = schema_.tables[c_.below(schema_.tables.size())];
    const TableLot& right = schema_.tables[c_.below(schema_.tables.size())];
    const std::string number = "a." + column_of(left, false).name;
    return "select * from " + left.name + " a join " + right.name + " b on " + number + " = b." +
           column_of(right, true).name + " where " + number + " = " +
           (c_.one_in(2) ? "2" : value(false));
  }

  // For a list of keys: some keep keys apart, some look at the rows of several.
  std::string of_keys() {
    const TableLot& table = schema_.tables[c_.below(schema_.tables.size())];
    const ColumnLot& column = table.columns[c_.below(table.columns.size())];
    std::vector<OwnedParameter> keys;
    for (int i = 0; i < 3; ++i)
      keys.push_back(column.text != c_.one_in(12)
                         ? OwnedParameter::copy_of(ParameterView::text(text_value()))
                         : OwnedParameter::copy_of(
                               ParameterView::int64(static_cast<std::int64_t>(c_.below(5)))));
    ListBuilder list;
    for (const OwnedParameter& key : keys) list.add(key);
    query_.parameters.push_back(std::move(list).build());
    query_.place = static_cast<std::int64_t>(c_.below(keys.size()));
    query_.key = keys[static_cast<std::size_t>(*query_.place)];
    const std::string named = "r." + column.name;
    const std::string from = " from json_each(?) as k " + pick({"join ", "left join "}) +
                             table.name + " r on " +
                             (c_.one_in(2) ? named + " = k.value" : "k.value = " + named);
    const std::string again = "select k.key, (select count(*) from " + table.name + " s where s." +
                              column.name + " in (select value from json_each(";
    switch (c_.below(10)) {
      case 0:
        return "select k.key, count(" + named + "), max(" + named + ")" + from + " group by k.key";
      case 1:
        return "select k.key, count(*)" + from;
      case 2:
        return "select k.key, count(*) over ()" + from;
      case 3:
        return "select k.key, r.*" + from + " order by " + named + ", k.key limit 2";
      case 4:
        return again + "?1)))" + from;
      case 5:
        return again + "k.json)))" + from;
      case 6:
        return "select k.key, count(*)" + from + " group by r." + table.columns[0].name;
      default:
        return "select " + pick({"", "", "distinct "}) + "k.key, r.*" + from;
    }
  }

  struct Column {
    std::string sql;
    bool text;
  };
  // Bare names only where one item can be meant.
  Column column(const std::vector<Scope>& scopes) {
    const Scope& scope = scopes[c_.below(scopes.size())];
    const ColumnLot& lot = scope.columns[c_.below(scope.columns.size())];
    if (scopes.size() == 1 && c_.one_in(2))
      return {c_.one_in(4) ? '"' + lot.name + '"' : lot.name, lot.text};
    return {scope.alias + '.' + lot.name, lot.text};
  }

  std::string condition(const std::vector<Scope>& scopes, std::size_t depth) {
    const Column one = column(scopes);
    switch (c_.below(24)) {
      case 0:
        return "(" + condition(scopes, depth) + " or " + condition(scopes, depth) + ")";
      case 1:
        return "not " + condition(scopes, depth);
      case 2:
        return one.sql + " between 1 and " + equality(scopes);
      case 3:
        return one.sql + pick({" > ", " <> ", " is ", " is not ", " like "}) + value(one.text);
      case 4:
        return one.sql + " is null";
      case 5:
        return "case when " + one.sql + " = 1 and " + equality(scopes) + " then 1 else 0 end";
      case 6:
        return depth < 2 ? exists(scopes, depth) : equality(scopes);
      case 7:
        return one.sql + pick({" in ", " not in "}) + list_parameter(one.text);
      case 8:
        return one.sql + " in (" + value(one.text) + ", " + value(one.text) + ")";
      case 9:
        return one.sql + pick({" collate nocase = ", " + 0 = ", " || '' = "}) + value(one.text);
      case 10:
        return depth < 2 ? one.sql + " in (" + select(depth + 1, true) + ")" : equality(scopes);
      case 11:
        return value(one.text) + " = " + one.sql + pick({"", "", " is null", " collate nocase"});
      case 12:
        return "iif(" + one.sql + " = 2, 1, 0)";
      default:
        return c_.one_in(3) ? joining(scopes) : equality(scopes);
    }
  }
  std::string equality(const std::vector<Scope>& scopes) {
    const Column one = column(scopes);
    return one.sql + pick({" = ", " = ", " == "}) + value(one.text);
  }
  std::string joining(const std::vector<Scope>& scopes) {
    return column(scopes).sql + " = " + column(scopes).sql;
  }
  std::string exists(const std::vector<Scope>& outer, std::size_t depth) {
    static_cast<void>(depth);
    const TableLot& table = schema_.tables[c_.below(schema_.tables.size())];
    return pick({"exists (", "not exists ("}) + std::string("select 1 from ") + table.name +
           " x where x." + table.columns[0].name + " = " + column(outer).sql + ")";
  }
  std::string conditions(const std::vector<Scope>& scopes, std::size_t depth) {
    std::string text = condition(scopes, depth);
    for (std::size_t more = c_.below(3); more > 0; --more)
      text += (c_.one_in(8) ? " or " : pick({" and ", " AND "})) + condition(scopes, depth);
    return text;
  }

  Scope item(std::string& sql, std::size_t place) {
    const std::string alias(1, static_cast<char>('a' + place));
    const TableLot& table = schema_.tables[c_.below(schema_.tables.size())];
    switch (c_.below(14)) {
      case 0: {
        const std::string& view = schema_.views[c_.below(schema_.views.size())];
        sql += view + " " + alias;
        return {alias, {{"id"}}};
      }
      case 1: {
        sql += "(select * from " + table.name + " where " + table.columns[0].name + " = " +
               value(table.columns[0].text) + ") " + alias;
        return {alias, table.columns};
      }
      case 2:
        sql += table.name;
        return {table.name, table.columns};
      default:
        sql += (c_.one_in(6) ? "main." : "") + table.name + pick({" ", " as "}) + alias;
        return {alias, table.columns};
    }
  }

  std::string select(std::size_t depth, bool one_column = false) {
    std::string from = " from ";
    std::vector<Scope> scopes{item(from, depth * 4)};
    for (std::size_t more = c_.below(5); more > 2; --more) {
      const std::string join = pick({", ", " join ", " left join ", " left join ", " right join ",
                                     " cross join ", " full join "});
      from += join;
      Scope next = item(from, depth * 4 + scopes.size());
      if (next.alias == scopes.front().alias || next.alias == scopes.back().alias) {
        from += " z" + std::to_string(scopes.size());
        next.alias = "z" + std::to_string(scopes.size());
      }
      scopes.push_back(std::move(next));
      if (join.find("join") != std::string::npos && join != " cross join ")
        from += " on " + joining(scopes) + (c_.one_in(2) ? " and " + condition(scopes, 2) : "");
    }
    const std::string where = c_.one_in(10) ? "" : " where " + conditions(scopes, depth);
    if (one_column) return "select " + column(scopes).sql + from + where;
    switch (c_.below(6)) {
      case 0:
        return "select count(*)" + from + where;
      case 1: {
        const Column group = column(scopes);
        return "select " + group.sql + ", count(*), max(" + column(scopes).sql + ")" + from +
               where + " group by 1" + (c_.one_in(2) ? " having count(*) > 1" : "");
      }
      case 2:
        return "select distinct " + column(scopes).sql + from + where;
      case 3: {
        const TableLot& table = schema_.tables[c_.below(schema_.tables.size())];
        return "select " + column(scopes).sql + ", (select count(*) from " + table.name +
               " y where y." + table.columns[0].name + " = " + column(scopes).sql + ")" + from +
               where;
      }
      case 4:
        return "select " + column(scopes).sql + ", sum(1) over (partition by " +
               column(scopes).sql + ")" + from + where;
      default:
        return "select *" + from + where;
    }
  }

  const SchemaLot& schema_;
  Choices& c_;
  QueryLot query_;
};

/// Writes of all kinds, some of which fail.
class WriteMaker {
 public:
  WriteMaker(const SchemaLot& schema, Choices& c) : schema_(schema), c_(c), values_(schema, c) {}

  std::string make() {
    const TableLot& table = schema_.tables[c_.below(schema_.tables.size())];
    switch (c_.below(16)) {
      case 0:
      case 1:
      case 2:
        return insert(pick({"insert", "insert or ignore", "insert or fail"}), table);
      case 3:
      case 4:
      case 5:
        return insert(pick({"insert or replace", "replace"}), table);
      case 6:
        return insert("insert", table) + " on conflict do update set " + assignment(table);
      case 7:
        return "delete from " + table.name + where(table);
      case 8:
        return c_.one_in(6) ? "delete from " + table.name
                            : "delete from " + table.name + where(table);
      case 9:
        return "savepoint s; " + insert("insert or replace", table) + "; rollback to s; release s";
      case 10:
        return "insert or replace into " + table.name + " select * from " + table.name + " limit 2";
      case 11:
        return "update or replace " + table.name + " set rowid = " + std::to_string(c_.below(5)) +
               where(table);
      case 12:
      case 13:
        return "update or replace " + table.name + " set " + assignment(table) + where(table);
      default:
        return pick({"update ", "update or ignore ", "update or fail "}) + table.name + " set " +
               assignment(table) + where(table);
    }
  }

 private:
  std::string pick(std::initializer_list<const char*> of) {
    return *(of.begin() + c_.below(of.size()));
  }

  std::string insert(const std::string& verb, const TableLot& table) {
    std::string values;
    for (const ColumnLot& column : table.columns)
      values += (values.empty() ? "" : ", ") + values_.literal(column.text);
    return verb + " into " + table.name + " values (" + values + ")";
  }
  std::string assignment(const TableLot& table) {
    const ColumnLot& column = table.columns[c_.below(table.columns.size())];
    std::string text = column.name + " = " + values_.literal(column.text);
    const ColumnLot& other = table.columns[c_.below(table.columns.size())];
    if (c_.one_in(3) && other.name != column.name)
      text += ", " + other.name + " = " + values_.literal(other.text);
    return text;
  }
  std::string where(const TableLot& table) {
    const ColumnLot& column = table.columns[c_.below(table.columns.size())];
    return " where " + column.name + " = " + values_.literal(column.text);
  }

  const SchemaLot& schema_;
  Choices& c_;
  QueryMaker values_;
};

}  // namespace querymark::test
