#include "track/table_shape.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <array>

#include "querymark/support/ascii.hpp"
#include "sql_tokens.hpp"
#include "sqlite_sql.hpp"
#include "track/cut_short.hpp"

namespace querymark::sqlite {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return ascii::to_lower(text).find(part) != std::string::npos;
}

// By the rules that SQLite derives an affinity by: INT comes first.
std::optional<RouteType> type_of(std::string_view declared, std::string_view collation) {
  if (contains(declared, "int")) return RouteType::integer;
  const bool text =
      contains(declared, "char") || contains(declared, "clob") || contains(declared, "text");
  if (text && ascii::equal(collation, "binary")) return RouteType::text;
  return std::nullopt;
}

// A literal, which is the same whenever it is evaluated.
bool is_literal(std::string_view sql) {
  const auto tokens = tokens_of(sql);
  if (!tokens || tokens->empty() || tokens->size() > 2) return false;
  if (tokens->size() == 2 && !tokens->front().is_symbol("-") && !tokens->front().is_symbol("+"))
    return false;
  const Token& last = tokens->back();
  return last.kind == Token::Kind::number ||
         (tokens->size() == 1 && (last.kind == Token::Kind::string || last.is_word("null")));
}

ColumnShape column_of(Connection& connection, const std::string& table, const Row& row, bool utf8) {
  ColumnShape column;
  column.name = row["name"].as<std::string>();
  column.not_null = row["not_null"].as<int>() != 0;
  column.default_value = row["dflt_value"].as<std::optional<std::string>>().value_or("");
  const int hidden = row["hidden"].as<int>();
  column.generated = hidden >= 2;
  column.generated_when_read = hidden == 2;
  const char* declared = nullptr;
  const char* collation = nullptr;
  sqlite3_table_column_metadata(connection.native().getHandle(), "main", table.c_str(),
                                column.name.c_str(), &declared, &collation, nullptr, nullptr,
                                nullptr);
  const std::string type = declared != nullptr ? declared : "";
  const std::string order = collation != nullptr ? collation : "BINARY";
  column.type = type_of(type, order);
  if (hidden == 1 || column.generated_when_read)
    column.unroutable = "it is generated when it is read";
  else if (!column.type)
    column.unroutable = std::string("of type ")
                            .append(type.empty() ? "none" : type)
                            .append(" with collation ")
                            .append(order)
                            .append(" values can be equal and written differently");
  else if (column.type == RouteType::text && !utf8)
    column.unroutable = "text of a database in UTF-16 is not told apart";
  if (!column.unroutable.empty()) column.type.reset();
  return column;
}

// A name by which the rowid is reached, unless columns have all of them: then nobody gives one.
std::string name_of_rowid(const TableShape& shape) {
  for (const char* name : {"rowid", "_rowid_", "oid"})
    if (shape.find(name) == nullptr) return name;
  return {};
}

void add_key_column(TableShape& shape, UniqueKey& key, const Row& row) {
  const auto name = row["name"].as<std::optional<std::string>>();
  const ColumnShape* column = name ? shape.find(*name) : nullptr;
  if (column == nullptr || column->generated) {
    shape.unroutable = "a unique index is on an expression or on a generated column";
    return;
  }
  KeyColumn part{.column = column->name, .collation = row["coll"].as<std::string>()};
  if (column->not_null && !column->default_value.empty()) {
    part.instead_of_null = column->default_value;
    if (!is_literal(part.instead_of_null))
      shape.unroutable =
          "the default of " + column->name +
          ", which is part of a unique key, is not a literal: what REPLACE puts in the "
          "place of a NULL is not known beforehand";
  }
  key.push_back(std::move(part));
}

void read_keys(Connection& connection, TableShape& shape, bool without_rowid) {
  const ParameterView table[] = {as_parameter(shape.name)};
  const ResultSet rows = connection.query(sql::unique_keys, table);
  std::optional<std::int64_t> index;
  bool primary_has_index = false;
  for (const Row row : rows) {
    if (row["seq"].as<std::int64_t>() != index) {
      index = row["seq"].as<std::int64_t>();
      shape.keys.emplace_back();
    }
    primary_has_index = primary_has_index || row["origin"].view() == "pk";
    if (row["partial"].as<bool>()) shape.unroutable = "a unique index is partial";
    add_key_column(shape, shape.keys.back(), row);
  }
  if (without_rowid) return;
  if (shape.primary_key.size() == 1 && !primary_has_index) {
    auto column = std::ranges::find(shape.columns, shape.primary_key.front(), &ColumnShape::name);
    column->is_rowid = true;
    shape.keys.push_back({{.column = column->name}});
  } else if (std::string name = name_of_rowid(shape); !name.empty()) {
    shape.keys.push_back({{.column = std::move(name)}});
  }
}

void read_columns(Connection& connection, TableShape& shape) {
  const bool utf8 = connection.pragma("pragma encoding") == "UTF-8";
  const ParameterView table[] = {as_parameter(shape.name)};
  const ResultSet rows = connection.query(sql::table_columns, table);
  std::vector<std::pair<int, std::string>> primary;
  for (const Row row : rows) {
    shape.columns.push_back(column_of(connection, shape.name, row, utf8));
    if (const int place = row["pk"].as<int>(); place > 0)
      primary.emplace_back(place, shape.columns.back().name);
  }
  std::ranges::sort(primary);
  for (auto& [place, name] : primary) shape.primary_key.push_back(std::move(name));
}

void read_triggers(Connection& connection, TableShape& shape) {
  const ParameterView table[] = {as_parameter(shape.name)};
  const ResultSet rows = connection.query(sql::table_triggers, table);
  for (const Row row : rows)
    shape.triggers.push_back({row["name"].as<std::string>(), row["sql"].as<std::string>()});
}

bool is_internal(std::string_view name) {
  const std::string lower = ascii::to_lower(name);
  return lower.starts_with("sqlite_") || lower.starts_with("querymark_");
}

}  // namespace

const ColumnShape* TableShape::find(std::string_view column) const noexcept {
  const auto found = std::ranges::find_if(
      columns, [column](const ColumnShape& one) { return ascii::equal(one.name, column); });
  return found != columns.end() ? &*found : nullptr;
}

TableShape shape_of(Connection& connection, const std::string& table) {
  TableShape shape;
  const ParameterView name[] = {as_parameter(table)};
  const ResultSet rows = connection.query(sql::table_kind, name);
  if (rows.empty()) return shape;
  shape.name = rows.row(0)["name"].as<std::string>();
  const std::string_view kind = rows.row(0)["type"].view();
  using Kind = TableShape::Kind;
  shape.kind = is_internal(shape.name) || kind == "shadow" ? Kind::internal
               : kind == "view"                            ? Kind::view
               : kind == "virtual"                         ? Kind::virtual_table
                                                           : Kind::table;
  if (shape.kind != Kind::table) return shape;
  read_columns(connection, shape);
  read_keys(connection, shape, rows.row(0)["wr"].as<bool>());
  read_triggers(connection, shape);
  shape.cut_short = what_cuts_short(connection, shape.name);
  return shape;
}

}  // namespace querymark::sqlite
