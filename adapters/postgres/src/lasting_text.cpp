#include "lasting_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "querymark/support/ascii.hpp"
#include "sql_tokens.hpp"

namespace querymark::postgres {
namespace {

constexpr bool is_listed(const auto& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

// What may stand in front of a parenthesis: key words and types...
constexpr auto kBeforeParenthesis = std::to_array<std::string_view>(
    {"all",     "and",     "any",   "array",     "as",           "between",  "by",        "case",
     "cast",    "char",    "cube",  "conflict",  "decimal",      "distinct", "else",      "except",
     "exists",  "filter",  "from",  "having",    "ilike",        "in",       "intersect", "is",
     "join",    "lateral", "like",  "limit",     "materialized", "not",      "numeric",   "offset",
     "on",      "or",      "over",  "recursive", "returning",    "rollup",   "row",       "select",
     "set",     "sets",    "some",  "then",      "timestamp",    "union",    "using",     "values",
     "varchar", "when",    "where", "with"});
// ...and functions that mean one thing, whatever else bears their name: no type of an argument is
// guessed but as these have it.
constexpr auto kLastingFunctions = std::to_array<std::string_view>(
    {"abs",      "array_agg", "avg",        "bool_and",   "bool_or", "ceil",
     "coalesce", "count",     "dense_rank", "extract",    "floor",   "generate_series",
     "greatest", "json_agg",  "jsonb_agg",  "lag",        "lead",    "least",
     "length",   "lower",     "max",        "min",        "now",     "nullif",
     "rank",     "round",     "row_number", "string_agg", "sum",     "trim",
     "unnest",   "upper"});
// Types that a `$n::` may name; the first word of each.
constexpr auto kLastingTypes = std::to_array<std::string_view>(
    {"bigint", "bool",     "boolean", "bytea",     "date",        "double", "float4", "float8",
     "int",    "int2",     "int4",    "int8",      "integer",     "json",   "jsonb",  "numeric",
     "real",   "smallint", "text",    "timestamp", "timestamptz", "uuid",   "varchar"});
// A constant with one of these may be a moment when it is read: in a range or an array, too.
constexpr auto kMoments =
    std::to_array<std::string_view>({"now", "today", "tomorrow", "yesterday"});

// Of a constant as it stands in the text. Only what is in plain quotes is what it seems.
bool may_move(std::string_view constant) {
  if (!constant.starts_with('\'')) return true;
  const std::string lower = ascii::to_lower(constant);
  return lower.find(':') != std::string::npos ||
         std::ranges::any_of(kMoments, [&](std::string_view word) {
           return lower.find(word) != std::string::npos;
         });
}

// Whole numbers: exact in each type of numbers, and spelt in one way as a text.
bool is_whole(ValueType type) { return type == ValueType::int64 || type == ValueType::null; }

bool means_the_same(ParameterView value) {
  return value.type() == ValueType::array ? is_whole(value.element_type()) : is_whole(value.type());
}

// Takes the tokens of a text; `loose` becomes what stands of each $n.
class Reader {
 public:
  Reader(std::string_view sql, std::vector<bool>& loose) : sql_(sql), loose_(loose) {}

  // False: it does not last.
  [[nodiscard]] bool take(const SqlToken& token) {
    type(token);
    bool lasts = true;
    if (token.kind == SqlToken::Kind::text) lasts = !may_move(text_of(token));
    if (token.kind == SqlToken::Kind::parameter) lasts = begin_parameter(text_of(token));
    if (token.is('(') && before_.is_identifier() && !names_table_) lasts = is_known();
    names_table_ = token.is("into") || (names_table_ && (token.is_identifier() || token.is('.')));
    earlier_ = std::exchange(before_, token);
    return lasts;
  }
  void end() {
    if (parameter_) loose_[*parameter_] = true;
  }

 private:
  [[nodiscard]] std::string_view text_of(const SqlToken& token) const {
    return sql_.substr(token.begin, token.end - token.begin);
  }

  // Of the `$n` just before, if there is one.
  void type(const SqlToken& token) {
    if (!parameter_) return;
    if (token.is(':') && colons_ < 2) {
      ++colons_;
      return;
    }
    const bool typed =
        colons_ == 2 && token.kind == SqlToken::Kind::word && is_listed(kLastingTypes, token.name);
    if (!typed) loose_[*parameter_] = true;
    parameter_.reset();
  }

  [[nodiscard]] bool begin_parameter(std::string_view text) {
    constexpr std::size_t kMost = 65535;  // of the protocol
    std::size_t number = 0;
    std::from_chars(text.data() + 1, text.data() + text.size(), number);
    if (number == 0 || number > kMost) return false;
    if (loose_.size() < number) loose_.resize(number);
    parameter_ = number - 1;
    colons_ = 0;
    return true;
  }

  // Behind AS, WITH, RECURSIVE and a closing parenthesis a name with parentheses is made, not called.
  [[nodiscard]] bool is_known() const {
    if (earlier_.is("as") || earlier_.is("with") || earlier_.is("recursive") || earlier_.is(')'))
      return true;
    return before_.kind == SqlToken::Kind::word && !earlier_.is('.') &&
           (is_listed(kBeforeParenthesis, before_.name) ||
            is_listed(kLastingFunctions, before_.name));
  }

  std::string_view sql_;
  std::vector<bool>& loose_;
  SqlToken before_;
  SqlToken earlier_;
  bool names_table_ = false;              // behind INTO: its columns may follow
  std::optional<std::size_t> parameter_;  // the `$n` just before, without its type so far
  int colons_ = 0;                        // behind it
};

}  // namespace

LastingText::LastingText(std::string_view sql) {
  SqlTokens tokens(sql, Backslash::plain);
  Reader reader(sql, loose_);
  while (const auto token = tokens.next())
    if (!reader.take(*token)) {
      lasts_ = false;
      return;
    }
  reader.end();
}

bool LastingText::lasts_with(std::span<const ParameterView> values) const {
  if (!lasts_) return false;
  for (std::size_t i = 0; i < values.size(); ++i)
    if ((i >= loose_.size() || loose_[i]) && !means_the_same(values[i])) return false;
  return true;
}

}  // namespace querymark::postgres
