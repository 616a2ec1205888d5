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

namespace querymark::postgres {

/// The text that PostgreSQL's input functions take; nothing for NULL. Throws ConfigError for text
/// with a NUL.
[[nodiscard]] std::optional<std::string> text_of(ParameterView value);

/// The rows with cells by column type: integers and oid as int64, float4 and float8 as float64,
/// bool as boolean, bytea as bytes, everything else (NUMERIC too) as text. Throws Error for a cell
/// that its type can't hold.
[[nodiscard]] ResultSet rows_of(const pqxx::result& result);

/// Runs one statement with bound parameters on any kind of libpqxx transaction; throws libpqxx's
/// exceptions.
[[nodiscard]] pqxx::result exec_bound(pqxx::transaction_base& transaction, std::string_view sql,
                                      std::span<const ParameterView> values);

/// The same for a statement that was prepared under `name`.
[[nodiscard]] pqxx::result exec_prepared(pqxx::transaction_base& transaction,
                                         const std::string& name,
                                         std::span<const ParameterView> values);

/// PostgreSQL's text of an array of texts: `{"a","b"}`.
[[nodiscard]] std::string array_text(std::span<const std::string> elements);

}  // namespace querymark::postgres
