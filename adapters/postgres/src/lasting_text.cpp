#include "lasting_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

#include "from_items.hpp"
#include "parameter_places.hpp"
#include "querymark/support/ascii.hpp"
#include "sql_tokens.hpp"

namespace querymark::postgres {
namespace {

constexpr bool is_listed(const auto& listed, const auto& one) {
  return std::ranges::find(listed, one) != listed.end();
}

// What may stand in front of a parenthesis: key words and types...
constexpr auto kBeforeParenthesis = std::to_array<std::string_view>(
    {"all",     "and",    "any",          "array",     "as",       "between",  "by",
     "case",    "cast",   "char",         "coalesce",  "conflict", "decimal",  "distinct",
     "else",    "except", "exists",       "extract",   "from",     "greatest", "having",
     "ilike",   "in",     "intersect",    "is",        "join",     "lateral",  "least",
     "like",    "limit",  "materialized", "not",       "nullif",   "numeric",  "offset",
     "on",      "or",     "recursive",    "returning", "row",      "select",   "set",
     "some",    "then",   "timestamp",    "trim",      "union",    "using",    "values",
     "varchar", "when",   "where",        "with"});
// ...functions without arguments, which nothing on the path hides from the server's own schema...
constexpr auto kWithoutArguments =
    std::to_array<std::string_view>({"dense_rank", "now", "rank", "row_number"});
// ...and those that mean one thing, unless something that bears the same name fits better.
constexpr auto kLastingFunctions = std::to_array<std::string_view>(
    {"abs",      "array_agg",  "avg", "bool_and", "bool_or", "ceil",  "floor", "generate_series",
     "json_agg", "jsonb_agg",  "lag", "lead",     "length",  "lower", "max",   "min",
     "round",    "string_agg", "sum", "unnest",   "upper"});
// What gives whatever it is given, rows too.
constexpr auto kAnyType =
    std::to_array<std::string_view>({"coalesce", "greatest", "least", "nullif"});
// Types that a cast may name; the first word of each. No type of another schema hides them.
constexpr auto kLastingTypes = std::to_array<std::string_view>(
    {"bigint",      "bool",   "boolean", "bytea",    "char", "character", "date",
     "decimal",     "double", "float4",  "float8",   "inet", "int",       "int2",
     "int4",        "int8",   "integer", "interval", "json", "jsonb",     "name",
     "numeric",     "oid",    "real",    "smallint", "text", "time",      "timestamp",
     "timestamptz", "uuid",   "varchar"});
// What may stand in front of a constant, besides these types: it would be a type's name otherwise.
constexpr auto kBeforeConstant = std::to_array<std::string_view>(
    {"all",  "and",       "between", "by",   "case",  "distinct", "else",   "escape",
     "from", "having",    "ilike",   "like", "limit", "not",      "offset", "on",
     "or",   "returning", "select",  "then", "to",    "when",     "where",  "zone"});
// A constant with one of these may be a moment when it is read: in a range or an array, too.
constexpr auto kMoments =
    std::to_array<std::string_view>({"now", "today", "tomorrow", "yesterday"});

// Of a constant as it stands in the text. Only what is in plain quotes, on one line, is what it seems. With
// a parenthesis it may be a row.
bool may_move(std::string_view constant) {
  if (!constant.starts_with('\'') || constant.find_first_of("\r\n") != std::string::npos)
    return true;
  const std::string lower = ascii::to_lower(constant);
  return lower.find_first_of(":(") != std::string::npos ||
         std::ranges::any_of(kMoments, [&](std::string_view word) {
           return lower.find(word) != std::string::npos;
         });
}

// Whole numbers: exact in each type of numbers, and spelt in one way as a text.
bool is_whole(ValueType type) { return type == ValueType::int64 || type == ValueType::null; }

bool means_the_same(ParameterView value) {
  return value.type() == ValueType::array ? is_whole(value.element_type()) : is_whole(value.type());
}

// Types in which a whole number is exact and spelt in one way, by their oids: bigint, smallint, integer, text,
// character, varchar, numeric, and arrays of them.
constexpr auto kWholeTypes = std::to_array<unsigned>(
    {20, 21, 23, 25, 1042, 1043, 1700, 1016, 1005, 1007, 1009, 1014, 1015, 1231});

// Takes the tokens of a text; `loose` becomes what stands of each $n, `calls` what it calls.
class Reader {
 public:
  Reader(std::string_view sql, std::vector<bool>& loose, std::vector<std::string>& calls)
      : sql_(sql), loose_(loose), calls_(calls), places_(loose) {}

