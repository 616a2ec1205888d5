#pragma once

#include <optional>
#include <pqxx/connection>
#include <pqxx/result>
#include <pqxx/transaction_base>
#include <span>
#include <string>
#include <string_view>

#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"

struct pg_result;  // libpq's PGresult

namespace querymark::postgres {

/// The text that PostgreSQL's input functions take; nothing for NULL. Throws ConfigError for text
/// with a NUL.
[[nodiscard]] std::optional<std::string> text_of(ParameterView value);

/// The rows with cells by column type: integers and oid as int64, float4 and float8 as float64,
/// bool as boolean, bytea as bytes, everything else (NUMERIC and arrays too) as text. Throws Error
/// for a cell that its type can't hold.
[[nodiscard]] ResultSet rows_of(const pqxx::result& result);
[[nodiscard]] ResultSet rows_of(const pg_result* result);

/// Runs one statement with bound parameters on any kind of libpqxx transaction; throws libpqxx's
/// exceptions.
[[nodiscard]] pqxx::result exec_bound(pqxx::transaction_base& transaction, std::string_view sql,
                                      std::span<const ParameterView> values);

/// Adds a cell of the type that `rows_of` would name so, from its text; nothing is NULL.
void add_cell(ResultSetBuilder& builder, std::string_view type,
              std::optional<std::string_view> text);

}  // namespace querymark::postgres
