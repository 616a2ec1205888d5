#include "analysis/function_verdict.hpp"

#include <algorithm>
#include <span>

namespace querymark::sqlite {
namespace {

// Sorted. SQLite calls date and time functions deterministic, which they are but for 'now', which may come
// from a column: so its own flags say nothing.
constexpr std::string_view kOfArguments[] = {
    "->",
    "->>",
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "avg",
    "ceil",
    "ceiling",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "cos",
    "cosh",
    "count",
    "cume_dist",
    "degrees",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_insert",
    "json_object",
    "json_patch",
    "json_pretty",
    "json_quote",
    "json_remove",
    "json_replace",
    "json_set",
    "json_type",
    "json_valid",
    "jsonb",
    "jsonb_array",
    "jsonb_extract",
    "jsonb_group_array",
    "jsonb_group_object",
    "jsonb_insert",
    "jsonb_object",
    "jsonb_patch",
    "jsonb_remove",
    "jsonb_replace",
    "jsonb_set",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "pi",
    "pow",
    "power",
    "printf",
    "quote",
    "radians",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sin",
    "sinh",
    "soundex",
    "sqrt",
    "string_agg",
    "substr",
    "substring",
    "subtype",
    "sum",
    "tan",
    "tanh",
    "total",
    "trim",
    "trunc",
    "typeof",
    "unhex",
    "unicode",
    "unlikely",
    "upper",
    "zeroblob",
};
constexpr std::string_view kOfTime[] = {
    "current_date", "current_time", "current_timestamp", "date",      "datetime", "julianday",
    "strftime",     "time",         "timediff",          "unixepoch",
};
constexpr std::string_view kOfTheMoment[] = {
    "changes",    "last_insert_rowid", "load_extension", "random",
    "randomblob", "sqlite_log",        "total_changes",
};

bool stands_in(std::span<const std::string_view> names, std::string_view name) noexcept {
  return std::ranges::binary_search(names, name);
}

}  // namespace

Verdict verdict_on_function(std::string_view name) noexcept {
  if (stands_in(kOfArguments, name)) return Verdict::cache;
  return stands_in(kOfTheMoment, name) ? Verdict::refuse : Verdict::ttl_only;
}

std::string_view why_of_function(std::string_view name) noexcept {
  if (stands_in(kOfTime, name)) return "depends on the time";
  if (stands_in(kOfTheMoment, name)) return "is another at each call, or has effects";
  return "is not known to depend on its arguments alone";
}

}  // namespace querymark::sqlite
