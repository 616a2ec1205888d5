#include "querymark/read/by_ordinal.hpp"

#include <cstdint>
#include <optional>
#include <string>

#include "querymark/key/list.hpp"
#include "querymark/support/error.hpp"
#include "querymark/support/excerpt.hpp"
#include "querymark/support/sql_text.hpp"

namespace querymark::detail {
namespace {

[[noreturn]] void fail(std::string_view problem, std::string_view sql) {
  constexpr std::size_t kShown = 100;
  std::string text("a statement for many keys ");
  text.append(problem).append(": ").append(excerpt(sql, kShown));
  throw ConfigError(text);
}

// Its name tells from where it counts. One that could count from either would let rows go to the
// neighbours of their keys, and nobody would see it.
std::int64_t first_ordinal(const ResultSet& rows, std::string_view sql) {
  if (rows.columns() > 0 && rows.column_name(0) == "ordinality") return 1;
  if (rows.columns() > 0 && rows.column_name(0) == "key") return 0;
  fail(
      "must give first to which key a row belongs: `ordinality`, which counts from 1 "
      "(unnest($1::bigint[]) "
      "with ordinality as k(id)), or `key`, which counts from 0 (json_each(?) as k)",
      sql);
}

ParameterView cell_of(const Field& field) {
  switch (field.type()) {
    case ValueType::boolean:
      return ParameterView::boolean(field.as<bool>());
    case ValueType::int64:
      return ParameterView::int64(field.as<std::int64_t>());
    case ValueType::float64:
      return ParameterView::float64(field.as<double>());
    case ValueType::text:
      return ParameterView::text(field.view());
    case ValueType::bytes:
      return ParameterView::bytes(field.view());
    default:
      return {};
  }
}

ResultSetBuilder builder_for(const ResultSet& rows) {
  ResultSetBuilder builder;
  for (std::size_t column = 1; column < rows.columns(); ++column)
    builder.add_column(rows.column_name(column), rows.column_type(column));
  return builder;
}

}  // namespace

std::vector<ResultSet> split_by_ordinal(const ResultSet& rows, std::size_t keys,
                                        std::string_view sql) {
  const std::int64_t first = first_ordinal(rows, sql);
  const ResultSetBuilder columns = builder_for(rows);
  std::vector<std::optional<ResultSetBuilder>> builders(keys);
  for (const Row row : rows) {
    const Field ordinal = row[0];
    if (ordinal.type() != ValueType::int64) fail("gave an ordinal that is no integer", sql);
    const auto at = ordinal.as<std::int64_t>();
    if (at < first || static_cast<std::uint64_t>(at - first) >= keys)
      fail("gave the ordinal " + std::to_string(at) + " for " + std::to_string(keys) + " keys",
           sql);
    std::optional<ResultSetBuilder>& builder = builders[static_cast<std::size_t>(at - first)];
    if (!builder) builder = columns;
    if (rows.columns() == 1) builder->add_bare_row();
    for (std::size_t column = 1; column < rows.columns(); ++column)
      builder->add(cell_of(row[column]));
  }
  const ResultSet none = ResultSetBuilder(columns).build();
  std::vector<ResultSet> split;
  split.reserve(keys);
  for (std::optional<ResultSetBuilder>& builder : builders)
    split.push_back(builder ? std::move(*builder).build() : none);
  return split;
}

std::vector<LoadedRows> load_by_ordinal(Loader& loader, std::string_view sql,
                                        std::span<const ParameterView> keys,
                                        std::span<const ParameterView> others, bool replica) {
  require_no_nul(sql);
  ListBuilder list;
  for (const ParameterView key : keys) list.add(key);
  const OwnedParameter all = std::move(list).build();
  std::vector<ParameterView> values{all};
  values.insert(values.end(), others.begin(), others.end());
  const LoadedRows loaded =
      replica ? loader.load_from_replica(sql, values) : loader.load(sql, values);
  std::vector<LoadedRows> each;
  each.reserve(keys.size());
  for (ResultSet& rows : split_by_ordinal(loaded.rows, keys.size(), sql))
    each.push_back({.rows = std::move(rows),
                    .snapshot = loaded.snapshot,
                    .keep = loaded.keep,
                    .replica = loaded.replica});
  return each;
}

}  // namespace querymark::detail
