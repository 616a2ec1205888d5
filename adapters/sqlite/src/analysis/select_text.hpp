#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "querymark/automatic/analysis.hpp"
#include "sql_tokens.hpp"

// What the text of a query says beyond doubt of the rows of its FROM. It is read by tokens, all or nothing:
// whoever is not sure of a word says that nothing is known.

namespace querymark::sqlite {

struct ColumnText {
  std::string qualifier{};  ///< Empty: none.
  std::string column{};
};
/// A value that a column is compared with: a parameter, or a constant of the type.
struct ValueText {
  RouteValue value{};
  std::optional<RouteType> type{};  ///< Nothing: a parameter.
};
/// `column = column`, or `column` is one of the values.
struct EqualityText {
  ColumnText column{};
  std::variant<ColumnText, std::vector<ValueText>> other{};
};

/// One item of FROM.
struct ItemText {
  std::string table{};  ///< Empty: a subquery, or a function.
  /// `json_each(?)` of that parameter, whose elements are its column `value`.
  std::optional<std::size_t> list{};
  std::string alias{};             ///< By which columns are qualified; empty: none.
  bool left_joined = false;        ///< It is the right side of a LEFT JOIN.
  std::vector<EqualityText> on{};  ///< True of each of its rows that is joined to another one.
};

/// A query of one SELECT.
struct SelectText {
  std::vector<ItemText> items{};
  std::vector<EqualityText> where{};  ///< True of each row that WHERE lets through.
  /// Each row tells by its first column, `k.key` of `json_each(?) as k`, to which element of the first parameter it
  /// belongs, and depends on no other:
  enum class Keys : std::uint8_t {
    together,   ///< Not that anybody could tell.
    by_groups,  ///< It does: if rows are grouped, then of one key each.
    by_rows,    ///< It does, if no function looks at several rows.
  } keys = Keys::together;
};

/// Each rule, off in tests that show that it is needed.
struct TextRules {
  bool alternatives = true;  ///< Nothing is known where OR stands.
  bool between = true;       ///< Nor where BETWEEN does, which has an AND of its own.
  bool left_joins = true;    ///< ON of a LEFT JOIN holds for its right side only.
  bool named_once = true;    ///< A table that is named elsewhere, too, is not told apart.
  bool types_alike = true;  ///< A value is told of a column of its own type only: `07` may equal 7.
  bool keys_apart = true;   ///< What looks at rows of several keys has not one key's.
};

/// Nothing: not read to the end.
[[nodiscard]] std::optional<SelectText> select_in(std::span<const Token> tokens,
                                                  const TextRules& rules = {});

}  // namespace querymark::sqlite
