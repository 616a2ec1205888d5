#pragma once

#include <map>
#include <optional>
#include <pqxx/connection>
#include <pqxx/result>
#include <pqxx/transaction_base>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "querymark/key/parameter.hpp"
#include "querymark/result/result_set.hpp"
#include "querymark/support/mutex.hpp"

struct pg_result;  // libpq's PGresult

namespace querymark::postgres {

/// The names of types that one database has made: enumerations, domains, ranges, arrays of them.
using TypeNames = std::map<unsigned, std::string>;

/// The text that PostgreSQL's input functions take; nothing for NULL. Throws ConfigError for text
/// with a NUL.
[[nodiscard]] std::optional<std::string> text_of(ParameterView value);

/// The rows with cells by column type: integers and oid as int64, float4 and float8 as float64,
/// bool as boolean, bytea as bytes, everything else (NUMERIC and arrays too) as text. A type that
/// `names` does not know is declared as `oid:N`. Throws Error for a cell that its type can't hold.
[[nodiscard]] ResultSet rows_of(const pqxx::result& result, const TypeNames& names = {});
[[nodiscard]] ResultSet rows_of(const pg_result* result, const TypeNames& names = {});
/// The same where texts came in whatever encoding: bytes that are no UTF-8 are spelt out, as `\xe9`.
[[nodiscard]] ResultSet spelt_rows_of(const pg_result* result);

/// Those types of the columns whose names neither this library nor `names` knows.
[[nodiscard]] std::vector<unsigned> unknown_types(const pqxx::result& result,
                                                  const TypeNames& names);
[[nodiscard]] std::vector<unsigned> unknown_types(const pg_result* result, const TypeNames& names);

/// `names` with those of `types` that `answer`, the rows of the statement `type_names`, tells.
void learn_types(TypeNames& names, const ResultSet& answer);
/// What that statement is bound to: `{29663,29664}`.
[[nodiscard]] OwnedParameter as_oids(std::span<const unsigned> types);

/// The names that loads in callers' transactions have learned. Thread-safe.
class SharedTypeNames {
 public:
  /// The rows of `result`; asks in `transaction` for the names that nobody has asked for yet.
  [[nodiscard]] ResultSet rows_of(pqxx::transaction_base& transaction, const pqxx::result& result);

 private:
  Mutex mutex_;
  TypeNames names_ QUERYMARK_GUARDED_BY(mutex_);
};

/// Runs one statement with bound parameters on any kind of libpqxx transaction; throws libpqxx's
/// exceptions.
[[nodiscard]] pqxx::result exec_bound(pqxx::transaction_base& transaction, std::string_view sql,
                                      std::span<const ParameterView> values);

/// Whether the library knows a type of that name, so that its cells are read as what they are.
[[nodiscard]] bool is_known_type(std::string_view type) noexcept;

/// Adds a cell of the type that `rows_of` would name so, from its text; nothing is NULL.
void add_cell(ResultSetBuilder& builder, std::string_view type,
              std::optional<std::string_view> text);

}  // namespace querymark::postgres