  // False: it does not last.
  [[nodiscard]] bool take(const SqlToken& token) {
    if (token.is_one_of({"insert", "merge", "default"})) fills_in_ = true;
    if (count_ && !token.is('*')) call("count");  // count(*) has no argument
    count_ = false;
    const bool lasts = lasts_with(token) && !makes_row(token) && !sets_row(&token) &&
                       places_.take(token, number_, is_lasting_type(token));
    follow(token);
    from_.follow(token, before_);
    earlier_ = std::exchange(before_, token);
    return lasts && calls_.size() <= LastingText::kMostCalls;
  }
  [[nodiscard]] bool end() { return !sets_row(nullptr) && places_.end(); }
  [[nodiscard]] bool fills_in() const { return fills_in_; }

 private:
  [[nodiscard]] std::string_view text_of(const SqlToken& token) const {
    return sql_.substr(token.begin, token.end - token.begin);
  }

  [[nodiscard]] bool lasts_with(const SqlToken& token) {
    if (!groups_.empty() && groups_.back().unnests && !is_no_row(token)) return false;
    if (token.kind == SqlToken::Kind::text) return is_lasting_constant(token);
    if (token.kind == SqlToken::Kind::parameter) return begin_parameter(text_of(token));
    if (token.is('(') && before_.is_identifier() && !names_table_) return is_known();
    if (token.is('.')) return !names_field();
    if (token.is("collate")) return false;
    return !names_type() || is_lasting_type(token);
  }

  // Whether this comma or parenthesis makes a list a row, which may have to fit a type of rows.
  [[nodiscard]] bool makes_row(const SqlToken& token) const {
    if (token.is('(')) return before_.is("row");
    return token.is(',') && !groups_.empty() && groups_.back().may_be_row;
  }

  // Whether a name alone, or all of what it names, is what a column is set to, as in `set place = p`: that may be
  // a query's row.
  [[nodiscard]] bool sets_row(const SqlToken* next) const {
    if (!sets_) return false;
    if (next != nullptr && next->is('*')) return before_.is('.');
    if (!before_.is_identifier() || !earlier_.is('=')) return false;
    if (before_.is_one_of({"current_date", "current_time", "current_timestamp", "default", "false",
                           "localtime", "localtimestamp", "null", "true"}))
      return false;
    return next == nullptr || next->is(',') || next->is(')') || next->is(';') ||
           next->is_identifier();
  }

  [[nodiscard]] bool begin_parameter(std::string_view text) {
    constexpr std::size_t kMost = 65535;  // of the protocol
    std::size_t number = 0;
    std::from_chars(text.data() + 1, text.data() + text.size(), number);
    if (number == 0 || number > kMost) return false;
    if (loose_.size() < number) loose_.resize(number);
    number_ = number - 1;
    return true;
  }

  [[nodiscard]] static bool is_lasting_type(const SqlToken& token) {
    return token.kind == SqlToken::Kind::word && is_listed(kLastingTypes, token.name);
  }

  // Behind `::`, and behind the AS of a CAST.
  [[nodiscard]] bool names_type() const {
    if (before_.is(':') && earlier_.is(':')) return true;
    return before_.is("as") && !groups_.empty() && groups_.back().cast;
  }

  // A word in front of it may be a type's name.
  [[nodiscard]] bool is_lasting_constant(const SqlToken& token) const {
    if (may_move(text_of(token))) return false;
    if (!before_.is_identifier()) return true;
    return before_.kind == SqlToken::Kind::word && !earlier_.is('.') &&
           (is_listed(kBeforeConstant, before_.name) || is_listed(kLastingTypes, before_.name));
  }

  // A field of a composite value is known by its place: `(value).field`, and what an INSERT or an
  // UPDATE sets.
  [[nodiscard]] bool names_field() const {
    if (before_.is(')') || before_.is(']') || before_.kind == SqlToken::Kind::parameter)
      return true;
    return sets_ && (earlier_.is("set") || earlier_.is(',') || earlier_.is('('));
  }

  // Of what an unnest() in FROM may be of, whose columns must stay what they are.
  [[nodiscard]] static bool is_no_row(const SqlToken& token) {
    if (token.kind == SqlToken::Kind::word)
      return is_lasting_type(token) || token.is("array") || token.is("precision");
    return token.kind != SqlToken::Kind::name && !token.is('(');
  }

  // Behind AS, WITH, RECURSIVE and a closing parenthesis a name with parentheses is made, not called.
  [[nodiscard]] bool is_known() {
    if (earlier_.is("as") || earlier_.is("with") || earlier_.is("recursive") || earlier_.is(')'))
      return true;
    if (before_.kind != SqlToken::Kind::word || earlier_.is('.')) return false;
    if (from_.calls(earlier_) && is_listed(kAnyType, before_.name)) return false;
    count_ = before_.is("count");
    if (is_listed(kLastingFunctions, before_.name)) call(before_.name);
    return count_ || is_listed(kLastingFunctions, before_.name) ||
           is_listed(kWithoutArguments, before_.name) ||
           is_listed(kBeforeParenthesis, before_.name);
  }

  void call(const std::string& function) {
    if (!is_listed(calls_, function)) calls_.push_back(function);
  }

  void follow(const SqlToken& token) {
    names_table_ = token.is("into") || (names_table_ && (token.is_identifier() || token.is('.')));
    if (token.is("into") || token.is("set")) sets_ = true;
    if (token.is_one_of({"values", "select", "where", "from", "returning"})) sets_ = false;
    if (token.is('(') || token.is('[')) {
      const bool of_values = values_ && (before_.is("values") || before_.is(','));
      groups_.push_back({.cast = before_.is("cast"),
                         .may_be_row = token.is('(') && !of_values && may_begin_row(),
                         .values = std::exchange(values_, false),
                         .sets = sets_,
                         .unnests = unnests(token)});
    } else if ((token.is(')') || token.is(']')) && !groups_.empty()) {
      values_ = groups_.back().values;
      sets_ = groups_.back().sets;
      groups_.pop_back();
    } else if (token.is_identifier()) {
      // A query in parentheses is no list.
      if (!groups_.empty() && before_.is('(') &&
          (token.is("select") || token.is("values") || token.is("with")))
        groups_.back().may_be_row = false;
      values_ = token.is("values");
    }
  }
  [[nodiscard]] bool unnests(const SqlToken& token) const {
    if (token.is('[')) return !groups_.empty() && groups_.back().unnests;
    return before_.is("unnest") && from_.calls(earlier_);
  }
  // Where a value may stand that something takes as a whole. `(a, b) = (1, 2)` are compared by columns.
  [[nodiscard]] bool may_begin_row() const {
    if (before_.is('=')) return sets_ && !earlier_.is(')');
    if (before_.kind == SqlToken::Kind::symbol) return !before_.is('<') && !before_.is('>');
    return before_.is("select") || before_.is("all") || before_.is("distinct") ||
           before_.is("then") || before_.is("else");
  }

  std::string_view sql_;
  std::vector<bool>& loose_;
  std::vector<std::string>& calls_;
  SqlToken before_;
  SqlToken earlier_;
  bool values_ = false;  // lists of VALUES may follow
  bool fills_in_ = false;
  bool names_table_ = false;  // behind INTO: its columns may follow
  bool sets_ = false;         // columns are named that get values
  bool count_ = false;        // `count(` is just before
  struct Group {              // an open parenthesis or bracket
    bool cast = false;        // a CAST's
    bool may_be_row = false;  // if a comma follows
    bool values = false;      // whether lists of VALUES may follow when it is closed
    bool sets = false;        // whether columns are named then that get values
    bool unnests = false;     // an unnest()'s in FROM, or part of it
  };
  std::vector<Group> groups_;
  std::size_t number_ = 0;  // of the `$n` at hand
  ParameterPlaces places_;
  FromItems from_;
};

}  // namespace

LastingText::LastingText(std::string_view sql) {
  SqlTokens tokens(sql, Backslash::plain);
  Reader reader(sql, loose_, calls_);
  while (const auto token = tokens.next())
    if (!reader.take(*token)) {
      lasts_ = false;
      return;
    }
  fills_in_ = reader.fills_in();
  lasts_ = reader.end();
}

bool LastingText::lasts_with(std::span<const ParameterView> values) const {
  if (!lasts_) return false;
  for (std::size_t i = 0; i < values.size(); ++i)
    if ((i >= loose_.size() || loose_[i]) && !means_the_same(values[i])) return false;
  return true;
}

bool LastingText::lasts_with_types(std::span<const unsigned> types) const {
  for (std::size_t i = 0; i < types.size(); ++i)
    if ((i >= loose_.size() || loose_[i]) && !is_listed(kWholeTypes, types[i])) return false;
  return true;
}

}  // namespace querymark::postgres
